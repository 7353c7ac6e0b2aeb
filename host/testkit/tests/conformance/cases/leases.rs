//! Leases and write-ahead entries.

use serde_json::{Value, json};

use super::{Case, act};
use crate::Step::*;
use crate::{Fault, Start, Step};

pub(super) fn all() -> Vec<Case> {
    let give = |data: Value| Keep(Box::new(Update("lease", data)));
    let mut cases = vec![
        (
            "a lease is renewed up to its maximum and revoked",
            Start::Set,
            vec![
                give(json!({ "name": "a", "ttl": 1200, "max": 3600 })),
                Advance(600),
                Renew(0),
                Advance(1100),
                Renew(2000),
                Advance(1000),
                Renew(5000),
                Restart,
                Renew(0),
                Advance(899),
                Renew(0),
                Advance(1),
                Renew(0),
                Revoke,
                Revoke,
                Renew(0),
            ],
        ),
        (
            "a lease has the times of its mount",
            Start::Set,
            vec![
                give(json!({ "name": "a" })),
                give(json!({ "name": "b", "ttl": 10_000 })),
                Advance(7000),
                Renew(1000),
                Advance(200),
                Renew(0),
                give(json!({ "name": "c", "ttl": 60 })),
                Advance(60),
                Renew(0),
                Advance(61),
                Renew(0),
            ],
        ),
        (
            "a lease that cannot be renewed",
            Start::Set,
            vec![
                give(json!({ "name": "a", "ttl": 60, "renewable": false })),
                Renew(0),
                Revoke,
            ],
        ),
        (
            "an engine that refuses",
            Start::Set,
            vec![
                give(json!({ "name": "a", "ttl": 60 })),
                Store("in/stubborn", json!(1)),
                Renew(0),
                Revoke,
                Renew(0),
                act(json!({ "what": "storage-delete", "key": "in/stubborn" })),
                Revoke,
                Revoke,
            ],
        ),
    ];
    cases.push((
        "a lease with Vault's times",
        Start::New,
        vec![give(json!({ "name": "a" })), Renew(0)],
    ));
    cases.push((
        "a lease without a lease",
        Start::Set,
        vec![
            Update("lease", json!({ "name": "a/b" })),
            Update("lease", json!({})),
        ],
    ));
    cases.extend(wal());
    cases
}

fn wal() -> Vec<Case> {
    let failed = || Update("wal/a", json!({ "error": "no" }));
    vec![
        (
            "a write-ahead entry",
            Start::Set,
            vec![
                Update("wal/a", json!({})),
                failed(),
                Tick,
                Advance(61),
                Tick,
                Tick,
                failed(),
                Rollback,
            ],
        ),
        (
            "a write-ahead entry and storage that fails",
            Start::Set,
            vec![
                failed(),
                Advance(61),
                Step::Fault(Fault::Deletes(0)),
                Tick,
                Step::Fault(Fault::None),
                Tick,
            ],
        ),
    ]
}

//! Storage that fails.

use serde_json::{Value, json};

use super::{Case, act};
use crate::Step::*;
use crate::{Fault, Start, Step};

pub(super) fn all() -> Vec<Case> {
    let put = |what: &str| act(json!({ "what": what, "key": "in/a", "value": "1" }));
    let more = || Write("things/a", json!({ "value": "1", "more": 2 }));
    let all = |fault: Fault| {
        vec![
            Write("things/b", json!({ "value": "0" })),
            act(json!({ "what": "storage-put", "key": "in/d", "value": "1" })),
            Step::Fault(fault),
            put("storage-put"),
            put("storage-put-anyway"),
            put("storage-commit-anyway"),
            put("storage-get"),
            put("storage-delete"),
            act(json!({ "what": "storage-list", "key": "in/" })),
            put("storage-own"),
            act(json!({ "what": "scratch-put", "key": "k", "value": "1" })),
            act(json!({ "what": "scratch-get", "key": "k" })),
            act(json!({ "what": "event", "key": "a/b" })),
            Write("things/b", json!({ "value": "1" })),
            Read("things/b", Value::Null),
            Tick,
            Step::Fault(Fault::None),
            Write("things/b", json!({ "value": "2" })),
        ]
    };
    let mut cases: Vec<Case> = [
        ("reads fail", Fault::Gets(0)),
        ("entries cannot be stored", Fault::Puts(0)),
        ("deletions fail", Fault::Deletes(0)),
        ("lists fail", Fault::Lists(0)),
        ("a standby", Fault::ReadOnly),
        ("storage is busy", Fault::Busy),
        ("commits fail", Fault::Commits(0)),
    ]
    .map(|(name, fault)| (name, Start::Set, all(fault)))
    .to_vec();
    for (name, count) in [("the second entry fails", 1), ("the third entry fails", 2)] {
        let steps = vec![
            Step::Fault(Fault::Puts(count)),
            more(),
            Step::Fault(Fault::None),
            more(),
        ];
        cases.push((name, Start::Set, steps));
    }
    cases.push((
        "an existence check cannot read",
        Start::Set,
        vec![
            Step::Fault(Fault::Gets(0)),
            Exists("things/a", json!({ "value": "1" })),
            Step::Fault(Fault::None),
            Exists("things/a", json!({ "value": "1" })),
        ],
    ));
    cases.push((
        "the second read fails",
        Start::Set,
        vec![
            Step::Fault(Fault::Gets(1)),
            put("storage-get"),
            act(json!({ "what": "storage-count" })),
            put("storage-get"),
        ],
    ));
    cases.push(("the second commit fails", Start::Set, {
        let commit = || act(json!({ "what": "storage-commit" }));
        let scratch = || act(json!({ "what": "scratch-get", "key": "k" }));
        vec![
            Step::Fault(Fault::Commits(1)),
            commit(),
            scratch(),
            put("storage-get"),
            put("storage-put"),
            Step::Fault(Fault::None),
            commit(),
            scratch(),
        ]
    }));
    cases.push((
        "the third commit fails",
        Start::Set,
        vec![
            Step::Fault(Fault::Commits(2)),
            put("storage-put"),
            put("storage-commit-anyway"),
            put("storage-put"),
            put("storage-commit-anyway"),
            Step::Fault(Fault::None),
            put("storage-put"),
        ],
    ));
    cases
}

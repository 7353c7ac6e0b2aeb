//! The table of steps. Each case has a mount of its own.

use serde_json::{Value, json};

use crate::{Fault, Step};
use Step::*;

mod sdk;

type Case = (&'static str, bool, Vec<Step>);

/// Returns all cases: the name, whether the system view is set, and the steps.
pub fn all() -> Vec<Case> {
    [
        operations(),
        storage(),
        faults(),
        around(),
        leases(),
        sdk::all(),
        wal(),
    ]
    .concat()
}

fn act(data: Value) -> Step {
    Update("act", data)
}

fn acts(what: &[&str]) -> Vec<Step> {
    what.iter().map(|what| act(json!({ "what": what }))).collect()
}

fn keys(what: &str, keys: &[&str]) -> Vec<Step> {
    let step = |key: &&str| act(json!({ "what": what, "key": key, "value": "1" }));
    keys.iter().map(step).collect()
}

fn operations() -> Vec<Case> {
    let thing = |value| json!({ "value": value });
    vec![
        (
            "all operations of a path",
            true,
            vec![
                Read("things/a", Value::Null),
                Write("things/a", thing("1")),
                Write("things/a", thing("2")),
                Read("things/a", json!({ "unknown": 1 })),
                Patch("things/a", thing("3")),
                Patch("things/b", thing("3")),
                List("things"),
                List("things/"),
                Delete("things/a"),
                Delete("things/a"),
                List("things"),
                List("nowhere"),
                List("own"),
                Read("nowhere", Value::Null),
                Delete("act"),
                Write("act", json!({})),
                Write("nowhere", json!({})),
                Write("things/a", json!({ "more": "many" })),
                Write("things/a", json!({ "name": "b", "value": 1 })),
                Write("things/a", json!({ "value": "1", "error": "no" })),
                Help("things/a"),
                Help("nowhere"),
                Rotate,
            ],
        ),
        (
            "an existence check has no effect",
            true,
            vec![
                Write("checked/a", thing("1")),
                act(json!({ "what": "scratch-get", "key": "k" })),
                Write("checked/a", thing("2")),
            ],
        ),
        ("a restart", true, {
            let put = json!({ "what": "scratch-put", "key": "k", "value": "1" });
            let get = json!({ "what": "scratch-get", "key": "k" });
            vec![
                act(put.clone()),
                act(get.clone()),
                Restart,
                act(get.clone()),
                act(put),
                Store("in/other", json!(1)),
                act(get),
            ]
        }),
        ("what the engine sees of its request", true, {
            let request = json!({ "what": "request" });
            vec![act(request.clone()), As("1", request.clone()), act(request)]
        }),
    ]
}

fn storage() -> Vec<Case> {
    let odd = [
        "",
        "/",
        "a",
        "in",
        "in/",
        "in//a",
        "/in/a",
        "in/../a",
        "in/a..b",
        "in/./a",
        "in/.",
        ".airlock/a",
        "out/a",
        "in/a b",
        "in/\u{fc}",
    ];
    let page =
        |after: &str, n: u32| act(json!({ "what": "storage-page", "key": "in/f/", "value": after, "n": n }));
    vec![
        (
            "keys and folders that storage refuses",
            true,
            ["storage-get", "storage-put", "storage-delete", "storage-list"]
                .iter()
                .flat_map(|what| keys(what, &odd))
                .chain([32_768, 32_769].map(|n| act(json!({ "what": "storage-put-long", "n": n }))))
                .collect(),
        ),
        (
            "entries",
            true,
            [
                keys("storage-put", &["in/f/a", "in/f/b/c", "in/f/d", "in/g"]),
                keys("storage-get", &["in/f/a", "in/f/b", "in/none"]),
                keys("storage-list", &["in/", "in/f/", "in/f/b/", "in/none/"]),
                vec![
                    page("", 2),
                    page("a", 1),
                    page("b/", 9),
                    page("z", 9),
                    page("", 0),
                ],
                keys("storage-delete", &["in/f/a", "in/none"]),
                keys("storage-wrapped", &["in/w"]),
                keys("storage-list", &["in/f/"]),
                acts(&["storage-own", "storage-order", "storage-count", "storage-count"]),
            ]
            .concat(),
        ),
        ("a conflict", true, {
            let count = || act(json!({ "what": "storage-count" }));
            let own = act(json!({ "what": "storage-commit" }));
            let conflict = |step: Step| Step::Conflict("in/count", Box::new(step));
            vec![count(), conflict(count()), count(), own]
        }),
        (
            "what a failed request leaves",
            true,
            vec![
                act(json!({ "what": "storage-put", "key": "in/a", "value": "1", "error": "no" })),
                act(json!({ "what": "event", "key": "a/b", "error": "no" })),
                act(json!({ "what": "log", "value": "x", "error": "no" })),
                act(json!({ "what": "scratch-put", "key": "k", "value": "1", "error": "no" })),
                act(json!({ "what": "scratch-get", "key": "k" })),
                act(json!({ "what": "storage-commit", "error": "no" })),
                act(json!({ "what": "scratch-get", "key": "k" })),
                act(json!({ "what": "storage-commit" })),
            ],
        ),
    ]
}

fn faults() -> Vec<Case> {
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
        ("commits fail", Fault::Commits),
    ]
    .map(|(name, fault)| (name, true, all(fault)))
    .to_vec();
    for (name, count) in [("the second entry fails", 1), ("the third entry fails", 2)] {
        let steps = vec![
            Step::Fault(Fault::Puts(count)),
            more(),
            Step::Fault(Fault::None),
            more(),
        ];
        cases.push((name, true, steps));
    }
    cases.push((
        "the second read fails",
        true,
        vec![
            Step::Fault(Fault::Gets(1)),
            put("storage-get"),
            act(json!({ "what": "storage-count" })),
        ],
    ));
    cases
}

/// Everything around storage.
fn around() -> Vec<Case> {
    let random = |n: u32| act(json!({ "what": "random", "n": n }));
    let scratch = |what: &str, key: &str, length: usize| {
        let value = "x".repeat(length);
        act(json!({ "what": format!("scratch-{what}"), "key": key, "value": value }))
    };
    let system = ["config", "times", "state", "version", "cluster"].map(|what| format!("system-{what}"));
    let system: Vec<Step> = acts(&system.each_ref().map(String::as_str));
    let about = |what: &str, key: &str| act(json!({ "what": what, "key": key, "n": 60 }));
    let vault = vec![
        about("system-entity", "1"),
        about("system-entity", "5"),
        about("system-entity", "9"),
        about("system-groups", "1"),
        about("system-groups", "5"),
        about("system-groups", "9"),
        about("system-password", "digits"),
        about("system-password", "digits"),
        about("system-password", "none"),
        about("system-password", ""),
        about("system-identity", "x"),
        about("system-wrap", ""),
        Advance(60),
        about("system-wrap", ""),
    ];
    let failures = ["operation", "path", "denied", "read-only", "internal", "user"];
    let failures = failures.map(|what| act(json!({ "what": format!("fail-{what}"), "value": "no" })));
    let coded =
        [400, 404, 409, 412, 503].map(|n| act(json!({ "what": "fail-coded", "n": n, "value": "no" })));
    let answers = [
        "nothing", "empty", "warning", "redirect", "header", "error", "wrapped",
    ];
    let answers = answers.map(|what| act(json!({ "what": format!("answer-{what}"), "value": "v" })));
    let own = [200, 204, 404, 418].map(|n| act(json!({ "what": "answer-status", "n": n, "value": "v" })));
    let http = [200, 404, 500].map(|n| act(json!({ "what": "answer-http", "n": n, "value": "v" })));
    vec![
        (
            "randomness of any length",
            true,
            [0, 1, 8, 13, 65_536, 65_537, 100_000].map(random).to_vec(),
        ),
        (
            "scratch has a size",
            true,
            vec![
                scratch("put", "a", 30),
                scratch("put", "b", 32),
                scratch("put", "b", 33),
                scratch("put", "a", 31),
                scratch("get", "a", 0),
                scratch("delete", "a", 0),
                scratch("put", "b", 63),
                scratch("get", "b", 0),
                act(json!({ "what": "scratch-put-long", "n": 32_769 })),
            ],
        ),
        (
            "events and logs",
            true,
            vec![
                act(json!({ "what": "event", "key": "a/b", "n": 10 })),
                act(json!({ "what": "event", "key": "a/b", "n": 70_000 })),
                act(json!({ "what": "events", "n": 256 })),
                act(json!({ "what": "events", "n": 257 })),
                act(json!({ "what": "log", "value": "four" })),
            ],
        ),
        ("the clock", true, {
            let now = || act(json!({ "what": "now" }));
            vec![now(), Advance(3600), now(), SetTime(1_000_000_000), now()]
        }),
        (
            "the system view of a new mount",
            false,
            [system.clone(), vault.clone()].concat(),
        ),
        ("the system view that a test sets", true, [system, vault].concat()),
        ("errors", true, [failures.to_vec(), coded.to_vec()].concat()),
        (
            "answers",
            true,
            [answers.to_vec(), own.to_vec(), http.to_vec()].concat(),
        ),
    ]
}

fn leases() -> Vec<Case> {
    let give = |data: Value| Keep(Box::new(Update("lease", data)));
    let mut cases = vec![
        (
            "a lease is renewed up to its maximum and revoked",
            true,
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
            true,
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
            true,
            vec![
                give(json!({ "name": "a", "ttl": 60, "renewable": false })),
                Renew(0),
                Revoke,
            ],
        ),
        (
            "an engine that refuses",
            true,
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
        false,
        vec![give(json!({ "name": "a" })), Renew(0)],
    ));
    cases.push((
        "a lease without a lease",
        true,
        vec![
            Update("lease", json!({ "name": "a/b" })),
            Update("lease", json!({})),
        ],
    ));
    cases
}

fn wal() -> Vec<Case> {
    let failed = || Update("wal/a", json!({ "error": "no" }));
    vec![
        (
            "a write-ahead entry",
            true,
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
            true,
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

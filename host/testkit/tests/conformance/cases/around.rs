//! Everything around storage: randomness, events, the clock, the system view, errors and answers.

use serde_json::json;

use super::{Case, act, acts};
use crate::Step::*;
use crate::{Start, Step};

pub(super) fn all() -> Vec<Case> {
    let random = |n: u32| act(json!({ "what": "random", "n": n }));
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
            Start::Set,
            [0, 1, 8, 13, 65_536, 65_537, 100_000].map(random).to_vec(),
        ),
        (
            "events",
            Start::Set,
            vec![
                act(json!({ "what": "event", "key": "a/b", "n": 10 })),
                act(json!({ "what": "event", "key": "a/b", "n": 70_000 })),
                act(json!({ "what": "events", "n": 256 })),
                act(json!({ "what": "events", "n": 257 })),
            ],
        ),
        ("the clock", Start::Set, {
            let now = || act(json!({ "what": "now" }));
            vec![now(), Advance(3600), now(), SetTime(1_000_000_000), now()]
        }),
        (
            "the system view of a new mount",
            Start::New,
            [system.clone(), vault.clone()].concat(),
        ),
        (
            "the system view that a test sets",
            Start::Set,
            [system.clone(), vault.clone()].concat(),
        ),
        (
            "the system view that a test sets of a running mount",
            Start::SetLater,
            [system, vault].concat(),
        ),
        ("errors", Start::Set, [failures.to_vec(), coded.to_vec()].concat()),
        (
            "answers",
            Start::Set,
            [answers.to_vec(), own.to_vec(), http.to_vec()].concat(),
        ),
    ]
}

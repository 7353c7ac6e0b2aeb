//! The log, and what an engine prints.

use serde_json::json;

use super::{Case, act};
use crate::Start;
use crate::Step::*;

pub(super) fn all() -> Vec<Case> {
    let long = |value: &str, n: u32| act(json!({ "what": "log-long", "value": value, "key": "d", "n": n }));
    let lines = |n: u32| act(json!({ "what": "log-lines", "n": n }));
    vec![
        (
            "lines of all levels",
            Start::Set,
            vec![act(json!({ "what": "log", "value": "four" }))],
        ),
        (
            "a long line is cut",
            Start::Set,
            vec![
                long("x", (16 << 10) - 5),
                long("x", (16 << 10) - 4),
                long("x", (16 << 10) - 1),
                long("x", 16 << 10),
                long("x", 20 << 10),
                long("\u{20ac}", 6 << 10),
            ],
        ),
        (
            "many lines are dropped, in each request anew",
            Start::Set,
            vec![
                lines(1_000),
                lines(1_001),
                lines(1_500),
                // An existence check is not part of its request.
                Write("things/loud", json!({ "value": "1" })),
                Write("checked/loud", json!({ "value": "2" })),
                Exists("checked/loud", json!({})),
                Store("in/other", json!(1)),
            ],
        ),
        ("a request that runs again has logged before", Start::Set, {
            let count = || act(json!({ "what": "storage-count", "n": 600 }));
            vec![count(), Conflict("in/count", Box::new(count()))]
        }),
        ("what an engine prints", Start::Set, {
            let print = |n: u32| act(json!({ "what": "print", "value": "one", "n": n }));
            vec![print(1), print(2)]
        }),
    ]
}

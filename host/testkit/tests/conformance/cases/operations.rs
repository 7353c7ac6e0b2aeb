//! Operations of paths, and what an engine sees of them.

use serde_json::{Value, json};

use super::{Case, act};
use crate::Start;
use crate::Step::*;

pub(super) fn all() -> Vec<Case> {
    let thing = |value| json!({ "value": value });
    vec![
        (
            "all operations of a path",
            Start::Set,
            vec![
                Read("things/a", Value::Null),
                Write("things/a", thing("1")),
                Write("things/a", thing("2")),
                Read("things/a", json!({ "unknown": 1 })),
                Patch("things/a", thing("3")),
                Patch("things/b", thing("3")),
                List("things"),
                List("things/"),
                Write("things/c", thing("1")),
                ListWith("things", json!({ "after": "a" })),
                ListWith("things/", json!({ "after": "c" })),
                ListWith("things", json!({ "after": 1, "unknown": 2 })),
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
            Start::Set,
            vec![
                Write("checked/a", thing("1")),
                act(json!({ "what": "scratch-get", "key": "k" })),
                Write("checked/a", thing("2")),
            ],
        ),
        (
            "an existence check is made without its write",
            Start::Set,
            vec![
                Exists("things/a", thing("1")),
                Write("things/a", thing("1")),
                Exists("things/a", thing("2")),
                Exists("things/a", json!({ "more": "many" })),
                Exists("checked/a", json!({})),
                Exists("act", json!({ "what": "now" })),
                Exists("nowhere", json!({})),
                Exists("checked/too-long", json!({})),
            ],
        ),
        ("a restart", Start::Set, {
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
        ("what the engine sees of its request", Start::Set, {
            let request = json!({ "what": "request" });
            vec![act(request.clone()), As("1", request.clone()), act(request)]
        }),
    ]
}

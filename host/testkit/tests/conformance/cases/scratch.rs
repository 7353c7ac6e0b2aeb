//! Scratch: its size, its keys, its times to live.

use serde_json::json;

use super::{Case, act};
use crate::Start;
use crate::Step::*;

pub(super) fn all() -> Vec<Case> {
    let scratch = |what: &str, key: &str, length: usize| {
        let value = "x".repeat(length);
        act(json!({ "what": format!("scratch-{what}"), "key": key, "value": value }))
    };
    let long = |what: &str, n: u32| act(json!({ "what": format!("scratch-{what}"), "n": n }));
    vec![
        (
            // 1,000 bytes, of which each entry takes 200 besides its key and its value.
            "scratch has a size",
            Start::Set,
            vec![
                scratch("put", "a", 30),
                scratch("put", "b", 568),
                scratch("put", "b", 569),
                scratch("put", "a", 31),
                scratch("get", "a", 0),
                scratch("delete", "a", 0),
                scratch("put", "b", 799),
                scratch("put", "b", 800),
                scratch("get", "b", 0),
            ],
        ),
        (
            "entries without values fill scratch",
            Start::Set,
            ["1", "2", "3", "4", "5", "4", ""]
                .map(|key| scratch("put", key, 0))
                .to_vec(),
        ),
        (
            "a long key of scratch is refused, or ends the request",
            Start::Set,
            vec![
                long("put-long", 32_768),
                long("put-long", 32_769),
                long("long-get", 32_768),
                long("long-get", 32_769),
                long("long-list", 32_768),
                long("long-list", 32_769),
                long("long-delete", 32_768),
                long("long-delete", 32_769),
            ],
        ),
        (
            "a long key of scratch ends an existence check",
            Start::Set,
            vec![
                Write("checked/too-long", json!({ "value": "1" })),
                Read("things/too-long", json!({})),
            ],
        ),
        (
            "scratch vanishes if the engine cannot be told of a key",
            Start::Set,
            vec![
                scratch("put", "j", 1),
                Store("in/other", json!(1)),
                scratch("get", "j", 0),
                Store("in/too-long", json!(1)),
                scratch("get", "j", 0),
            ],
        ),
        ("scratch with a time to live", Start::Set, {
            let put = |key: &str, value: &str, n: u32| {
                act(json!({ "what": "scratch-put-for", "key": key, "value": value, "n": n }))
            };
            let long = "x".repeat(500);
            vec![
                put("a/1", "one", 60),
                put("a/2", "two", 120),
                put("a", "three", 0),
                scratch("put", "b", 1),
                scratch("list", "", 0),
                scratch("list", "a/", 0),
                scratch("list", "c", 0),
                put("c", &long, 1),
                Advance(59),
                scratch("get", "a/1", 0),
                Advance(1),
                scratch("get", "a/1", 0),
                scratch("list", "", 0),
                Advance(60),
                scratch("list", "a", 0),
                put("c", &long, 1),
                put("a", "three", 60),
                Restart,
                scratch("list", "", 0),
            ]
        }),
    ]
}

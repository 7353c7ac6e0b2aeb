//! Entries, conflicts, and what a failed request leaves.

use serde_json::json;

use super::{Case, act, acts, keys};
use crate::Step::*;
use crate::{Start, Step};

pub(super) fn all() -> Vec<Case> {
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
            Start::Set,
            [
                "storage-get",
                "storage-exists",
                "storage-put",
                "storage-delete",
                "storage-list",
            ]
            .iter()
            .flat_map(|what| keys(what, &odd))
            .chain([32_768, 32_769].map(|n| act(json!({ "what": "storage-put-long", "n": n }))))
            .collect(),
        ),
        (
            "entries",
            Start::Set,
            [
                keys("storage-exists", &["in/f/a", "in/none"]),
                keys("storage-put", &["in/f/a", "in/f/b/c", "in/f/d", "in/g"]),
                keys("storage-exists", &["in/f/a", "in/f/b", "in/none"]),
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
                keys("storage-exists", &["in/f/a", "in/none"]),
                keys("storage-wrapped", &["in/w"]),
                keys("storage-list", &["in/f/"]),
                acts(&["storage-own", "storage-order", "storage-count", "storage-count"]),
                vec![Stored("in/count"), Stored("in/none")],
            ]
            .concat(),
        ),
        ("a conflict", Start::Set, {
            let count = || act(json!({ "what": "storage-count" }));
            let own = act(json!({ "what": "storage-commit" }));
            let conflict = |step: Step| Step::Conflict("in/count", Box::new(step));
            vec![count(), conflict(count()), count(), own]
        }),
        (
            "what a failed request leaves",
            Start::Set,
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

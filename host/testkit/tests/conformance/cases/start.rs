//! Options, dependencies and settings that a mount has from its start on.

use serde_json::json;

use super::{Case, act, acts};
use crate::Start;
use crate::Step::*;

pub(super) fn all() -> Vec<Case> {
    let roll = || {
        let random = act(json!({ "what": "random", "n": 8 }));
        vec![
            act(json!({ "what": "dependency" })),
            random,
            act(json!({ "what": "dependency" })),
        ]
    };
    vec![
        (
            "a new mount",
            Start::New,
            vec![SpecialPaths, Stored("in/starts"), Restart],
        ),
        (
            "a mount with an option",
            Start::Option,
            [acts(&["system-config"]), vec![SpecialPaths, Restart]].concat(),
        ),
        (
            "a mount that has everything before it is initialized",
            Start::Set,
            vec![act(json!({ "what": "now" })), Restart],
        ),
        ("a dependency that nobody replaced", Start::New, roll()),
        ("a dependency that a test replaced", Start::FixedDice, roll()),
    ]
}

//! Rotations, which the SDK makes of storage and the tick.

use serde_json::{Value, json};

use super::Case;
use crate::Step::*;
use crate::{Fault, Start, Step};

pub(super) fn all() -> Vec<Case> {
    let item = |name: &str, data: Value| {
        let path = match name {
            "a" => "rotation/a",
            "dirty" => "rotation/dirty",
            _ => "rotation/fails",
        };
        Update(path, data)
    };
    let hourly = || json!({ "rotation_period": "1h" });
    vec![
        (
            "rotations",
            Start::Set,
            vec![
                item("a", json!({ "now": true })),
                item("a", hourly()),
                item("fails", hourly()),
                Tick,
                Advance(3640),
                Tick,
                item("a", json!({ "now": true })),
                item("fails", json!({ "now": true })),
                item("dirty", hourly()),
                Advance(60),
                Tick,
                Restart,
                Advance(3640),
                Tick,
                Tick,
                item("dirty", json!({})),
                item("dirty", json!({})),
                item(
                    "a",
                    json!({ "rotation_schedule": "*/30 4 * * *", "rotation_window": "1h" }),
                ),
                Advance(100_000),
                Tick,
                item("a", json!({ "rotation_schedule": "0 0 30 2 *" })),
                item("a", json!({ "rotation_period": 1 })),
            ],
        ),
        (
            "a rotation and storage that fails",
            Start::Set,
            vec![
                item("a", hourly()),
                Advance(3640),
                Step::Fault(Fault::ReadOnly),
                Tick,
                Step::Fault(Fault::Deletes(0)),
                Tick,
                Step::Fault(Fault::None),
                Tick,
                Advance(60),
                Tick,
                Advance(3640),
                Tick,
            ],
        ),
    ]
}

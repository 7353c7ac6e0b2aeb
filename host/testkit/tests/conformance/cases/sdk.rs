//! What the SDK adds to the contract: values that expire, printing, dependencies, templates and rotations.

use serde_json::{Value, json};

use super::{Case, act, acts};
use crate::Step::*;
use crate::{Fault, Step};

pub(super) fn all() -> Vec<Case> {
    [around(), rotations()].concat()
}

fn around() -> Vec<Case> {
    let scratch = |what: &str, key: &str, length: usize| {
        let value = "x".repeat(length);
        act(json!({ "what": format!("scratch-{what}"), "key": key, "value": value }))
    };
    vec![
        ("scratch with a time to live", true, {
            let put = |key: &str, value: &str, n: u32| {
                act(json!({ "what": "scratch-put-for", "key": key, "value": value, "n": n }))
            };
            let long = "x".repeat(60);
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
        ("what an engine prints", true, {
            let print = |n: u32| act(json!({ "what": "print", "value": "one", "n": n }));
            vec![print(1), print(2)]
        }),
        (
            "a dependency that nobody replaced",
            true,
            acts(&["dependency", "dependency"]),
        ),
        ("templates of names", true, {
            let template =
                |value: &str| act(json!({ "what": "template", "key": "token-ann", "value": value }));
            vec![
                template(concat!(
                    r#"{{ printf "v-%s-%s-%s" (.DisplayName | truncate 8) (random 20) (unix_time) "#,
                    r#"| truncate 63 | uppercase }}"#
                )),
                template(
                    r#"{{ uuid }} {{ timestamp "2006-01-02T15:04:05Z07:00" }} {{ .DisplayName | sha256 }}"#,
                ),
                template("{{ .Nowhere }}"),
                template("{{ .DisplayName | truncate (len \"\") }}"),
                template(&format!(
                    "{{{{ (((((((((((((((((((((((((((((((.DisplayName){} }}}}",
                    ")".repeat(30)
                )),
            ]
        }),
        (
            "secrets are compared",
            true,
            [("a", "a"), ("a", "b"), ("a", "aa"), ("", "")]
                .map(|(key, value)| act(json!({ "what": "same", "key": key, "value": value })))
                .to_vec(),
        ),
    ]
}

fn rotations() -> Vec<Case> {
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
            true,
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
            true,
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

//! Templates of names, and the comparison of secrets.

use serde_json::json;

use super::{Case, act};
use crate::Start;

pub(super) fn all() -> Vec<Case> {
    vec![
        ("templates of names", Start::Set, {
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
            Start::Set,
            [("a", "a"), ("a", "b"), ("a", "aa"), ("", "")]
                .map(|(key, value)| act(json!({ "what": "same", "key": key, "value": value })))
                .to_vec(),
        ),
    ]
}

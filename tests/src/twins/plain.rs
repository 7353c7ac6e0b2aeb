//! Answers without the parts that may differ between two mounts that behave alike.

use std::fmt;

use serde_json::{Value, json};

use super::openbao;
use super::times::{Times, in_full};
use crate::brand::Brand;
use crate::http::RawAnswer;
use crate::versioned_kv::VERSIONED_KV;

/// The parts of an answer that are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Plain {
    /// The HTTP status, or 0 if the server hung up instead.
    pub status: u16,
    /// All headers but those that [`plain`] names, sorted.
    pub headers: Vec<(String, String)>,
    /// The body, with its members sorted and its numbers as they were written.
    pub body: String,
}

impl Plain {
    /// Stands for a connection that the server closed without an answer.
    pub(super) fn hung_up() -> Self {
        Plain {
            status: 0,
            headers: Vec::new(),
            body: "the server hung up".to_owned(),
        }
    }
}

impl fmt::Display for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.body)?;
        // Vault's headers are the same in nearly every answer, so only the others are worth showing.
        let rare = self.headers.iter().filter(|(name, value)| {
            !matches!(
                (name.as_str(), value.as_str()),
                ("cache-control", "no-store")
                    | ("content-type", "application/json")
                    | ("strict-transport-security", "max-age=31536000; includeSubDomains")
            )
        });
        for (name, value) in rare {
            write!(f, " | {name}: {value}")?;
        }
        Ok(())
    }
}

/// Removes from an answer the parts that may differ between two mounts of the same engine, and nothing else:
///
/// - the header `date`, and `content-length` and `transfer-encoding`, because ids and times differ in length: the body
///   is compared instead;
/// - ids that Vault makes for each request: `request_id`, and a wrapped answer's token and accessors;
/// - times: each becomes its rank among the answer's times and the number of minutes after the first of them; a text
///   that is not a time in Vault's form stays unchanged;
/// - the mount's own name, if an answer repeats the path;
/// - `mount_type`: it is the name in the catalog, which cannot be `kv` for a plugin;
/// - `client_id` in an attribution: Vault does not send it to plugins;
/// - the order of members in a body: Vault sorts those of a plugin's answer, and only sometimes those of its own;
/// - the end of an error that repeats the value of a field: the SDK puts no request data into errors;
/// - `lease_duration` of an answer with the empty `lease_id`, such as the answers of version 1: a plugin that gave one
///   would make Vault register a lease;
/// - on OpenBao, the [differences of its engine](openbao).
pub fn plain(answer: &RawAnswer, mount: &str) -> Plain {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["date", "content-length", "transfer-encoding"].contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), without_mount(value, mount)))
        .collect();
    headers.sort();
    let body = match super::parse(&answer.text) {
        Some(mut body) => {
            if Brand::is_openbao() {
                openbao::take_out(&mut body);
            }
            let times = Times::of(&body);
            take_out(&mut body, &times, mount);
            body.sort_all_objects();
            // Vault ends a JSON body with a line feed.
            format!(
                "{body}{}",
                if answer.text.ends_with('\n') {
                    ""
                } else {
                    " (no line feed)"
                }
            )
        }
        None => without_mount(&answer.text, mount),
    };
    Plain {
        status: answer.status,
        headers,
        body,
    }
}

/// Does the same as [`plain`] for the output of a command. Lines of JSON that may differ are removed whole.
pub fn plain_text(text: &str, mount: &str) -> String {
    let alike = super::parse(text)
        .filter(|_| Brand::is_openbao())
        .map(|mut body| {
            openbao::take_out(&mut body);
            format!("{body:#}")
        });
    let text = alike.as_deref().unwrap_or(text);
    let word = |word: &str| {
        let bare = word.trim_matches(|char| !char::is_alphanumeric(char));
        match bare {
            _ if bare == mount => word.replace(bare, "MOUNT"),
            // The rule beside a heading is as long as the longest line below it.
            "" if word.starts_with("==") => "==".to_owned(),
            VERSIONED_KV => word.replace(bare, "kv"),
            _ if is_uuid(bare) => word.replace(bare, "(an id)"),
            _ if in_full(bare).is_some() => word.replace(bare, "(a time)"),
            _ => word.to_owned(),
        }
    };
    let differs = |line: &str| {
        let name = line.trim_start().trim_start_matches('"');
        let name = name.split(['"', ' ']).next().unwrap_or_default();
        let on_openbao = || Brand::is_openbao() && openbao::differing_members().any(|other| other == name);
        ["client_id", "lease_duration"].contains(&name) || on_openbao()
    };
    let lines = text.lines().filter(|line| !differs(line));
    let lines = lines.map(|line| {
        // `vault` fills a column with spaces to the length of its longest word, so their number is ignored.
        let words = line
            .split_whitespace()
            .filter(|word| !word.starts_with("client_id:"));
        words.map(word).collect::<Vec<_>>().join(" ")
    });
    without_mount(&lines.collect::<Vec<_>>().join("\n"), mount)
}

fn without_mount(text: &str, mount: &str) -> String {
    text.replace(&format!("{mount}/"), "MOUNT/")
}

/// Removes the value from `… got unconvertible type 'string', value: 'what was sent'`.
fn without_value(text: &str) -> String {
    match text.split_once(", value: '") {
        Some((before, _)) if before.contains("error converting input") => before.to_owned(),
        _ => text.to_owned(),
    }
}

fn take_out(value: &mut Value, times: &Times, mount: &str) {
    match value {
        Value::Object(members) => {
            let leaseless = members.get("lease_id") == Some(&json!(""));
            if leaseless && let Some(duration) = members.get_mut("lease_duration") {
                *duration = json!("(a plugin's is 0)");
            }
            if members.contains_key("actor") && members.contains_key("operation") {
                members.shift_remove("client_id");
            }
            for (name, member) in members.iter_mut() {
                match placeholder(name, member, times) {
                    Some(placeholder) => *member = json!(placeholder),
                    None => take_out(member, times, mount),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| take_out(item, times, mount)),
        Value::String(text) => *text = without_value(&without_mount(text, mount)),
        _ => (),
    }
}

/// Returns the placeholder for a member's value, if it is one that may differ.
fn placeholder(name: &str, value: &Value, times: &Times) -> Option<String> {
    let text = value.as_str()?;
    let stands_for = match name {
        "request_id" | "wrapped_accessor" | "accessor" if is_uuid(text) || name == "accessor" => "(an id)",
        "token" if text.starts_with("hvs.") || text.starts_with("s.") => "(a token)",
        "mount_type" if text == "kv" || text == VERSIONED_KV => "(a KV engine)",
        "creation_time" => "(a time)", // that of a wrapping token, in the server's time zone
        _ if name.ends_with("_time") => return times.placeholder(text),
        _ => return None,
    };
    Some(stands_for.to_owned())
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(at, char)| match at {
            8 | 13 | 18 | 23 => char == '-',
            _ => char.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Plain {
        plain(
            &RawAnswer {
                status: 200,
                headers: vec![("date".to_owned(), "today".to_owned())],
                text: format!("{text}\n"),
            },
            "one",
        )
    }

    #[test]
    fn client_id_goes_from_attributions_only() {
        let (with, without) = (
            r#"{"actor":"root","client_id":"x","operation":"create"}"#,
            r#"{"actor":"root","operation":"create"}"#,
        );
        assert_eq!(of(with), of(without));
        assert_ne!(of(r#"{"client_id":"x"}"#), of("{}"));
    }

    #[test]
    fn form_of_numbers_counts_and_order_of_members_does_not() {
        assert_eq!(of(r#"{"a":1,"b":2}"#), of(r#"{"b":2,"a":1}"#));
        assert_ne!(of(r#"{"a":100}"#), of(r#"{"a":1e2}"#));
    }

    #[test]
    fn lease_of_its_own_is_a_difference() {
        let answer = |id, duration| of(&json!({"lease_id": id, "lease_duration": duration}).to_string());
        assert_eq!(answer("", 0), answer("", 2_764_800));
        assert_ne!(answer("", 0), answer("one/a/x", 0));
        assert_ne!(answer("one/a/x", 0), answer("one/a/x", 60));
    }
}

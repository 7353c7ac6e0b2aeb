//! Reads and writes JSON, each in one way only.
//!
//! `serde_json` is generic over the source and the target of a text, and a guest contains a copy of its code for each.
//! So the whole SDK reads from text, as `serde_json` does internally, and writes to vectors.

use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _};
use serde_json::Value;

use crate::{Error, Result};

/// Reads JSON.
pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    let text = std::str::from_utf8(json).map_err(|_| serde_json::Error::custom("not UTF-8"))?;
    serde_json::from_str(text)
}

/// Parses a caller's JSON.
///
/// # Errors
/// The mistake in the JSON, as a text for the caller.
pub(crate) fn value(json: &str) -> Result<Value, String> {
    if is_deeper_than(json, MAX_DEPTH) {
        return Err(format!("it is nested more deeply than {MAX_DEPTH} levels"));
    }
    read(json.as_bytes()).map_err(|_| "it is not valid JSON".into())
}

/// The deepest JSON that is parsed. A level takes about 600 bytes of a guest's stack, which has 64 KiB as the SDK
/// recommends.
const MAX_DEPTH: usize = 64;

fn is_deeper_than(json: &str, max: usize) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > max {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Returns a text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    quote(&mut json, text);
    json
}

/// Reads JSON that the engine has written.
///
/// # Errors
/// [`Error::Internal`], which names the data and the place in it, but never quotes it: it may be a secret.
pub(crate) fn read_own<T: DeserializeOwned>(json: &[u8], what: &str) -> Result<T> {
    read(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Error::Internal(format!(
            "{what} is not what it should be, at line {line}, column {column}"
        ))
    })
}

/// Writes JSON.
pub(crate) fn write<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(value)
}

/// Writes a value, which cannot fail.
pub(crate) fn text(value: &Value) -> String {
    write(value)
        .ok()
        .and_then(|json| String::from_utf8(json).ok())
        .unwrap_or_default()
}

/// Writes a JSON object, member by member, straight into text. In a guest, this takes a fraction of the code that
/// building values takes.
pub(crate) struct Object<'t> {
    text: &'t mut String,
    empty: bool,
}

impl Object<'_> {
    /// Writes an object with the members that `members` adds.
    pub(crate) fn write(text: &mut String, members: impl FnOnce(&mut Object<'_>)) {
        text.push('{');
        members(&mut Object { text, empty: true });
        text.push('}');
    }

    /// Returns the text of an object.
    pub(crate) fn text(members: impl FnOnce(&mut Object<'_>)) -> String {
        let mut text = String::new();
        Object::write(&mut text, members);
        text
    }

    #[inline(never)]
    fn name(&mut self, name: &str) {
        if !std::mem::take(&mut self.empty) {
            self.text.push(',');
        }
        quote(self.text, name);
        self.text.push(':');
    }

    /// Adds a text.
    #[inline(never)]
    pub(crate) fn string(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name);
        quote(self.text, value);
        self
    }

    /// Adds a text, unless it is empty.
    #[inline(never)]
    pub(crate) fn some_string(&mut self, name: &str, value: &str) -> &mut Self {
        if value.is_empty() {
            self
        } else {
            self.string(name, value)
        }
    }

    /// Adds `true`, or nothing.
    #[inline(never)]
    pub(crate) fn truth(&mut self, name: &str, value: bool) -> &mut Self {
        if value { self.json(name, "true") } else { self }
    }

    /// Adds a list of texts.
    #[inline(never)]
    pub(crate) fn strings(&mut self, name: &str, values: &[&str]) -> &mut Self {
        self.name(name);
        for (i, value) in values.iter().enumerate() {
            self.text.push(if i == 0 { '[' } else { ',' });
            quote(self.text, value);
        }
        self.text.push_str(if values.is_empty() { "[]" } else { "]" });
        self
    }

    /// Adds any value, given as JSON.
    #[inline(never)]
    pub(crate) fn json(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name);
        self.text.push_str(value);
        self
    }

    /// Adds an object.
    pub(crate) fn object(&mut self, name: &str, members: impl FnOnce(&mut Object<'_>)) -> &mut Self {
        self.name(name);
        Object::write(self.text, members);
        self
    }
}

fn quote(into: &mut String, text: &str) {
    into.push('"');
    for c in text.chars() {
        match c {
            '"' => into.push_str("\\\""),
            '\\' => into.push_str("\\\\"),
            '\n' => into.push_str("\\n"),
            control if control < ' ' => into.push_str(&format!("\\u{:04x}", u32::from(control))),
            c => into.push(c),
        }
    }
    into.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_that_is_nested_too_deeply_is_refused_before_it_is_parsed() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(value(&nested(64)).is_ok());
        assert!(value(&nested(65)).is_err());
        assert!(value(&nested(100_000)).is_err());
        assert!(
            value(&format!(
                r#"{{"a\\":"{}","b":"\"{}"}}"#,
                "[".repeat(99),
                "{".repeat(99)
            ))
            .is_ok()
        );
        assert!(value(&format!("[{}]", vec!["[{}]"; 99].join(","))).is_ok());
    }

    #[test]
    fn an_object_is_the_json_of_its_members() {
        let text = Object::text(|object| {
            object
                .string("a", "\"\\\n\u{1}ü")
                .some_string("b", "")
                .truth("c", true)
                .truth("d", false);
            object
                .strings("e", &["x", "y"])
                .strings("f", &[])
                .object("g", |inner| {
                    inner.json("h", "1");
                });
        });
        assert_eq!(
            read::<Value>(text.as_bytes()).unwrap(),
            json!({ "a": "\"\\\n\u{1}ü", "c": true, "e": ["x", "y"], "f": [], "g": { "h": 1 } })
        );
        assert_eq!(Object::text(|_| ()), "{}");
    }
}

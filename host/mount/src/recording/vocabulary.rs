//! The words of a recording that are the guest's own, and so no secrets.
//!
//! - **Declared words**: of the guest's OpenAPI document, the literals of its paths, the names of its fields, and the values that it
//!   allows for a field or has as defaults. They stay wherever a whole text is such a word.
//! - **Names in the guest's file**: the name of a field of a JSON object stays if it stands somewhere in the guest's file. Only so can
//!   a guest read what it has stored; and who has the file knows its words. Paths, keys and values do not stay for this reason.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;
use serde_json::Value;

/// Most bytes of the guest's file that are kept.
const MOST_TEXT: usize = 4 << 20;

/// The fewest printable characters in a row that are kept.
const SHORTEST_RUN: usize = 4;

/// Most names that are looked for in the guest's file. Those after them are none.
const MOST_NAMES: usize = 4096;

/// Most bytes of a field's name that may stay.
const LONGEST_NAME: usize = 128;

/// Most declared words, and most path patterns.
const MOST_DECLARED: usize = 10_000;

/// The words of one guest.
#[derive(Default)]
pub(crate) struct Vocabulary {
    declared: HashSet<String>,
    /// The paths of the OpenAPI document, such as `keys/{name}`.
    patterns: Vec<String>,
    /// The printable parts of the guest's code, with line feeds between them.
    file: String,
    names: Mutex<HashMap<String, bool>>,
}

impl Vocabulary {
    /// Returns the words of a guest with this code.
    pub fn of(code: &[u8]) -> Self {
        Self {
            file: printable(code),
            ..Self::default()
        }
    }

    /// Adds the words of an OpenAPI document of the guest.
    pub fn add(&mut self, document: &Value) {
        let paths = document["paths"].as_object();
        for (path, item) in paths.into_iter().flatten().take(MOST_DECLARED) {
            let pattern = path.trim_start_matches('/');
            for segment in pattern.split('/') {
                if !segment.contains(['{', '}']) {
                    self.declare(segment);
                }
            }
            self.patterns.push(pattern.to_owned());
            self.declare_schemas(item);
        }
        // The more literal ones first, and each once.
        self.patterns.sort_by(|one, other| {
            let order = |pattern: &str| (pattern.matches('{').count(), Reverse(pattern.len()));
            order(one).cmp(&order(other)).then_with(|| one.cmp(other))
        });
        self.patterns.dedup();
        self.patterns.truncate(MOST_DECLARED);
    }

    fn declare(&mut self, word: &str) {
        if !word.is_empty() && self.declared.len() < MOST_DECLARED {
            self.declared.insert(word.to_owned());
        }
    }

    /// Declares the names and values of the schemas in a part of the document. Goes as deep as `serde_json` reads.
    fn declare_schemas(&mut self, part: &Value) {
        match part {
            Value::Object(fields) => {
                if let (Some(Value::String(name)), true) = (fields.get("name"), fields.contains_key("in")) {
                    self.declare(name);
                }
                for (name, value) in fields {
                    match (name.as_str(), value) {
                        ("properties", Value::Object(properties)) => {
                            properties.keys().for_each(|property| self.declare(property));
                        }
                        ("enum", Value::Array(values)) => {
                            values.iter().for_each(|value| self.declare_value(value));
                        }
                        ("default", value) => self.declare_value(value),
                        _ => {}
                    }
                    self.declare_schemas(value);
                }
            }
            Value::Array(parts) => parts.iter().for_each(|part| self.declare_schemas(part)),
            _ => {}
        }
    }

    fn declare_value(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.declare(text),
            Value::Number(number) => self.declare(&number.to_string()),
            _ => {}
        }
    }

    /// Returns true if a whole text is a word that the guest declares.
    pub fn is_declared(&self, word: &str) -> bool {
        self.declared.contains(word)
    }

    /// Returns true if a field of a JSON object may keep this name.
    pub fn is_name(&self, name: &str) -> bool {
        if self.is_declared(name) {
            return true;
        }
        if name.is_empty() || name.len() > LONGEST_NAME || name.contains('\n') {
            return false;
        }
        if let Some(found) = self.names.lock().get(name) {
            return *found;
        }
        let found = self.file.contains(name);
        let mut names = self.names.lock();
        if names.len() < MOST_NAMES {
            names.insert(name.to_owned(), found);
        }
        found
    }

    /// Returns the pattern of a path, if the guest declares one. What a pattern captures last may have several segments.
    pub fn pattern(&self, path: &str) -> Option<&str> {
        let path = path.trim_end_matches('/');
        let fits = |pattern: &&String| {
            let (mut segments, mut of) = (
                path.split('/'),
                pattern.trim_end_matches('/').split('/').peekable(),
            );
            while let Some(expected) = of.next() {
                match segments.next() {
                    Some(segment) if segment == expected => {}
                    Some(segment) if expected.starts_with('{') && !segment.is_empty() => {
                        if of.peek().is_none() {
                            return true;
                        }
                    }
                    _ => return false,
                }
            }
            segments.next().is_none()
        };
        self.patterns.iter().find(fits).map(String::as_str)
    }
}

/// Returns the runs of printable ASCII in some bytes.
fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    let runs = bytes.split(|byte| !matches!(byte, b' '..=b'~'));
    for run in runs.filter(|run| run.len() >= SHORTEST_RUN) {
        if text.len() + run.len() >= MOST_TEXT {
            break;
        }
        text.push_str(&String::from_utf8_lossy(run));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn vocabulary() -> Vocabulary {
        let document = json!({"paths": {
            "/config": {"get": {"responses": {}}},
            "/keys/{name}": {
                "parameters": [{"name": "name", "in": "path", "schema": {"type": "string"}}],
                "post": {"requestBody": {"content": {"application/json": {"schema": {
                    "properties": {"algorithm": {"enum": ["SHA1"], "default": "SHA256"}, "period": {"default": 30}},
                }}}}},
            },
            "/keys/": {"get": {"summary": "description"}},
        }});
        let mut vocabulary = Vocabulary::of(b"\0\0key createdissuer\x01ab\xff\0period_of");
        vocabulary.add(&document);
        vocabulary
    }

    #[test]
    fn what_the_guest_declares_stays() {
        let vocabulary = vocabulary();
        for word in [
            "config",
            "keys",
            "name",
            "algorithm",
            "period",
            "SHA1",
            "SHA256",
            "30",
        ] {
            assert!(vocabulary.is_declared(word), "{word}");
        }
        for word in ["{name}", "string", "description", "summary", "", "31", "conf"] {
            assert!(!vocabulary.is_declared(word), "{word}");
        }
    }

    #[test]
    fn names_stay_if_they_stand_in_the_file() {
        let vocabulary = vocabulary();
        for name in ["issuer", "period_of", "algorithm"] {
            assert!(vocabulary.is_name(name), "{name}");
        }
        // Too short a run, and what does not stand there.
        for name in ["ab", "s3cret", "issuer\nperiod", ""] {
            assert!(!vocabulary.is_name(name), "{name}");
        }
        assert!(!vocabulary.is_declared("issuer"));
    }

    #[test]
    fn a_path_has_the_most_literal_pattern() {
        let vocabulary = vocabulary();
        assert_eq!(vocabulary.pattern("config"), Some("config"));
        assert_eq!(vocabulary.pattern("keys/x"), Some("keys/{name}"));
        assert_eq!(vocabulary.pattern("keys/"), Some("keys/"));
        assert_eq!(vocabulary.pattern("keys/x/y"), Some("keys/{name}"));
        assert_eq!(vocabulary.pattern("other/x"), None);
    }
}

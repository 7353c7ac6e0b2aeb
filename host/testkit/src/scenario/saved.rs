//! Values that a step saves from its answer, and that later steps use as `${name}`. `$${` stands for `${`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use toml::Spanned;

use super::compare::field;
use super::format::{Data, EventExpected, Expect, LogExpected, Step};
use crate::Answer;

/// The values that were saved so far.
#[derive(Default)]
pub(super) struct Saved {
    values: BTreeMap<String, Value>,
    /// The names that were used and have no value.
    missing: RefCell<Vec<String>>,
}

/// Returns true for a place in an answer from which a value can be saved.
pub(super) fn is_source(source: &str) -> bool {
    matches!(source, "error" | "lease.id")
        || ["data.", "lease.data."]
            .iter()
            .any(|start| source.len() > start.len() && source.starts_with(start))
}

/// Returns the names of the saved values that a text uses.
pub(super) fn names(text: &str) -> Vec<&str> {
    parts(text)
        .into_iter()
        .filter_map(|part| match part {
            Part::Name(name) => Some(name),
            Part::Text(_) => None,
        })
        .collect()
}

/// Returns the first name that a step uses and that is not among the names saved before it.
pub(super) fn unknown(step: &Step, saved: &BTreeSet<&str>) -> Option<String> {
    let probe = Saved {
        values: saved.iter().map(|&name| (name.to_owned(), Value::Null)).collect(),
        ..Saved::default()
    };
    probe.fill(step);
    probe.missing.into_inner().into_iter().next()
}

enum Part<'t> {
    Text(&'t str),
    Name(&'t str),
}

fn parts(mut text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    while let Some(at) = text.find("${") {
        let (before, rest) = (&text[..at], &text[at + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            parts.extend([Part::Text(before), Part::Text("${")]);
            text = rest;
            continue;
        }
        let Some((name, after)) = rest.split_once('}') else {
            break;
        };
        parts.extend([Part::Text(before), Part::Name(name)]);
        text = after;
    }
    parts.push(Part::Text(text));
    parts
}

impl Saved {
    /// Saves what a step names from its answer. Returns the differences: values that are not there.
    pub(super) fn save(&mut self, step: &Step, answer: &Answer) -> Vec<String> {
        let lease = answer.lease().map(|lease| {
            let data = lease.secret().internal_data.as_ref();
            let data: Option<Value> = data.and_then(|data| data.decode().ok());
            json!({ "id": lease.secret().lease_id, "data": data })
        });
        let all = json!({ "data": answer.data(), "error": answer.error(), "lease": lease });
        let mut missing = Vec::new();
        for (name, source) in &step.save {
            match field(&all, source) {
                None | Some(Value::Null) => {
                    missing.push(format!("save.{name}: the answer has no {source}"));
                }
                Some(value) => {
                    self.values.insert(name.clone(), value.clone());
                }
            }
        }
        missing
    }

    /// Returns the step with the saved values in the place of their names.
    pub(super) fn fill(&self, step: &Step) -> Step {
        let mut step = step.clone();
        step.request = Spanned::new(step.request.span(), self.text(step.request.get_ref()));
        let json = step.json.as_ref();
        step.json = json.map(|json| Spanned::new(json.span(), self.json(json.get_ref())));
        self.data(&mut step.data);
        for value in step.headers.values_mut() {
            *value = self.text(value);
        }
        self.fill_expected(&mut step.expect);
        step
    }

    fn fill_expected(&self, expect: &mut Expect) {
        self.data(&mut expect.data);
        self.data(&mut expect.has);
        for text in [&mut expect.error, &mut expect.error_has].into_iter().flatten() {
            *text = self.text(text);
        }
        let lists = expect.keys.iter_mut().chain(&mut expect.warnings).flatten();
        for text in lists.chain(&mut expect.storage_lacks).chain(&mut expect.lacks) {
            *text = self.text(text);
        }
        for entries in [Some(&mut expect.storage), expect.storage_is.as_mut()]
            .into_iter()
            .flatten()
        {
            let filled = std::mem::take(entries).into_iter();
            *entries = filled
                .map(|(key, Data(value))| (self.text(&key), Data(self.value(&value))))
                .collect();
        }
        if let Some(lease) = &mut expect.lease {
            self.data(&mut lease.data);
        }
        for log in expect.logs.iter_mut().flatten() {
            match log {
                LogExpected::Has(text) => *text = self.text(text),
                LogExpected::Line(line) => {
                    let texts = line.message.iter_mut().chain(&mut line.has);
                    for text in texts.chain(line.fields.values_mut()) {
                        *text = self.text(text);
                    }
                }
            }
        }
        for event in expect.events.iter_mut().flatten() {
            match event {
                EventExpected::Type(text) => *text = self.text(text),
                EventExpected::Event(event) => {
                    if let Some(text) = &mut event.event_type {
                        *text = self.text(text);
                    }
                    self.data(&mut event.metadata);
                }
            }
        }
    }

    fn data(&self, data: &mut Option<Data>) {
        if let Some(Data(data)) = data {
            *data = self.value(data);
        }
    }

    /// A text that is one name alone becomes the saved value with its type.
    fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match parts(text).as_slice() {
                [Part::Text(""), Part::Name(name), Part::Text("")] => {
                    self.get(name).cloned().unwrap_or_else(|| text.clone().into())
                }
                _ => self.text(text).into(),
            },
            Value::Array(values) => values.iter().map(|value| self.value(value)).collect(),
            Value::Object(fields) => {
                let fields = fields
                    .iter()
                    .map(|(name, value)| (name.clone(), self.value(value)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        let value = self.values.get(name);
        if value.is_none() {
            self.missing.borrow_mut().push(name.to_owned());
        }
        value
    }

    fn text(&self, text: &str) -> String {
        self.filled(text, |value| match value {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        })
    }

    /// Fills JSON text. A saved text is escaped, so that it can stand inside a JSON string.
    fn json(&self, text: &str) -> String {
        self.filled(text, |value| {
            let json = value.to_string();
            match value {
                Value::String(_) => json[1..json.len() - 1].to_owned(), // without its quotation marks
                _ => json,
            }
        })
    }

    fn filled(&self, text: &str, show: impl Fn(&Value) -> String) -> String {
        let part = |part: &Part<'_>| match part {
            Part::Text(text) => (*text).to_owned(),
            Part::Name(name) => match self.get(name) {
                Some(value) => show(value),
                None => format!("${{{name}}}"),
            },
        };
        parts(text).iter().map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_alone_keeps_its_type_and_a_name_in_a_text_is_text() {
        let saved = Saved {
            values: [("n".to_owned(), json!(7)), ("t".to_owned(), json!("x"))].into(),
            ..Saved::default()
        };
        assert_eq!(
            saved.value(&json!({ "a": ["${n}", "${t}-${n}", "$${n}", "${", "$", "${none}"] })),
            json!({ "a": [7, "x-7", "${n}", "${", "$", "${none}"] })
        );
        assert_eq!(names("${a}/$${b}/${c}"), ["a", "c"]);
    }

    #[test]
    fn a_saved_text_is_escaped_inside_json() {
        let text = "a \"b\" \\ c\n";
        let saved = Saved {
            values: [("t".to_owned(), json!(text)), ("l".to_owned(), json!(["x"]))].into(),
            ..Saved::default()
        };
        let filled = saved.json(r#"{ "text": "<${t}>", "list": ${l} }"#);
        let read: Value = serde_json::from_str(&filled).unwrap();
        assert_eq!(read, json!({ "text": format!("<{text}>"), "list": ["x"] }));
    }

    #[test]
    fn a_value_is_saved_from_data_a_lease_or_an_error() {
        for source in ["data.a", "data.a.b", "lease.id", "lease.data.id", "error"] {
            assert!(is_source(source), "{source}");
        }
        for source in ["", "data", "data.", "lease", "code"] {
            assert!(!is_source(source), "{source}");
        }
    }
}

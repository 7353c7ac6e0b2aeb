//! Compares what two guests did of the same request.

use std::collections::{BTreeMap, BTreeSet};

use airlock_sandbox::{CallError, SecondRun, types};
use serde_json::value::RawValue;

/// Most bytes of a field's name that are shown.
const LONGEST_NAME: usize = 64;

/// The answer of a guest to a request: a response, or its refusal.
pub(crate) type Answered = Result<Option<Box<types::Response>>, types::Error>;

/// The answer of a guest to an existence check, or its refusal.
pub(crate) type Checked = Result<Option<bool>, types::Error>;

/// Returns the kinds of difference: `status`, `field NAME`, `3 keys` and so on. Fields in `tolerated` may differ.
pub(crate) fn differences(first: &Answered, second: &SecondRun, tolerated: &BTreeSet<String>) -> Vec<String> {
    let mut found = results(first, &second.outcome.result, |first, second, found| {
        responses(first.as_deref(), second.as_deref(), tolerated, found);
    });
    let keys: BTreeSet<_> = second.before.keys().chain(second.written.keys()).collect();
    let different = keys
        .into_iter()
        .filter(|key| second.before.get(*key) != second.written.get(*key))
        .count();
    if different > 0 {
        found.push(format!("{different} keys written"));
    }
    found
}

/// Does the same for an existence check.
pub(crate) fn check_differences(
    first: &Checked,
    second: &airlock_sandbox::Result<Option<bool>>,
) -> Vec<String> {
    results(first, second, |first, second, found| {
        if first != second {
            found.push("answer".to_owned());
        }
    })
}

/// Compares results. `answers` compares two answers.
fn results<T>(
    first: &Result<T, types::Error>,
    second: &airlock_sandbox::Result<T>,
    answers: impl FnOnce(&T, &T, &mut Vec<String>),
) -> Vec<String> {
    let mut found = Vec::new();
    match (first, second) {
        (Ok(first), Ok(second)) => answers(first, second, &mut found),
        (Err(first), Err(CallError::Guest(second))) => {
            let status = |error: &types::Error| CallError::Guest(error.clone()).status();
            if status(first) != status(second) {
                found.push(format!("status {} and {}", status(first), status(second)));
            } else if first.to_string() != second.to_string() {
                found.push("error text".to_owned());
            }
        }
        (first, second) => {
            let first = first
                .as_ref()
                .err()
                .map_or(200, |error| CallError::Guest(error.clone()).status());
            let second = second.as_ref().err().map_or(200, CallError::status);
            found.push(format!("status {first} and {second}"));
        }
    }
    found
}

fn responses(
    first: Option<&types::Response>,
    second: Option<&types::Response>,
    tolerated: &BTreeSet<String>,
    found: &mut Vec<String>,
) {
    let (first, second) = match (first, second) {
        (Some(first), Some(second)) => (first, second),
        (None, None) => return,
        _ => return found.push("answer or none".to_owned()),
    };
    let (ours, theirs) = (fields(first), fields(second));
    let names: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    for name in names {
        if ours.get(name) != theirs.get(name) && !tolerated.contains(name) {
            let end = name.floor_char_boundary(LONGEST_NAME);
            found.push(format!("field {}", printable::escape(&name[..end])));
        }
    }
    let mut compare = |what: &str, is_same: bool| {
        if !is_same {
            found.push(what.to_owned());
        }
    };
    compare("data or none", first.data.is_some() == second.data.is_some());
    compare("lease", first.secret == second.secret);
    compare("redirect", first.redirect == second.redirect);
    compare("warnings", first.warnings == second.warnings);
    compare("headers", first.headers == second.headers);
    compare("wrapping", first.wrap_info == second.wrap_info);
}

/// Returns the fields of an answer's data with their values, white space aside.
fn fields(response: &types::Response) -> BTreeMap<String, String> {
    let text = response.data.as_ref().map_or("{}", |data| data.as_str());
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).unwrap_or_default();
    fields
        .into_iter()
        .map(|(name, value)| {
            let value = serde_json::from_str::<serde_json::Value>(value.get());
            (name, value.map(|value| value.to_string()).unwrap_or_default())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use airlock_sandbox::{Outcome, Usage};
    use airlock_storage::StorageEntry;

    use super::*;

    fn answer(data: &str) -> types::Response {
        types::Response {
            data: types::Json::from_text(data),
            ..types::Response::default()
        }
    }

    fn compared(
        first: Answered,
        second: airlock_sandbox::Result<Option<Box<types::Response>>>,
    ) -> Vec<String> {
        let run = SecondRun {
            outcome: Outcome {
                result: second,
                usage: Usage::default(),
            },
            before: [("a".to_owned(), Some(StorageEntry::new("a", "1")))].into(),
            written: [("a".to_owned(), Some(StorageEntry::new("a", "1")))].into(),
        };
        differences(&first, &run, &BTreeSet::from(["time".to_owned()]))
    }

    #[test]
    fn order_and_space_of_fields_are_no_difference_and_tolerated_ones_neither() {
        let first = Ok(Some(Box::new(answer(r#"{"a":1,"b":{"c":2},"time":"x"}"#))));
        let second = Ok(Some(Box::new(answer(r#"{"time":"y", "b":{ "c":2 },"a":1}"#))));
        assert_eq!(compared(first, second), Vec::<String>::new());
    }

    #[test]
    fn differences_name_fields_and_statuses_and_no_value() {
        let first = || Ok(Some(Box::new(answer(r#"{"a":"secret","b":1}"#))));
        let second = Ok(Some(Box::new(answer(r#"{"a":"s3cret","c":1}"#))));
        assert_eq!(compared(first(), second), ["field a", "field b", "field c"]);
        let refused = Err(CallError::Guest(types::Error::User("secret".into())));
        assert_eq!(compared(first(), refused), ["status 200 and 400"]);
        let trapped = Err(CallError::GivenUp);
        assert_eq!(compared(first(), trapped), ["status 200 and 503"]);
        let no = |text: &str| Err(types::Error::User(text.into()));
        let text = Err(CallError::Guest(types::Error::User("other".into())));
        assert_eq!(compared(no("secret"), text), ["error text"]);
        assert_eq!(compared(first(), Ok(None)), ["answer or none"]);
    }

    #[test]
    fn checks_differ_in_their_answer_or_their_status() {
        let compared = |first, second| check_differences(&first, &second);
        assert_eq!(compared(Ok(Some(true)), Ok(Some(true))), Vec::<String>::new());
        for other in [Some(false), None] {
            assert_eq!(compared(Ok(Some(true)), Ok(other)), ["answer"]);
        }
        let refused = Err(CallError::Guest(types::Error::User("secret".into())));
        assert_eq!(compared(Ok(None), refused), ["status 200 and 400"]);
    }

    #[test]
    fn keys_are_counted() {
        let run = SecondRun {
            outcome: Outcome {
                result: Ok(None),
                usage: Usage::default(),
            },
            before: [
                ("a".to_owned(), None),
                ("b".to_owned(), Some(StorageEntry::new("b", "1"))),
            ]
            .into(),
            written: [("b".to_owned(), Some(StorageEntry::new("b", "2")))].into(),
        };
        assert_eq!(differences(&Ok(None), &run, &BTreeSet::new()), ["2 keys written"]);
    }
}

//! Compares the result of a step with what was expected.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Describes the differences between two JSON values; `at` is their place in the answer. If `all` is true, the value
/// must not have any other fields.
pub(super) fn differences(at: &str, expected: &Value, got: &Value, all: bool) -> Vec<String> {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            let differing = expected.iter().flat_map(|(name, value)| {
                let at = format!("{at}.{name}");
                match got.get(name) {
                    None => vec![format!("{at}: expected {value}, and it is not there")],
                    Some(got) => differences(&at, value, got, all),
                }
            });
            let more = got.keys().filter(|name| all && !expected.contains_key(*name));
            let more = more.map(|name| format!("{at}.{name}: is there and was not expected"));
            differing.chain(more).collect()
        }
        (Value::Array(expected), Value::Array(got)) if expected.len() == got.len() => {
            let pairs = expected.iter().zip(got).enumerate();
            pairs
                .flat_map(|(index, (expected, got))| {
                    differences(&format!("{at}[{index}]"), expected, got, all)
                })
                .collect()
        }
        _ if expected == got => Vec::new(),
        _ => vec![format!("{at}: expected {expected}, got {got}")],
    }
}

/// Returns the value that a path such as `user.name` leads to.
pub(super) fn field<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, name| value.get(name))
}

/// Describes how a stored value differs from what was expected.
pub(super) fn stored(key: &str, expected: &Value, got: Option<&[u8]>) -> Vec<String> {
    let at = format!("storage {key:?}");
    let Some(got) = got else {
        return vec![format!("{at}: expected {expected}, and it is not there")];
    };
    let shown = String::from_utf8_lossy(got);
    if let Value::String(_) | Value::Object(_) = expected
        && let Ok(bytes) = bytes(expected)
    {
        return match bytes == got {
            true => Vec::new(),
            false => vec![format!("{at}: expected {expected}, got {shown:?}")],
        };
    }
    match serde_json::from_slice(got) {
        Ok(got) => differences(&at, expected, &got, true),
        Err(_) => vec![format!(
            "{at}: expected {expected}, got {shown:?}, which is not valid JSON"
        )],
    }
}

/// Returns the bytes that a value of a scenario stands for in storage, if it is a text or `{ "$base64" = "…" }`. The
/// error is the value as JSON text.
fn bytes(value: &Value) -> Result<Vec<u8>, String> {
    match value {
        Value::String(text) => Ok(text.clone().into_bytes()),
        value => value
            .get("$base64")
            .and_then(Value::as_str)
            .and_then(|text| STANDARD.decode(text).ok())
            .ok_or_else(|| value.to_string()),
    }
}

/// Returns the bytes to store for a value of a scenario.
pub(super) fn to_store(value: &Value) -> Vec<u8> {
    bytes(value).unwrap_or_else(String::into_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_part_may_have_more_and_the_whole_may_not() {
        let (some, more) = (json!({ "a": { "b": 1 } }), json!({ "a": { "b": 1, "c": 2 } }));
        assert!(differences("data", &some, &more, false).is_empty());
        assert_eq!(
            differences("data", &some, &more, true),
            ["data.a.c: is there and was not expected"]
        );
        assert_eq!(
            differences("data", &more, &some, false),
            ["data.a.c: expected 2, and it is not there"]
        );
        assert_eq!(
            differences("data", &json!([1, 2, 3]), &json!([1, 3, 4]), true),
            ["data[1]: expected 2, got 3", "data[2]: expected 3, got 4"]
        );
        assert_eq!(differences("data", &json!([1]), &json!([1, 2]), false).len(), 1);
    }

    #[test]
    fn stored_values_are_text_json_or_bytes() {
        assert!(stored("k", &json!("a"), Some(b"a")).is_empty());
        assert!(stored("k", &json!({ "a": 1 }), Some(br#"{ "a":1 }"#)).is_empty());
        assert!(stored("k", &json!({ "$base64": "AP8=" }), Some(&[0, 255])).is_empty());
        assert_eq!(stored("k", &json!("a"), Some(b"b")).len(), 1);
        assert!(stored("k", &json!(1), Some(b"x"))[0].contains("not valid JSON"));
        assert!(stored("k", &json!("a"), None)[0].contains("not there"));
    }
}

//! Converts the input of a caller as Vault does. The texts of errors are Vault's.

use serde_json::{Map, Value};

/// Returns the type name that Vault's texts have for a JSON value that cannot be converted.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
        Value::Bool(_) => "bool",
        Value::Null => "<nil>",
        Value::String(_) | Value::Number(_) => "string",
    }
}

pub(super) fn unconvertible(at: &str, wanted: &str, value: &Value) -> String {
    format!(
        "'{at}' expected type '{wanted}', got unconvertible type '{}'",
        type_name(value)
    )
}

/// Converts to text; a number keeps its digits.
pub(super) fn text(at: &str, value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(true) => Ok("1".into()),
        Value::Bool(false) => Ok("0".into()),
        Value::Null => Ok(String::new()),
        other => Err(unconvertible(at, "string", &other)),
    }
}

/// Converts to a list. A value that is not a list becomes a list with that value, and `null` an empty list.
pub(super) fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        Value::Null => Vec::new(),
        Value::Object(map) if map.is_empty() => Vec::new(),
        one => vec![one],
    }
}

/// Converts to a list, and splits text at its commas.
pub(super) fn comma_list(value: Value) -> Vec<Value> {
    let text = match value {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        other => return list(other),
    };
    if text.is_empty() {
        Vec::new()
    } else {
        text.split(',').map(Value::from).collect()
    }
}

/// Converts each item. The error names all items that fail.
pub(super) fn each<T>(
    items: Vec<Value>,
    convert: impl Fn(&str, Value) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let mut converted = Vec::with_capacity(items.len());
    let mut errors = Vec::new();
    for (i, item) in items.into_iter().enumerate() {
        match convert(&format!("[{i}]"), item) {
            Ok(item) => converted.push(item),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        return Ok(converted);
    }
    Err(format!(
        "{} error(s) decoding:\n\n* {}",
        errors.len(),
        errors.join("\n* ")
    ))
}

/// Converts to an object. A list of objects is merged into one object.
pub(super) fn map(at: &str, value: Value) -> Result<Map<String, Value>, String> {
    match value {
        Value::Object(map) => Ok(map),
        Value::Null => Ok(Map::new()),
        Value::Array(items) => {
            let mut merged = Map::new();
            for (i, item) in items.into_iter().enumerate() {
                merged.extend(map(&format!("{at}[{i}]"), item)?);
            }
            Ok(merged)
        }
        other => Err(format!("'{at}' expected a map, got '{}'", type_name(&other))),
    }
}

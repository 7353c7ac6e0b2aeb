//! Reads and writes JSON as Go does.

use serde_json::{Map, Number, Value};

mod surrogates;

pub use surrogates::without_lone_surrogates;

/// Reads a JSON object as Go's decoder reads it into a map, except that numbers keep their digits; see [`as_floats`].
///
/// # Errors
/// Returns an error if the text is not a JSON object, or is nested more deeply than 127 levels. Vault reads 10,000.
pub fn read_object(text: &str) -> serde_json::Result<Map<String, Value>> {
    serde_json::from_str(&without_lone_surrogates(text.into()))
}

/// Formats a value as Go's encoder does with a map: fields sorted by name; `<`, `>` and `&` escaped.
pub fn to_text(value: &Value) -> String {
    let mut text = String::new();
    write(value, true, &mut text);
    text
}

/// Formats a value as Go's encoder does with a struct: fields in their order; `<`, `>` and `&` escaped.
pub fn to_text_in_order(value: &Value) -> String {
    let mut text = String::new();
    write(value, false, &mut text);
    text
}

/// Returns a value with the fields of its objects sorted by name.
pub fn sorted(mut value: Value) -> Value {
    value.sort_all_objects();
    value
}

fn write(value: &Value, is_sorted: bool, text: &mut String) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(truth) => text.push_str(if *truth { "true" } else { "false" }),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::String(string) => write_string(string, text),
        Value::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(value, is_sorted, text);
            }
            text.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            if is_sorted {
                entries.sort_unstable_by_key(|(key, _)| *key);
            }
            text.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_string(key, text);
                text.push(':');
                write(value, is_sorted, text);
            }
            text.push('}');
        }
    }
}

fn write_string(string: &str, text: &mut String) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                text.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => text.push(character),
        }
    }
    text.push('"');
}

/// Converts the numbers of a value to 64-bit floats, as Vault does when it decodes a plugin's answer. Returns `None` if
/// one of them is out of range.
pub fn as_floats(value: Value) -> Option<Value> {
    Some(match value {
        Value::Number(number) => Value::Number(as_float(&number)?),
        Value::Array(values) => Value::Array(values.into_iter().map(as_floats).collect::<Option<_>>()?),
        Value::Object(map) => {
            let floats = map.into_iter().map(|(key, value)| Some((key, as_floats(value)?)));
            Value::Object(floats.collect::<Option<Map<_, _>>>()?)
        }
        other => other,
    })
}

fn as_float(number: &Number) -> Option<Number> {
    let float: f64 = number
        .to_string()
        .parse()
        .ok()
        .filter(|float: &f64| float.is_finite())?;
    let small_or_large = float != 0.0 && !(1e-6..1e21).contains(&float.abs());
    let text = if small_or_large {
        exponential(float)
    } else {
        float.to_string()
    };
    serde_json::from_str(&text).ok()
}

/// Formats a float with an exponent, as Go's encoder does: a positive exponent has a sign and at least two digits, a
/// negative one may have a single digit.
fn exponential(float: f64) -> String {
    let text = format!("{float:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(text: &str) -> Option<String> {
        as_floats(serde_json::from_str(text).unwrap()).map(|value| to_text(&value))
    }

    #[test]
    fn numbers_become_gos_floats() {
        for (text, expected) in [
            ("9007199254740993", "9007199254740992"),
            ("1.50", "1.5"),
            ("1.0", "1"),
            ("-0.0", "-0"),
            ("1e20", "100000000000000000000"),
            ("1e21", "1e+21"),
            ("12345678901234567890123", "1.2345678901234568e+22"),
            ("0.000001", "0.000001"),
            ("0.0000001", "1e-7"),
        ] {
            assert_eq!(floats(text).unwrap(), expected, "{text}");
        }
        assert_eq!(floats("[1e400]"), None);
    }

    #[test]
    fn keys_are_sorted_and_markup_is_escaped() {
        let value = serde_json::json!({"b": "<&>\u{2028}\u{7}", "a": [{"d": 1, "c": null}]});
        assert_eq!(
            to_text(&value),
            r#"{"a":[{"c":null,"d":1}],"b":"\u003c\u0026\u003e\u2028\u0007"}"#
        );
        assert_eq!(
            to_text_in_order(&value),
            r#"{"b":"\u003c\u0026\u003e\u2028\u0007","a":[{"d":1,"c":null}]}"#
        );
        assert_eq!(to_text_in_order(&sorted(value.clone())), to_text(&value));
    }

    #[test]
    fn half_a_surrogate_pair_is_read_as_vault_reads_it() {
        let data = read_object(r#"{"a":"x\ud800"}"#).unwrap();
        assert_eq!(data["a"], "x\u{fffd}");
        assert!(read_object("[]").is_err());
    }
}

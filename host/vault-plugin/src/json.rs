//! JSON text that is passed on as it came.
//!
//! Vault sends request data as JSON with every digit of a number. [`Json`] keeps that text, so that it can be stored
//! or handed on unchanged; [`Json::encode`] and [`Json::decode`] are for engines that want Rust types.

use std::fmt;

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::Error;
use crate::redact::hidden;

/// As deep as Go's decoder, and so Vault, follows nested objects and arrays.
const MAX_DEPTH: usize = 10_000;

/// A JSON text. `Debug` shows its length only.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(String);

impl Json {
    /// Takes the text as it is. None for an empty text and for `null`, which is how Vault writes "no data".
    ///
    /// The text is checked when it is sent: what goes to Vault must be one JSON object.
    pub fn from_text(text: impl Into<String>) -> Option<Json> {
        let text = text.into();
        match text.trim_ascii() {
            "" | "null" => None,
            _ => Some(Json(text)),
        }
    }

    /// Writes a Rust value as JSON. Where the text goes to Vault the value must be a struct or a map with text keys.
    ///
    /// # Errors
    /// [`Error::Internal`] where the value cannot be written as JSON, such as a map whose keys are not text.
    pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Json, Error> {
        serde_json::to_string(value)
            .map(Json)
            .map_err(|error| Error::Internal(describe(&error)))
    }

    /// Reads the text as a Rust type.
    ///
    /// # Errors
    /// [`Error::Json`] with the place, and the name of a missing field, but never a value from the text.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.0).map_err(|error| Error::Json(describe(&error)))
    }

    /// The text, as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, as it came.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Json").field(&hidden(&self.0)).finish()
    }
}

/// The text for the wire: `null` for none, since Vault cannot read an empty one. The error says what is wrong with it.
pub(crate) fn to_wire(json: Option<Json>) -> Result<String, String> {
    let Some(Json(text)) = json else {
        return Ok("null".to_owned());
    };
    check_object(&text)?;
    Ok(text)
}

/// Whether Go would decode the text into a map: one JSON object, numbers that fit a float, not nested too deeply.
fn check_object(text: &str) -> Result<(), String> {
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| describe(&error))?;
    if !text.trim_ascii_start().starts_with('{') {
        return Err("not a JSON object".to_owned());
    }
    let mut depth = 0;
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = match first {
            b'"' => after_string(after),
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(format!("nested deeper than {MAX_DEPTH} levels"));
                }
                after
            }
            b'}' | b']' => {
                depth -= 1;
                after
            }
            b'-' | b'0'..=b'9' => after_number(rest)?,
            _ => after,
        };
    }
    Ok(())
}

/// What follows the string whose opening quote has been read. The text is known to be valid JSON.
fn after_string(mut rest: &[u8]) -> &[u8] {
    while let Some((&first, after)) = rest.split_first() {
        rest = match first {
            b'"' => return after,
            b'\\' => after.get(1..).unwrap_or_default(),
            _ => after,
        };
    }
    rest
}

fn after_number(rest: &[u8]) -> Result<&[u8], String> {
    let end = rest
        .iter()
        .position(|byte| !matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'));
    let (number, after) = rest.split_at(end.unwrap_or(rest.len()));
    let fits = str::from_utf8(number).is_ok_and(|text| text.parse::<f64>().is_ok_and(f64::is_finite));
    if fits {
        Ok(after)
    } else {
        Err("a number that does not fit a 64-bit float".to_owned())
    }
}

/// What is wrong and where. serde_json's own text may quote the value that it did not expect, so only its messages
/// about the Rust type's own field names are passed on.
fn describe(error: &serde_json::Error) -> String {
    let message = error.to_string();
    if message.starts_with("missing field `") {
        return message;
    }
    let what = match error.classify() {
        serde_json::error::Category::Io => "not written",
        serde_json::error::Category::Syntax => "not valid JSON",
        serde_json::error::Category::Data => "a value of another type or out of range",
        serde_json::error::Category::Eof => "JSON that ends too soon",
    };
    match error.line() {
        0 => what.to_owned(),
        line => format!("{what} at line {line} column {}", error.column()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(text: &str) -> Result<String, String> {
        to_wire(Json::from_text(text))
    }

    #[test]
    fn nothing_null_and_empty_are_none_and_go_out_as_null() {
        assert_eq!(Json::from_text("null"), None);
        assert_eq!(Json::from_text(" null\n"), None);
        assert_eq!(Json::from_text(""), None);
        assert_eq!(to_wire(None).unwrap(), "null");
    }

    #[test]
    fn an_object_keeps_every_character() {
        for text in [
            "{}",
            r#" {"n": 9007199254740993, "s": "a\"}]1e999\\"} "#,
            r#"{"a":[{"b":-1.5e+3}]}"#,
        ] {
            assert_eq!(wire(text).unwrap(), text);
        }
    }

    #[test]
    fn what_vault_cannot_decode_is_refused() {
        for (text, complaint) in [
            ("[1]", "not a JSON object"),
            ("\"text\"", "not a JSON object"),
            ("{", "JSON that ends too soon at line 1 column 1"),
            ("{} {}", "not valid JSON at line 1 column 4"),
            (r#"{"a":1e400}"#, "a number that does not fit a 64-bit float"),
            (r#"{"a":-1e400}"#, "a number that does not fit a 64-bit float"),
        ] {
            assert_eq!(wire(text).unwrap_err(), complaint, "{text}");
        }
    }

    #[test]
    fn nesting_is_followed_as_deep_as_go_follows_it() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert!(wire(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(
            wire(&nested(MAX_DEPTH + 1)).unwrap_err(),
            "nested deeper than 10000 levels"
        );
    }

    #[test]
    fn a_decoding_error_names_the_missing_field_but_quotes_no_value() {
        #[derive(serde::Deserialize, Debug)]
        struct Login {
            #[allow(dead_code)]
            attempts: u32,
        }
        let missing = Json::from_text("{}").unwrap().decode::<Login>().unwrap_err();
        assert!(
            missing.to_string().contains("missing field `attempts`"),
            "{missing}"
        );
        let wrong = Json::from_text(r#"{"attempts":"hunter2"}"#)
            .unwrap()
            .decode::<Login>()
            .unwrap_err();
        assert!(!wrong.to_string().contains("hunter2"), "{wrong}");
    }

    #[test]
    fn debug_shows_only_the_length() {
        assert_eq!(
            format!("{:?}", Json::from_text(r#"{"a":"hunter2"}"#)),
            "Some(Json(<15 bytes>))"
        );
    }
}

//! JSON text that is passed on unchanged.

use std::fmt;
use std::ops::Deref;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Flaw, check_object};
use crate::redact::hidden;

/// A JSON text. `Debug` shows its length only.
///
/// Vault sends request data as JSON with every digit of a number. This type keeps that text, so that it can be stored or
/// handed on unchanged. [`encode`](Self::encode) and [`decode`](Self::decode) are for code that wants Rust types.
///
/// ```
/// use airlock_logical::Json;
///
/// let data = Json::from_text(r#"{"count": 9007199254740993}"#).expect("it is not null");
/// assert_eq!(&*data, r#"{"count": 9007199254740993}"#);
/// let fields: std::collections::BTreeMap<String, u64> = data.decode()?;
/// assert_eq!(fields["count"], 9007199254740993);
/// # Ok::<(), airlock_logical::JsonError>(())
/// ```
#[derive(Clone)]
pub struct Json {
    text: String,
    /// The text is known to be an object that Vault can decode.
    is_checked: bool,
}

impl Json {
    /// Takes the text unchanged. Returns `None` for an empty text and for `null`, which is how Vault writes "no data".
    ///
    /// The text is checked when it is sent: what goes to Vault must be one JSON object.
    pub fn from_text(text: impl Into<String>) -> Option<Json> {
        let text = text.into();
        match text.trim_ascii() {
            "" | "null" => None,
            _ => Some(text.into()),
        }
    }

    /// Takes a text that [`check_object`] has accepted. It is not checked again when it is sent, so an answer with it
    /// cannot fail after its writes are stored.
    pub fn from_checked(text: String) -> Json {
        Json {
            text,
            is_checked: true,
        }
    }

    /// Writes a Rust value as JSON. If the text goes to Vault, the value must be a struct or a map with text keys.
    ///
    /// # Errors
    /// The value cannot be written as JSON, such as a map whose keys are not text.
    pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Json, JsonError> {
        match serde_json::to_string(value) {
            Ok(text) => Ok(text.into()),
            Err(error) => Err(JsonError::of(&error)),
        }
    }

    /// Reads the text as a Rust type.
    ///
    /// # Errors
    /// The text is not a JSON text of that type.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, JsonError> {
        serde_json::from_str(&self.text).map_err(|error| JsonError::of(&error))
    }

    /// Returns the unchanged text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the unchanged text.
    pub fn into_string(self) -> String {
        self.text
    }

    /// Returns the unchanged text, if Vault can decode it as an object.
    ///
    /// # Errors
    /// The flaw of the text.
    pub fn into_checked(self) -> Result<String, Flaw> {
        if !self.is_checked {
            check_object(&self.text)?;
        }
        Ok(self.text)
    }
}

/// Takes the text unchanged. It is checked when it is sent.
impl From<String> for Json {
    fn from(text: String) -> Self {
        Self {
            text,
            is_checked: false,
        }
    }
}

/// Copies the text unchanged. It is checked when it is sent.
impl From<&str> for Json {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Deref for Json {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Json").field(&hidden(&self.text)).finish()
    }
}

/// The reason why a JSON text could not be read as a type, or a value could not be written as JSON.
///
/// It says where, and names a missing field, but never quotes a value from the text, because that may be secret. For
/// the same reason it has no source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(Fault);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Fault {
    /// serde_json's message, which names the field and the place.
    #[error("{0}")]
    MissingField(String),
    #[error("{what}")]
    Whole { what: &'static str },
    #[error("{what} at line {line} column {column}")]
    At {
        what: &'static str,
        line: usize,
        column: usize,
    },
}

impl JsonError {
    /// serde_json's own text may quote the unexpected value, so this takes over only its messages about the Rust type's
    /// own field names.
    fn of(error: &serde_json::Error) -> Self {
        let message = error.to_string();
        if message.starts_with("missing field `") {
            return Self(Fault::MissingField(message));
        }
        let what = match error.classify() {
            serde_json::error::Category::Io => "not written",
            serde_json::error::Category::Syntax => "not valid JSON",
            serde_json::error::Category::Data => "a value of another type or out of range",
            serde_json::error::Category::Eof => "JSON that ends too soon",
        };
        Self(match error.line() {
            0 => Fault::Whole { what },
            line => Fault::At {
                what,
                line,
                column: error.column(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<String, Flaw> {
        Json::from(text).into_checked()
    }

    #[test]
    fn nothing_null_and_empty_are_none() {
        assert_eq!(Json::from_text("null"), None);
        assert_eq!(Json::from_text(" null\n"), None);
        assert_eq!(Json::from_text(""), None);
    }

    #[test]
    fn an_object_keeps_every_character() {
        for text in [
            "{}",
            r#" {"n": 9007199254740993, "s": "a\"}]1e999\\"} "#,
            r#"{"a":[{"b":-1.5e+3}]}"#,
        ] {
            assert_eq!(checked(text).unwrap(), text);
        }
    }

    #[test]
    fn refuses_what_vault_cannot_decode() {
        assert_eq!(checked("[1]"), Err(Flaw::NotAnObject));
        assert_eq!(checked("{} {}"), Err(Flaw::Syntax { at: 3 }));
        assert_eq!(checked(r#"{"a":1e400}"#), Err(Flaw::Number));
    }

    #[test]
    fn a_checked_text_is_not_checked_again() {
        let text = r#"{"a":1}"#;
        assert_eq!(Json::from_checked(text.to_owned()).into_checked().unwrap(), text);
        assert_eq!(
            Json::from_checked(text.to_owned()),
            Json::from_text(text).unwrap()
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

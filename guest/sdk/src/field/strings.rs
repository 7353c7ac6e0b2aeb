//! Decodes fields that are text.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FieldType, Kind, coerce};

impl FieldType for String {
    const KIND: Kind = Kind::String;

    fn from_json(value: Value) -> Result<Option<Self>, String> {
        coerce::text("", value).map(Some)
    }

    fn to_json(&self) -> Value {
        self.as_str().into()
    }
}

/// Converts to one of the allowed values; see [`choices!`](crate::choices).
#[doc(hidden)]
pub fn choose<T>(
    value: Value,
    from_text: fn(&str) -> Option<T>,
    allowed: &[&str],
) -> Result<Option<T>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let text = coerce::text("", value)?;
    from_text(&text)
        .map(Some)
        .ok_or_else(|| format!("{text:?} is not one of {}", allowed.join(", ")))
}

macro_rules! text_type {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }
    };
}

text_type! {
    /// Text that is converted to lower case.
    LowercaseString
}

text_type! {
    /// A name that is safe in a path. It begins and ends with an ASCII letter, a digit or `_`, and may have `-` and `.`
    /// inside. A path with another text in its place does not exist: 404.
    Name
}

text_type! {
    /// A [`Name`] that may also have `@` inside, such as an email address.
    NameWithAt
}

impl FieldType for LowercaseString {
    const KIND: Kind = Kind::Lowercase;

    fn from_json(value: Value) -> Result<Option<Self>, String> {
        let text = coerce::text("", value)?;
        Ok(Some(LowercaseString(text.to_lowercase())))
    }

    fn to_json(&self) -> Value {
        self.as_str().into()
    }
}

/// Returns true for a text that begins and ends with a letter, a digit or `_`, and has only these and `inside` between.
/// It also runs in the compiler, which has no iterators.
pub(super) const fn is_name(text: &[u8], inside: &[u8]) -> bool {
    let mut i = 0;
    while i < text.len() {
        let word = text[i].is_ascii_alphanumeric() || text[i] == b'_';
        let mut between = false;
        let mut j = 0;
        while i > 0 && i + 1 < text.len() && j < inside.len() {
            between = between || text[i] == inside[j];
            j += 1;
        }
        if !word && !between {
            return false;
        }
        i += 1;
    }
    !text.is_empty()
}

macro_rules! name_type {
    ($name:ident, $inside:literal) => {
        impl FieldType for $name {
            const KIND: Kind = Kind::$name;

            const FITS_PATH: Option<fn(&str) -> bool> = Some(|part| is_name(part.as_bytes(), $inside));

            fn from_json(value: Value) -> Result<Option<Self>, String> {
                let text = coerce::text("", value)?;
                if !is_name(text.as_bytes(), $inside) {
                    return Err("field does not match the formatting rules".into());
                }
                Ok(Some($name(text)))
            }

            fn to_json(&self) -> Value {
                self.as_str().into()
            }
        }
    };
}

name_type!(Name, b"-.");
name_type!(NameWithAt, b"-.@");

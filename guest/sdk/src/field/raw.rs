//! Takes the fields of one request from its path and its body.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Field, FieldType};
use crate::Error;
use crate::codec::{self, Object};

/// The fields of a request before their conversion.
///
/// Values stay text until a field takes them. So a value that is stored unchanged is never parsed, and may be nested as
/// deeply as Vault allows.
#[doc(hidden)]
#[derive(Clone, Default)]
pub struct Raw<'r> {
    data: BTreeMap<String, Json<'r>>,
    captured: Vec<&'static str>,
}

/// The JSON of a value: borrowed if it comes from the body, so that large values are not copied.
#[derive(Clone)]
struct Json<'r>(Cow<'r, str>);

impl<'r> Deserialize<'r> for Json<'r> {
    fn deserialize<D: Deserializer<'r>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|value| Json(value.get().into()))
    }
}

impl<'r> Raw<'r> {
    /// Joins the captures of the path and the fields of the body. Captures take precedence; also returns the names of
    /// the fields that they replaced.
    pub(crate) fn new(
        body: Option<&'r str>,
        captures: Vec<(&'static str, &str)>,
    ) -> Result<(Raw<'r>, Vec<&'static str>), Error> {
        let mut raw = Raw {
            data: body
                .map_or(Ok(BTreeMap::new()), serde_json::from_str)
                .map_err(|_| Error::internal("request data is not a JSON object"))?,
            captured: Vec::with_capacity(captures.len()),
        };
        let mut replaced = Vec::new();
        for (name, value) in captures {
            raw.captured.push(name);
            let value = Json(codec::quoted(value).into());
            let old = raw.data.insert(name.into(), value);
            if old.is_some_and(|Json(old)| old != "null") {
                replaced.push(name);
            }
        }
        Ok((raw, replaced))
    }

    /// Returns everything that no field has taken, as an object.
    fn rest(&mut self) -> String {
        Object::text(|object| {
            for (name, value) in std::mem::take(&mut self.data) {
                object.json(&name, &value.0);
            }
        })
    }

    /// Returns the names that no field has taken.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.data.keys().map(String::as_str)
    }

    /// Takes a field, or its default.
    pub fn take<T: FieldType>(&mut self, field: &Field, default: Option<fn() -> T>) -> Result<T, FieldError> {
        let given = if field.is_rest() {
            Some(self.rest().into())
        } else {
            self.data.remove(field.name()).map(|Json(given)| given)
        };
        let value = match given {
            Some(given) => T::from_text(&given).map_err(|cause| FieldError::Conversion {
                field: field.name(),
                cause,
            })?,
            None => None,
        };
        value
            .or_else(|| default.map_or_else(T::absent, |default| Some(default())))
            .ok_or(FieldError::Missing(field.name()))
    }

    /// Converts a field for a merge patch. A `null` stays, because it removes the field. A captured field is not a
    /// change.
    pub fn give<T: FieldType>(
        &mut self,
        field: &Field,
        into: &mut Map<String, Value>,
    ) -> Result<(), FieldError> {
        if self.captured.contains(&field.name()) {
            return Ok(());
        }
        let wrong = |cause| FieldError::Conversion {
            field: field.name(),
            cause,
        };
        if field.is_rest() {
            if let Value::Object(rest) = codec::value(&self.rest()).map_err(wrong)? {
                into.extend(rest);
            }
            return Ok(());
        }
        let Some(Json(given)) = self.data.remove(field.name()) else {
            return Ok(());
        };
        let value = match given.as_ref() {
            "null" => Value::Null,
            given => T::from_text(given)
                .map_err(wrong)?
                .map_or(Value::Null, |value| value.to_json()),
        };
        into.insert(field.name().into(), value);
        Ok(())
    }
}

/// The reason why the fields of a request are refused.
#[doc(hidden)]
#[derive(Debug, PartialEq, Eq)]
pub enum FieldError {
    Conversion { field: &'static str, cause: String },
    Missing(&'static str),
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldError::Conversion { field, cause } => {
                write!(f, "error converting input for field {field:?}: {cause}")
            }
            FieldError::Missing(field) => write!(f, "missing required field {field:?}"),
        }
    }
}

impl FieldError {
    /// Returns the error that refuses a request.
    pub(crate) fn refuse(self) -> Error {
        Error::User(format!("Field validation failed: {self}"))
    }
}

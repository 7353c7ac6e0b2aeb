//! Typed fields of requests.
//!
//! ```
//! # use airlock_sdk::{choices, fields, Name};
//! # use std::time::Duration;
//! choices! {
//!     /// What kind of key.
//!     pub enum KeyType { Ed25519 = "ed25519", EcdsaP256 = "ecdsa-p256" }
//! }
//!
//! fields! {
//!     /// What a caller says of a role.
//!     struct WriteRole {
//!         /// Name of the role.
//!         name: Name,
//!         /// What kind of key it hands out.
//!         key_type: KeyType = KeyType::Ed25519,
//!         /// How long its keys live.
//!         ttl: Duration = Duration::from_secs(3600),
//!         /// Who may use it, comma-separated or a list.
//!         groups: Option<Vec<String>>,
//!         /// Password of the directory.
//!         bind_password: String as sensitive,
//!     }
//! }
//! ```
//!
//! The comments become the help text and the descriptions in OpenAPI. A field is required unless it is an `Option` or
//! has a default after `=`. Its type decides how its input is decoded, as in Vault; see [`FieldType`]. After each `as`
//! comes a flag, one of the methods of [`Field`].

use std::collections::BTreeMap;
use std::fmt;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::Error;
use crate::codec::{self, Object};

mod coerce;
mod collections;
mod duration;
mod macros;
mod numbers;
mod strings;

pub use collections::{Headers, StringSlice};
pub use duration::{SignedSeconds, seconds};
#[doc(hidden)]
pub use strings::choose;
pub use strings::{LowercaseString, Name};

/// The kind of a field, which decides how its input is decoded. The kinds are Vault's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `String`. Numbers become their text, `true` becomes `1`.
    String,
    /// [`LowercaseString`].
    Lowercase,
    /// [`Name`]: letters, digits and `_`, with `-` and `.` inside.
    Name,
    /// Up to 32 bits, such as `u32`. Accepts text too, including `0x1f` and `1_000`.
    Int,
    /// `i64` and `u64`.
    Int64,
    /// `f64`.
    Float,
    /// `bool`. Accepts `"true"`, `"T"` and `1` too.
    Bool,
    /// `serde_json::Map`.
    Map,
    /// `BTreeMap<String, String>`: an object, or a list of `key=value`.
    KvPairs,
    /// `std::time::Duration` and [`SignedSeconds`]: whole seconds, or `1h30m`, or `2d`.
    Duration,
    /// `Vec<Value>`. A value that is not a list becomes a list with that value.
    Slice,
    /// [`StringSlice`]. Commas do not separate.
    StringSlice,
    /// `Vec<String>`: a list, or text with commas.
    CommaStringSlice,
    /// `Vec<i64>`: a list, or text with commas.
    CommaIntSlice,
    /// [`Headers`].
    Header,
    /// [`Timestamp`](crate::Timestamp): RFC 3339 or seconds since 1970.
    Time,
    /// `serde_json::Value`, unchanged.
    Any,
}

/// A Rust type that a field can have.
///
/// The conversions and the texts of errors are those of Vault's `framework`, with two differences. An error does not
/// repeat a list or an object in the wrong place, because it may hold secrets. A narrow number such as `u8` is checked
/// for its range.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the type of a field",
    note = "see `airlock_sdk::field::Kind` for the types that are, and `choices!` for an enum of allowed values"
)]
pub trait FieldType: Sized {
    /// The kind, which decides how the input is decoded.
    const KIND: Kind;
    /// The allowed values, as text; empty allows any value.
    const ALLOWED: &'static [&'static str] = &[];
    /// True if a request may leave the field out.
    const OPTIONAL: bool = false;

    /// Converts an input. `None` means that the input counts as absent, such as `null` for a duration.
    ///
    /// # Errors
    /// The mistake in the input, as a text for the caller.
    fn from_json(value: Value) -> Result<Option<Self>, String>;

    /// Converts an input from JSON text, for a type that keeps the text. By default the text is parsed, if it is nested
    /// no more deeply than [`value`](crate::value) allows.
    ///
    /// # Errors
    /// The mistake in the input, as a text for the caller.
    fn from_text(json: &str) -> Result<Option<Self>, String> {
        Self::from_json(codec::value(json)?)
    }

    /// Returns the value as JSON, for a default in OpenAPI and for merging a patch.
    fn to_json(&self) -> Value;

    /// Returns the value of an absent field, or `None` if the field is required.
    fn absent() -> Option<Self> {
        None
    }
}

impl<T: FieldType> FieldType for Option<T> {
    const KIND: Kind = T::KIND;
    const ALLOWED: &'static [&'static str] = T::ALLOWED;
    const OPTIONAL: bool = true;

    fn from_json(value: Value) -> Result<Option<Self>, String> {
        Ok(T::from_json(value)?.map(Some))
    }

    fn from_text(json: &str) -> Result<Option<Self>, String> {
        Ok(T::from_text(json)?.map(Some))
    }

    fn to_json(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::to_json)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl FieldType for Value {
    const KIND: Kind = Kind::Any;

    fn from_json(value: Value) -> Result<Option<Self>, String> {
        Ok(Some(value))
    }

    fn to_json(&self) -> Value {
        self.clone()
    }
}

/// The declaration of a field, made by [`fields!`](crate::fields). Its methods are the flags that follow `as`.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    name: &'static str,
    docs: &'static [&'static str],
    pub(crate) kind: Kind,
    pub(crate) allowed: &'static [&'static str],
    pub(crate) required: bool,
    pub(crate) default: Option<fn() -> Value>,
    pub(crate) in_query: bool,
    pub(crate) is_sensitive: bool,
    pub(crate) is_deprecated: bool,
    is_rest: bool,
}

impl Field {
    #[doc(hidden)]
    pub const fn of<T: FieldType>(name: &'static str, docs: &'static [&'static str]) -> Field {
        Field {
            name,
            docs,
            kind: T::KIND,
            allowed: T::ALLOWED,
            required: !T::OPTIONAL,
            default: None,
            in_query: false,
            is_sensitive: false,
            is_deprecated: false,
            is_rest: false,
        }
    }

    #[doc(hidden)]
    pub const fn default(mut self, value: fn() -> Value) -> Field {
        self.default = Some(value);
        self.required = false;
        self
    }

    /// Marks a query parameter of reads, lists and deletes: `?version=2`. For documentation only.
    pub const fn query(mut self) -> Field {
        self.in_query = true;
        self
    }

    /// Marks a secret, which user interfaces hide.
    pub const fn sensitive(mut self) -> Field {
        self.is_sensitive = true;
        self
    }

    /// Marks a field that only old callers use. For documentation only.
    pub const fn deprecated(mut self) -> Field {
        self.is_deprecated = true;
        self
    }

    /// Collects everything that the other fields do not take, for a path that accepts any input. The type of the field
    /// is `serde_json::Map`, and the field comes last.
    pub const fn rest(mut self) -> Field {
        if !matches!(self.kind, Kind::Map) {
            panic!("a field that takes the rest is a `serde_json::Map<String, Value>`");
        }
        self.is_rest = true;
        self.required = false;
        self
    }

    /// Returns the name in requests.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns true if the field takes everything that the other fields do not.
    pub const fn is_rest(&self) -> bool {
        self.is_rest
    }

    /// Returns the comments of the field, in one line.
    pub(crate) fn description(&self) -> String {
        let lines: Vec<&str> = self
            .docs
            .iter()
            .map(|line| line.trim())
            .filter(|line| !line.is_empty())
            .collect();
        lines.join(" ")
    }
}

/// The fields of a handler, made by [`fields!`](crate::fields). `()` has no fields.
#[diagnostic::on_unimplemented(
    message = "a handler's second argument is a struct made by `fields!`, or `()`, not `{Self}`"
)]
pub trait Fields: Sized + 'static {
    /// The declarations.
    const FIELDS: &'static [Field];

    #[doc(hidden)]
    fn parse(raw: &mut Raw) -> Result<Self, FieldError>;

    /// Returns the fields of the request, converted, for a merge patch.
    #[doc(hidden)]
    fn given(raw: &mut Raw) -> Result<Map<String, Value>, FieldError>;
}

impl Fields for () {
    const FIELDS: &'static [Field] = &[];

    fn parse(_: &mut Raw) -> Result<Self, FieldError> {
        Ok(())
    }

    fn given(_: &mut Raw) -> Result<Map<String, Value>, FieldError> {
        Ok(Map::new())
    }
}

/// Stops the compiler if a declaration is wrong.
#[doc(hidden)]
pub const fn checked(fields: &'static [Field]) -> &'static [Field] {
    let mut i = 0;
    while i + 1 < fields.len() {
        if fields[i].is_rest {
            panic!("the field that takes the rest must be the last");
        }
        i += 1;
    }
    fields
}

/// The fields of a request before their conversion.
///
/// Values stay text until a field takes them. So a value that is stored unchanged is never parsed, and may be nested as
/// deeply as Vault allows.
#[doc(hidden)]
#[derive(Clone, Default)]
pub struct Raw {
    data: BTreeMap<String, Box<RawValue>>,
    captured: Vec<&'static str>,
}

impl Raw {
    /// Joins the captures of the path and the fields of the body. Captures take precedence; also returns the names of
    /// the fields that they replaced.
    pub(crate) fn new(
        body: Option<&str>,
        captures: Vec<(&'static str, &str)>,
    ) -> Result<(Raw, Vec<&'static str>), Error> {
        let no_object = |_| Error::internal("request data is not a JSON object");
        let mut raw = Raw {
            data: body
                .map_or(Ok(BTreeMap::new()), |body| codec::read(body.as_bytes()))
                .map_err(no_object)?,
            captured: Vec::with_capacity(captures.len()),
        };
        let mut replaced = Vec::new();
        for (name, value) in captures {
            raw.captured.push(name);
            let value = RawValue::from_string(codec::quoted(value)).map_err(no_object)?;
            let old = raw.data.insert(name.into(), value);
            if old.is_some_and(|old| old.get() != "null") {
                replaced.push(name);
            }
        }
        Ok((raw, replaced))
    }

    /// Returns everything that no field has taken, as an object.
    fn rest(&mut self) -> String {
        Object::text(|object| {
            for (name, value) in std::mem::take(&mut self.data) {
                object.json(&name, value.get());
            }
        })
    }

    /// Returns the names that no field has taken.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.data.keys().map(String::as_str)
    }

    /// Takes a field, or its default.
    pub fn take<T: FieldType>(&mut self, field: &Field, default: Option<fn() -> T>) -> Result<T, FieldError> {
        let given = if field.is_rest {
            Some(self.rest())
        } else {
            self.data.remove(field.name).map(|given| given.get().into())
        };
        let value = match given {
            Some(given) => T::from_text(&given).map_err(|cause| FieldError::Conversion {
                field: field.name,
                cause,
            })?,
            None => None,
        };
        value
            .or_else(|| default.map_or_else(T::absent, |default| Some(default())))
            .ok_or(FieldError::Missing(field.name))
    }

    /// Converts a field for a merge patch. A `null` stays, because it removes the field. A captured field is not a
    /// change.
    pub fn give<T: FieldType>(
        &mut self,
        field: &Field,
        into: &mut Map<String, Value>,
    ) -> Result<(), FieldError> {
        if self.captured.contains(&field.name) {
            return Ok(());
        }
        let wrong = |cause| FieldError::Conversion {
            field: field.name,
            cause,
        };
        if field.is_rest {
            if let Value::Object(rest) = codec::value(&self.rest()).map_err(wrong)? {
                into.extend(rest);
            }
            return Ok(());
        }
        let Some(given) = self.data.remove(field.name) else {
            return Ok(());
        };
        let value = match given.get() {
            "null" => Value::Null,
            given => T::from_text(given)
                .map_err(wrong)?
                .map_or(Value::Null, |value| value.to_json()),
        };
        into.insert(field.name.into(), value);
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

#[cfg(test)]
mod tests;

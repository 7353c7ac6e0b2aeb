//! Defines what a type must do to be the type of a field.

use serde_json::Value;

use crate::codec;

/// The kind of a field, which decides how its input is decoded. The kinds are Vault's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `String`. Numbers become their text, `true` becomes `1`.
    String,
    /// [`LowercaseString`](super::LowercaseString).
    Lowercase,
    /// [`Name`](super::Name): letters, digits and `_`, with `-` and `.` inside.
    Name,
    /// [`NameWithAt`](super::NameWithAt): a name with `@` inside too.
    NameWithAt,
    /// [`Int`](super::Int), and up to 32 bits, such as `u32`. Accepts text too, including `0x1f` and `1_000`.
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
    /// `std::time::Duration` and [`SignedSeconds`](super::SignedSeconds): whole seconds, or `1h30m`, or `2d`.
    Duration,
    /// `Vec<Value>`. A value that is not a list becomes a list with that value.
    Slice,
    /// [`StringSlice`](super::StringSlice). Commas do not separate.
    StringSlice,
    /// `Vec<String>`: a list, or text with commas.
    CommaStringSlice,
    /// `Vec<i64>`: a list, or text with commas.
    CommaIntSlice,
    /// [`Headers`](super::Headers).
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
    note = "see `airlock_sdk::field::Kind` for the types that are, and `choices!` for an enum of allowed values; \
            a group of fields comes last, after `..`"
)]
pub trait FieldType: Sized {
    /// The kind, which decides how the input is decoded.
    const KIND: Kind;
    /// The allowed values, as text; empty allows any value.
    const ALLOWED: &'static [&'static str] = &[];
    /// True if a request may leave the field out.
    const OPTIONAL: bool = false;
    /// Returns true if the part of a path that a route captures may be this field. Otherwise the route does not match,
    /// so that the path is a 404, as in Vault, whose paths are regular expressions. `None` allows any text.
    const FITS_PATH: Option<fn(&str) -> bool> = None;

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
    const FITS_PATH: Option<fn(&str) -> bool> = T::FITS_PATH;

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

//! Tells a value that the caller gave from a default.

use std::ops::Deref;

use serde_json::Value;

use super::{FieldType, Kind};

/// A field that knows whether the caller gave it.
///
/// ```
/// # use airlock_sdk::{fields, field::Given, Context, Result};
/// # use std::time::Duration;
/// fields! {
///     struct WriteRole {
///         /// Lifetime of its tokens.
///         ttl: Given<Duration> = Given::default_of(Duration::from_secs(3600)),
///     }
/// }
///
/// fn write_role(cx: &Context, role: WriteRole) -> Result<()> {
///     let seconds = role.ttl.as_secs(); // the value, given or not
///     if !role.ttl.is_given() {
///         cx.log.field("seconds", seconds).debug("uses the default");
///     }
///     Ok(())
/// }
/// ```
///
/// An `Option` does the same for a field without a default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given<T> {
    value: T,
    given: bool,
}

impl<T> Given<T> {
    /// Makes the default of a field, which the caller has not given.
    pub const fn default_of(value: T) -> Given<T> {
        Given { value, given: false }
    }

    /// Returns true if the caller gave the value, even if it is the default.
    pub const fn is_given(&self) -> bool {
        self.given
    }

    /// Returns the value that the caller gave, and none for a default.
    pub fn given(self) -> Option<T> {
        self.given.then_some(self.value)
    }

    /// Returns the value, given or default.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Given<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: FieldType> FieldType for Given<T> {
    const KIND: Kind = T::KIND;
    const ALLOWED: &'static [&'static str] = T::ALLOWED;
    const OPTIONAL: bool = T::OPTIONAL;
    const FITS_PATH: Option<fn(&str) -> bool> = T::FITS_PATH;

    fn from_json(value: Value) -> Result<Option<Self>, String> {
        Ok(T::from_json(value)?.map(|value| Given { value, given: true }))
    }

    fn from_text(json: &str) -> Result<Option<Self>, String> {
        Ok(T::from_text(json)?.map(|value| Given { value, given: true }))
    }

    fn to_json(&self) -> Value {
        self.value.to_json()
    }

    fn absent() -> Option<Self> {
        T::absent().map(Given::default_of)
    }
}

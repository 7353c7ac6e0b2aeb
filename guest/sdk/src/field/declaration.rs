//! Describes a field for the decoding of requests, for help texts and for OpenAPI.

use serde_json::Value;

use super::{FieldType, Kind};

/// The declaration of a field, made by [`fields!`](crate::fields). Its methods are the flags that follow `as`.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    name: &'static str,
    docs: &'static [&'static str],
    pub(crate) kind: Kind,
    pub(crate) allowed: &'static [&'static str],
    pub(crate) required: bool,
    pub(crate) fits_path: fn(&str) -> bool,
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
            fits_path: T::fits_path,
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

//! Describes a field for the decoding of requests, for help texts and for OpenAPI.

use serde_json::Value;

use super::strings::is_name;
use super::{FieldType, Kind};

/// The attributes of a field that user interfaces show; empty texts are left out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Display {
    pub(crate) name: &'static str,
    pub(crate) value: &'static str,
    pub(crate) group: &'static str,
    pub(crate) edit_type: &'static str,
}

/// The declaration of a field, made by [`fields!`](crate::fields). Its methods are the flags that follow `as`.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    name: &'static str,
    docs: &'static [&'static str],
    pub(crate) kind: Kind,
    pub(crate) allowed: &'static [&'static str],
    pub(crate) required: bool,
    pub(crate) fits_path: Option<fn(&str) -> bool>,
    pub(crate) default: Option<fn() -> Value>,
    pub(crate) in_query: bool,
    pub(crate) is_sensitive: bool,
    pub(crate) is_deprecated: bool,
    pub(crate) display: Display,
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
            fits_path: T::FITS_PATH,
            default: None,
            in_query: false,
            is_sensitive: false,
            is_deprecated: false,
            display: Display {
                name: "",
                value: "",
                group: "",
                edit_type: "",
            },
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

    /// Sets the label that user interfaces show, in place of the field's name.
    pub const fn display_name(mut self, label: &'static str) -> Field {
        self.display.name = label;
        self
    }

    /// Sets an example value for user interfaces.
    pub const fn display_value(mut self, example: &'static str) -> Field {
        self.display.value = example;
        self
    }

    /// Sets the group of fields under which user interfaces show it.
    pub const fn display_group(mut self, group: &'static str) -> Field {
        self.display.group = group;
        self
    }

    /// Sets the input that user interfaces show, such as `textarea` or `file`.
    pub const fn display_input(mut self, edit_type: &'static str) -> Field {
        self.display.edit_type = edit_type;
        self
    }

    /// Collects everything that the other fields do not take, for a path that accepts any input. The type of the field
    /// is `serde_json::Map`, and the field comes last.
    pub const fn rest(mut self) -> Field {
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

    pub(crate) const fn has_name_of(&self, other: &Field) -> bool {
        let (mine, others) = (self.name.as_bytes(), other.name.as_bytes());
        let mut i = 0;
        while i < mine.len() && i < others.len() && mine[i] == others[i] {
            i += 1;
        }
        i == mine.len() && i == others.len()
    }

    /// Returns true if both fields allow the same texts in a path.
    pub(crate) const fn fits_the_same_paths(&self, other: &Field) -> bool {
        match (self.fits_path, other.fits_path) {
            (None, None) => true,
            (Some(_), Some(_)) => self.kind as u8 == other.kind as u8,
            _ => false,
        }
    }

    /// Returns true if the field surely allows every text in a path that the other one allows.
    pub(crate) const fn fits_all_paths_of(&self, other: &Field) -> bool {
        match (self.fits_path, other.fits_path) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(_), Some(_)) => matches!(
                (self.kind, other.kind),
                (Kind::Name | Kind::NameWithAt, Kind::Name) | (Kind::NameWithAt, Kind::NameWithAt)
            ),
        }
    }

    /// Returns true if the field surely allows this part of a pattern.
    pub(crate) const fn fits_literal(&self, literal: &[u8]) -> bool {
        match self.kind {
            Kind::Name => is_name(literal, b"-."),
            Kind::NameWithAt => is_name(literal, b"-.@"),
            _ => self.fits_path.is_none(),
        }
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

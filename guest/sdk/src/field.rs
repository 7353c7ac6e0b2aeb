//! Declares and decodes the typed fields of requests.
//!
//! ```
//! # use airlock_sdk::{choices, fields, Name};
//! # use std::time::Duration;
//! choices! {
//!     /// The kind of a key.
//!     pub enum KeyType { Ed25519 = "ed25519", EcdsaP256 = "ecdsa-p256" }
//! }
//!
//! fields! {
//!     /// The properties of a role that a caller writes.
//!     struct WriteRole {
//!         /// Name of the role.
//!         name: Name,
//!         /// Kind of the keys that it hands out.
//!         key_type: KeyType = KeyType::Ed25519,
//!         /// Lifetime of its keys.
//!         ttl: Duration = Duration::from_secs(3600),
//!         /// Groups that may use it: a list, or text with commas.
//!         groups: Option<Vec<String>>,
//!         /// Password of the directory.
//!         bind_password: String as sensitive,
//!     }
//! }
//! ```
//!
//! Several handlers can share a group of fields, which is also declared by `fields!` and comes last, after `..`. A struct may
//! consist of groups alone.
//!
//! ```
//! # use airlock_sdk::{fields, Name};
//! fields! {
//!     /// The page of a list.
//!     struct Page {
//!         /// The name to begin after.
//!         after: String as query = String::new(),
//!         /// The most names.
//!         limit: u32 as query = 100,
//!     }
//!
//!     struct ListRoles {
//!         /// Name of the team.
//!         team: Name,
//!         ..page: Page,
//!     }
//! }
//! # fn handler(list: ListRoles) -> u32 { list.page.limit }
//! ```
//!
//! The comments become the help text and the descriptions in OpenAPI. A field is required unless it is an `Option` or
//! has a default after `=`; a [`Given`] knows whether it is the default. Its type decides how its input is decoded, as in
//! Vault; see [`FieldType`]. After each `as` comes a flag, one of the methods of [`Field`]: `as sensitive`,
//! `as display_name("Bind password")`.

use serde_json::{Map, Value};

use crate::refuse::refuse;

mod coerce;
mod collections;
mod declaration;
mod duration;
mod given;
mod group;
mod macros;
mod numbers;
mod raw;
mod strings;
mod types;

pub use collections::{Headers, StringSlice};
pub use declaration::Field;
pub use duration::{SignedSeconds, seconds};
pub use given::Given;
#[doc(hidden)]
pub use group::{count, join};
pub use numbers::Int;
#[doc(hidden)]
pub use raw::{FieldError, Raw};
#[doc(hidden)]
pub use strings::choose;
pub use strings::{LowercaseString, Name, NameWithAt};
pub use types::{FieldType, Kind};

/// The fields of a handler, made by [`fields!`](crate::fields). `()` has no fields.
#[diagnostic::on_unimplemented(
    message = "a handler's second argument is a struct made by `fields!`, or `()`, not `{Self}`"
)]
pub trait Fields: Sized + 'static {
    /// The declarations.
    const FIELDS: &'static [Field];

    #[doc(hidden)]
    fn parse(raw: &mut Raw<'_>) -> Result<Self, FieldError>;

    /// Returns the fields of the request, converted, for a merge patch.
    #[doc(hidden)]
    fn given(raw: &mut Raw<'_>) -> Result<Map<String, Value>, FieldError>;
}

impl Fields for () {
    const FIELDS: &'static [Field] = &[];

    fn parse(_: &mut Raw<'_>) -> Result<Self, FieldError> {
        Ok(())
    }

    fn given(_: &mut Raw<'_>) -> Result<Map<String, Value>, FieldError> {
        Ok(Map::new())
    }
}

/// Stops the compiler if a declaration is wrong. Only here, because `fields!` evaluates each declaration several times.
#[doc(hidden)]
#[track_caller]
pub const fn checked(fields: &'static [Field]) -> &'static [Field] {
    let mut i = 0;
    while i < fields.len() {
        let field = &fields[i];
        if field.is_rest() && !matches!(field.kind, Kind::Map) {
            let must = "` takes the rest, so its type must be `serde_json::Map<String, Value>`";
            refuse(&["the field `", field.name(), must]);
        }
        if field.is_rest() && i + 1 < fields.len() {
            refuse(&[
                "the field `",
                field.name(),
                "` takes the rest, so it must be the last",
            ]);
        }
        let mut j = 0;
        while j < i {
            if fields[j].has_name_of(field) {
                refuse(&[
                    "the field `",
                    field.name(),
                    "` is declared twice, here or in a group",
                ]);
            }
            j += 1;
        }
        i += 1;
    }
    fields
}

#[cfg(test)]
mod tests;

//! Tells a value that the caller gave from a default.

use std::ops::Deref;

use serde_json::Value;

use super::{FieldType, Kind};

/// A field that knows whether the caller gave it. So an update can keep what the caller does not give, as the updates of
/// Vault's own engines do:
///
/// ```
/// # use airlock_sdk::{fields, field::{Given, seconds}, Context, Description, Engine, Name, Response, Result, Routes, route};
/// # use std::time::Duration;
/// # fields! { struct At { name: Name } }
/// fields! {
///     struct WriteRole {
///         /// Name of the role.
///         name: Name,
///         /// Lifetime of its tokens.
///         ttl: Given<Duration> = Given::default_of(Duration::from_secs(3600)),
///         /// Longest lifetime of its tokens.
///         max_ttl: Given<Duration> = Given::default_of(Duration::from_secs(86_400)),
///     }
/// }
/// # #[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
/// # struct Role {
/// #     #[serde(with = "seconds")]
/// #     ttl: Duration,
/// #     #[serde(with = "seconds")]
/// #     max_ttl: Duration,
/// # }
///
/// fn write_role(cx: &Context, given: WriteRole) -> Result<()> {
///     let key = format!("role/{}", given.name);
///     let stored: Option<Role> = cx.storage.get_json(&key)?;
///     let role = Role {
///         ttl: given.ttl.or(stored.map(|role| role.ttl)),
///         max_ttl: given.max_ttl.or(stored.map(|role| role.max_ttl)),
///     };
///     cx.storage.put_json(&key, &role)
/// }
/// # struct Roles;
/// # impl Engine for Roles {
/// #     const DESCRIPTION: Description = Description::new("roles", "1.0.0", "Keeps roles.").storage(&["role/"]);
/// #     const ROUTES: Routes = &[&route("roles/{name}").read(read_role).write(write_role)];
/// # }
/// # fn read_role(cx: &Context, at: At) -> Result<Option<Response>> {
/// #     let role: Option<Role> = cx.storage.get_json(&format!("role/{}", at.name))?;
/// #     role.map(|role| Response::json(&role)).transpose()
/// # }
///
/// // In a test:
/// # use airlock_sdk::{json, testing::Mount};
/// # let mount = Mount::<Roles>::new();
/// assert_eq!(mount.write("roles/web", json!({ "ttl": 60 })).status(), 204);
/// assert_eq!(mount.write("roles/web", json!({ "max_ttl": 600 })).status(), 204);
/// assert_eq!(mount.read("roles/web").data(), &json!({ "ttl": 60, "max_ttl": 600 }));
/// ```
///
/// It dereferences to the value, given or not. An `Option` tells the same of a field without a default.
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

    /// Returns the value that the caller gave, or else the stored one, or else the default.
    pub fn or(self, stored: Option<T>) -> T {
        match stored {
            Some(stored) if !self.given => stored,
            _ => self.value,
        }
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

//! Vault's view of the mount.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::host::Host;
use crate::{Result, WrapInfo};

/// Vault's `SystemView` of the mount. Functions that a server does not offer return an
/// [`Error::Internal`](crate::Error::Internal).
#[derive(Debug)]
pub struct System {
    pub(crate) host: Host,
}

/// The entity behind a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // Vault's own names.
pub struct Entity {
    pub id: String,
    pub name: String,
    pub aliases: Vec<Alias>,
    pub metadata: BTreeMap<String, String>,
    pub disabled: bool,
}

/// An entity's name in one authentication method.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // Vault's own names.
pub struct Alias {
    pub id: String,
    pub mount_type: String,
    pub mount_accessor: String,
    pub name: String,
    pub metadata: BTreeMap<String, String>,
}

/// A group of entities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // Vault's own names.
pub struct Group {
    pub id: String,
    pub name: String,
    pub metadata: BTreeMap<String, String>,
}

/// The server's role in replication.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // Vault's own names.
pub struct Replication {
    pub performance_primary: bool,
    pub performance_secondary: bool,
    pub performance_standby: bool,
    pub disaster_recovery_primary: bool,
    pub disaster_recovery_secondary: bool,
}

/// A signed token for another service. Its `Debug` does not show the token.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct IdentityToken {
    /// The token.
    pub token: String,
    /// The time for which the token is valid.
    pub ttl: Duration,
}

impl fmt::Debug for IdentityToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityToken")
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

/// The options of a mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(pub(crate) Vec<(String, String)>);

impl Options {
    /// Returns the value of an option, if it is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(option, _)| *option == name)
            .map(|(_, value)| value)
    }

    /// Returns all options.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

macro_rules! queries {
    ($( $(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $answer:ty; )*) => {
        impl System {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// The server's error, or an error that the server does not offer the function.
                pub fn $name(&self, $($argument: $type),*) -> Result<$answer> {
                    self.host.$name($($argument),*)
                }
            )*
        }
    };
}

queries! {
    /// Returns the default time of the mount's leases.
    default_lease_ttl() -> Duration;
    /// Returns the maximum time of the mount's leases.
    max_lease_ttl() -> Duration;
    /// Returns true if the mount is being taken down.
    tainted() -> bool;
    /// Returns true if nothing may be cached.
    caching_disabled() -> bool;
    /// Returns true if the mount is not replicated.
    local_mount() -> bool;
    /// Returns the server's role in replication.
    replication_state() -> Replication;
    /// Returns the server's version.
    vault_version() -> String;
    /// Returns the cluster's id.
    cluster_id() -> String;
    /// Returns an entity.
    entity_info(entity_id: &str) -> Option<Entity>;
    /// Returns the groups of an entity.
    groups_for_entity(entity_id: &str) -> Vec<Group>;
    /// Returns a password that follows a password policy of the server.
    generate_password(policy: &str) -> String;
    /// Returns a signed token for another service.
    identity_token(audience: &str, ttl: Duration) -> IdentityToken;
    /// Wraps data, a JSON object, as Vault's response wrapping does. It takes effect outside the transaction, so it
    /// waits for the commit lock.
    wrap_data(data: &Value, ttl: Duration) -> WrapInfo;
}

impl System {
    /// Returns the mount's options, as given to `vault secrets enable -options`, with `plugin_name` and the like.
    pub fn config(&self) -> Options {
        Options(self.host.config())
    }
}

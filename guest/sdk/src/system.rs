//! Asks Vault about the mount, its server and the callers.

use std::time::Duration;

use serde_json::Value;

use crate::host::Host;
pub use crate::records::{Alias, Entity, Group, IdentityToken, Replication};
use crate::{Result, WrapInfo};

/// Vault's `SystemView` of the mount. Functions that a server does not offer return an
/// [`Error::Internal`](crate::Error::Internal).
#[derive(Debug)]
pub struct System {
    pub(crate) host: Host,
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

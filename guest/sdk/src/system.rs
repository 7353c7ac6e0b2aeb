//! Vault's view of the mount.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::host::Host;
use crate::{Result, WrapInfo};

/// Vault's `SystemView` of the mount. What a server does not offer is an [`Error::Internal`](crate::Error::Internal).
#[derive(Debug)]
pub struct System {
    pub(crate) host: Host,
}

/// Who is behind a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // Vault's own names.
pub struct Entity {
    pub id: String,
    pub name: String,
    pub aliases: Vec<Alias>,
    pub metadata: BTreeMap<String, String>,
    pub disabled: bool,
}

/// What an entity is called by one authentication method.
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

/// What part the server plays among its replicas.
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
    /// How long it is good for.
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
    /// The value of an option, if it is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(option, _)| *option == name)
            .map(|(_, value)| value)
    }

    /// All of them.
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
                /// What the server says, or that it does not offer it.
                pub fn $name(&self, $($argument: $type),*) -> Result<$answer> {
                    self.host.$name($($argument),*)
                }
            )*
        }
    };
}

queries! {
    /// How long leases of the mount last unless told otherwise.
    default_lease_ttl() -> Duration;
    /// How long leases of the mount may last.
    max_lease_ttl() -> Duration;
    /// Whether the mount is being taken down.
    tainted() -> bool;
    /// Whether nothing may be cached.
    caching_disabled() -> bool;
    /// Whether the mount is not replicated.
    local_mount() -> bool;
    /// What part the server plays among its replicas.
    replication_state() -> Replication;
    /// The server's version.
    vault_version() -> String;
    /// The cluster's id.
    cluster_id() -> String;
    /// Who an entity is.
    entity_info(entity_id: &str) -> Option<Entity>;
    /// The groups that an entity is in.
    groups_for_entity(entity_id: &str) -> Vec<Group>;
    /// A password by a password policy of the server.
    generate_password(policy: &str) -> String;
    /// A signed token for another service.
    identity_token(audience: &str, ttl: Duration) -> IdentityToken;
    /// Wraps data, a JSON object, as Vault's response wrapping does. It takes effect outside the transaction, so it waits
    /// for its turn.
    wrap_data(data: &Value, ttl: Duration) -> WrapInfo;
}

impl System {
    /// The mount's options, as given to `vault secrets enable -options`, with `plugin_name` and the like.
    pub fn config(&self) -> Options {
        Options(self.host.config())
    }
}

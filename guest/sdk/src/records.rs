//! Defines the records that an engine exchanges with its host.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// An entry of storage. Its `Debug` shows neither key nor value.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the mount's storage, without a leading slash.
    pub key: String,
    /// Any bytes.
    pub value: Vec<u8>,
    /// True to wrap it with the seal's key too, if the server has one.
    pub seal_wrap: bool,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("seal_wrap", &self.seal_wrap)
            .finish_non_exhaustive()
    }
}

/// The level of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // Vault's own names.
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
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

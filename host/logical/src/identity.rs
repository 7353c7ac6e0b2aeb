//! The caller's identity: Vault's entities, their aliases and groups, like `logical.Entity` of Vault's SDK.

use std::collections::BTreeMap;

/// A person or machine, however it logged in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entity {
    /// Vault's id for it.
    pub id: String,
    /// Its name within the namespace.
    pub name: String,
    /// The names with which it logs in.
    pub aliases: Vec<Alias>,
    /// Set by the operator.
    pub metadata: BTreeMap<String, String>,
    /// True if its tokens are refused.
    pub disabled: bool,
    /// The namespace that it belongs to.
    pub namespace_id: String,
}

/// An entity's name in one auth mount.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alias {
    /// The auth mount's type, such as `userpass`.
    pub mount_type: String,
    /// The auth mount's accessor.
    pub mount_accessor: String,
    /// The name in that mount.
    pub name: String,
    /// The metadata that the auth mount gave it.
    pub metadata: BTreeMap<String, String>,
    /// Vault's id for the alias.
    pub id: String,
    /// The namespace that it belongs to.
    pub namespace_id: String,
    /// Set by the operator.
    pub custom_metadata: BTreeMap<String, String>,
    /// True if it belongs to this cluster alone.
    pub local: bool,
    /// Its id at an outside identity provider. Empty on OpenBao and older Vaults.
    pub external_id: String,
    /// The issuer that vouches for it. Empty on OpenBao and older Vaults.
    pub issuer: String,
}

/// A group of entities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Vault's id for it.
    pub id: String,
    /// Its name within the namespace.
    pub name: String,
    /// Set by the operator.
    pub metadata: BTreeMap<String, String>,
    /// The namespace that it belongs to.
    pub namespace_id: String,
}

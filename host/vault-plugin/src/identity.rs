//! The caller's identity: Vault's entities, their aliases and groups.

use std::collections::BTreeMap;

use crate::proto::logical;

/// A person or machine, however it logged in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
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

impl From<logical::Entity> for Entity {
    fn from(wire: logical::Entity) -> Entity {
        Entity {
            id: wire.id,
            name: wire.name,
            aliases: wire.aliases.into_iter().map(Alias::from).collect(),
            metadata: wire.metadata,
            disabled: wire.disabled,
            namespace_id: wire.namespace_id,
        }
    }
}

impl From<logical::Group> for Group {
    fn from(wire: logical::Group) -> Group {
        Group {
            id: wire.id,
            name: wire.name,
            metadata: wire.metadata,
            namespace_id: wire.namespace_id,
        }
    }
}

impl From<logical::Alias> for Alias {
    fn from(wire: logical::Alias) -> Alias {
        Alias {
            mount_type: wire.mount_type,
            mount_accessor: wire.mount_accessor,
            name: wire.name,
            metadata: wire.metadata,
            id: wire.id,
            namespace_id: wire.namespace_id,
            custom_metadata: wire.custom_metadata,
            local: wire.local,
            external_id: wire.external_id,
            issuer: wire.issuer,
        }
    }
}

impl From<Alias> for logical::Alias {
    fn from(alias: Alias) -> logical::Alias {
        logical::Alias {
            mount_type: alias.mount_type,
            mount_accessor: alias.mount_accessor,
            name: alias.name,
            metadata: alias.metadata,
            id: alias.id,
            namespace_id: alias.namespace_id,
            custom_metadata: alias.custom_metadata,
            local: alias.local,
            external_id: alias.external_id,
            issuer: alias.issuer,
        }
    }
}

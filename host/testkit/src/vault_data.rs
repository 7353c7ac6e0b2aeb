//! Describes the entities, groups and password policies of a test, in a scenario or over the pipe of `airlock testkit`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{Alias, Entity, FakeSystem, Group};

/// An entity, with the groups that it is in.
#[derive(Deserialize, Debug, Clone, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[allow(missing_docs)] // Vault's own names.
pub struct EntityData {
    pub id: String,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    #[serde(default)]
    pub disabled: bool,
    #[serde(default)]
    pub aliases: Vec<AliasData>,
    #[serde(default)]
    pub groups: Vec<GroupData>,
}

/// An entity's name in one authentication method.
#[derive(Deserialize, Debug, Clone, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[allow(missing_docs)] // Vault's own names.
pub struct AliasData {
    pub name: String,
    #[serde(default)]
    pub id: String,
    #[serde(default)]
    pub mount_type: String,
    #[serde(default)]
    pub mount_accessor: String,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// A group of entities.
#[derive(Deserialize, Debug, Clone, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[allow(missing_docs)] // Vault's own names.
pub struct GroupData {
    pub name: String,
    #[serde(default)]
    pub id: String,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// A password policy: passwords of `length` characters of `charset`.
#[derive(Deserialize, Debug, Clone)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[allow(missing_docs)]
pub struct PolicyData {
    pub length: usize,
    pub charset: String,
}

impl FakeSystem {
    /// Adds entities with their groups, and password policies by their names.
    pub fn add(&mut self, entities: &[EntityData], policies: &BTreeMap<String, PolicyData>) {
        for entity in entities {
            let groups = entity.groups.iter().map(GroupData::logical).collect();
            self.groups_of.insert(entity.id.clone(), groups);
            self.entities.push(entity.logical());
        }
        let mut passwords = self.passwords.lock();
        for (name, policy) in policies {
            passwords.set(name, policy.length, &policy.charset);
        }
    }
}

impl EntityData {
    fn logical(&self) -> Entity {
        Entity {
            id: self.id.clone(),
            name: self.name.clone(),
            metadata: self.metadata.clone(),
            disabled: self.disabled,
            aliases: self.aliases.iter().map(AliasData::logical).collect(),
            ..Entity::default()
        }
    }
}

impl AliasData {
    fn logical(&self) -> Alias {
        Alias {
            id: self.id.clone(),
            name: self.name.clone(),
            mount_type: self.mount_type.clone(),
            mount_accessor: self.mount_accessor.clone(),
            metadata: self.metadata.clone(),
            ..Alias::default()
        }
    }
}

impl GroupData {
    fn logical(&self) -> Group {
        Group {
            id: self.id.clone(),
            name: self.name.clone(),
            metadata: self.metadata.clone(),
            ..Group::default()
        }
    }
}

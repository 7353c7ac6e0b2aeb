//! The system view of a server on its own, with Vault's default times. A test sets its entities, times and policies.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use vault_core::{LeaseTerms, PasswordPolicies, SYSTEM_TTL};

use super::World;
use crate::records::{Entity, Group, IdentityToken, Replication};
use crate::{Error, Result, WrapInfo};

/// The parts of the system view that a test sets.
#[derive(Debug)]
pub(super) struct SystemView {
    default_lease_ttl: Duration,
    max_lease_ttl: Duration,
    /// The entities and their groups, by the entity's id.
    entities: BTreeMap<String, (Entity, Vec<Group>)>,
    passwords: PasswordPolicies,
    wrapped: u64,
}

impl Default for SystemView {
    fn default() -> Self {
        SystemView {
            default_lease_ttl: SYSTEM_TTL,
            max_lease_ttl: SYSTEM_TTL,
            entities: BTreeMap::new(),
            passwords: PasswordPolicies::default(),
            wrapped: 0,
        }
    }
}

impl World {
    pub(crate) fn set_entity(&self, entity: Entity, groups: Vec<Group>) {
        let entities = &mut self.system.borrow_mut().entities;
        entities.insert(entity.id.clone(), (entity, groups));
    }

    pub(crate) fn set_password_policy(&self, name: &str, length: usize, charset: &str) {
        self.system.borrow_mut().passwords.set(name, length, charset);
    }

    pub(crate) fn set_lease_times(&self, default: Duration, max: Duration) {
        let mut system = self.system.borrow_mut();
        (system.default_lease_ttl, system.max_lease_ttl) = (default, max);
    }

    /// Returns the times of the mount's leases.
    pub(crate) fn lease_terms(&self) -> LeaseTerms {
        let system = self.system.borrow();
        LeaseTerms {
            mount_ttl: system.default_lease_ttl,
            mount_max_ttl: system.max_lease_ttl,
            ..LeaseTerms::default()
        }
    }

    pub(crate) fn config(&self) -> Vec<(String, String)> {
        self.options.clone()
    }

    pub(crate) fn default_lease_ttl(&self) -> Result<Duration> {
        Ok(self.system.borrow().default_lease_ttl)
    }

    pub(crate) fn max_lease_ttl(&self) -> Result<Duration> {
        Ok(self.system.borrow().max_lease_ttl)
    }

    pub(crate) fn tainted(&self) -> Result<bool> {
        Ok(false)
    }

    pub(crate) fn caching_disabled(&self) -> Result<bool> {
        Ok(false)
    }

    pub(crate) fn local_mount(&self) -> Result<bool> {
        Ok(false)
    }

    pub(crate) fn replication_state(&self) -> Result<Replication> {
        Ok(Replication::default())
    }

    pub(crate) fn vault_version(&self) -> Result<String> {
        Ok("1.21.0".into())
    }

    pub(crate) fn cluster_id(&self) -> Result<String> {
        Ok("00000000-0000-0000-0000-000000000000".into())
    }

    pub(crate) fn entity_info(&self, entity_id: &str) -> Result<Option<Entity>> {
        let system = self.system.borrow();
        Ok(system.entities.get(entity_id).map(|(entity, _)| entity.clone()))
    }

    pub(crate) fn groups_for_entity(&self, entity_id: &str) -> Result<Vec<Group>> {
        let system = self.system.borrow();
        let groups = system.entities.get(entity_id).map(|(_, groups)| groups.clone());
        Ok(groups.unwrap_or_default())
    }

    pub(crate) fn generate_password(&self, policy: &str) -> Result<String> {
        let passwords = &mut self.system.borrow_mut().passwords;
        passwords.generate(policy).map_err(Error::internal)
    }

    pub(crate) fn identity_token(&self, _audience: &str, _ttl: Duration) -> Result<IdentityToken> {
        Err(Error::internal("this server does not offer it"))
    }

    pub(crate) fn wrap_data(&self, _data: &Value, ttl: Duration) -> Result<WrapInfo> {
        self.may_have_effects()?;
        let mut system = self.system.borrow_mut();
        system.wrapped += 1;
        Ok(WrapInfo {
            ttl,
            token: format!("hvs.wrapped-{}", system.wrapped),
            creation_time: Some(self.now()),
            ..WrapInfo::default()
        })
    }
}

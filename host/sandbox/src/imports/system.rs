//! `system`: Vault's `SystemView`.

use std::sync::Arc;

use airlock_storage::Error as Storage;

use super::SystemFailure;
use crate::bindings::airlock::engine::system::{Alias, Entity, Error, Group, Host, Replication};
use crate::mount::System;
use crate::run::instance::State;
use crate::run::stop::Stop;
use crate::types::{Json, Nanoseconds, WrapInfo, wrap_info_bytes};

type Answer<T> = Result<T, SystemFailure>;

impl State {
    /// Begins a call, which counts like a call of storage, because it is one to Vault. Too many calls or bytes end the
    /// request, because the contract has no error for them.
    async fn system(&mut self, import: &'static str, bytes: usize) -> wasmtime::Result<Arc<dyn System>> {
        self.enter(bytes).await?;
        self.account.call(bytes).map_err(Stop::from)?;
        Ok(self.session(import)?.mount.services.system.clone())
    }

    /// Charges what Vault answered.
    async fn answer<T>(&mut self, answer: Result<T, Error>, bytes: impl FnOnce(&T) -> usize) -> Answer<T> {
        let bytes = match &answer {
            Ok(answer) => bytes(answer),
            Err(Error::Busy(text) | Error::Failed(text)) => text.len(),
            Err(Error::Unsupported) => 0,
        };
        self.receive(bytes).await?;
        Ok(answer?)
    }
}

impl Host for State {
    async fn config(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        self.enter(0).await?;
        let config = self.session("system.config")?.mount.config.clone();
        self.receive(pairs(&config)).await?;
        Ok(config)
    }

    async fn default_lease_ttl(&mut self) -> Answer<Nanoseconds> {
        let system = self.system("system.default-lease-ttl", 0).await?;
        Ok(system.default_lease_ttl().await?)
    }

    async fn max_lease_ttl(&mut self) -> Answer<Nanoseconds> {
        let system = self.system("system.max-lease-ttl", 0).await?;
        Ok(system.max_lease_ttl().await?)
    }

    async fn tainted(&mut self) -> Answer<bool> {
        let system = self.system("system.tainted", 0).await?;
        Ok(system.tainted().await?)
    }

    async fn caching_disabled(&mut self) -> Answer<bool> {
        let system = self.system("system.caching-disabled", 0).await?;
        Ok(system.caching_disabled().await?)
    }

    async fn local_mount(&mut self) -> Answer<bool> {
        let system = self.system("system.local-mount", 0).await?;
        Ok(system.local_mount().await?)
    }

    async fn replication_state(&mut self) -> Answer<Replication> {
        let system = self.system("system.replication-state", 0).await?;
        Ok(system.replication_state().await?)
    }

    async fn vault_version(&mut self) -> Answer<String> {
        let system = self.system("system.vault-version", 0).await?;
        let version = system.vault_version().await;
        self.answer(version, String::len).await
    }

    async fn cluster_id(&mut self) -> Answer<String> {
        let system = self.system("system.cluster-id", 0).await?;
        let id = system.cluster_id().await;
        self.answer(id, String::len).await
    }

    async fn entity_info(&mut self, entity_id: String) -> Answer<Option<Entity>> {
        let system = self.system("system.entity-info", entity_id.len()).await?;
        let entity = system.entity_info(&entity_id).await;
        let entity = entity.map(|entity| entity.map(Entity::from));
        self.answer(entity, |entity| entity.as_ref().map_or(0, entity_bytes))
            .await
    }

    async fn groups_for_entity(&mut self, entity_id: String) -> Answer<Vec<Group>> {
        let system = self.system("system.groups-for-entity", entity_id.len()).await?;
        let groups = system.groups_for_entity(&entity_id).await;
        let groups = groups.map(|groups| groups.into_iter().map(Group::from).collect::<Vec<_>>());
        self.answer(groups, |groups| groups.iter().map(group_bytes).sum())
            .await
    }

    async fn generate_password(&mut self, policy: String) -> Answer<String> {
        let system = self.system("system.generate-password", policy.len()).await?;
        let password = system.generate_password(&policy).await;
        self.answer(password, String::len).await
    }

    async fn identity_token(&mut self, audience: String, ttl: Nanoseconds) -> Answer<(String, Nanoseconds)> {
        let system = self.system("system.identity-token", audience.len()).await?;
        let token = system.identity_token(&audience, ttl).await;
        self.answer(token, |(token, _)| token.len()).await
    }

    async fn wrap_data(&mut self, data: Json, ttl: Nanoseconds) -> Answer<WrapInfo> {
        let system = self.system("system.wrap-data", data.len()).await?;
        self.move_over().await;
        let session = self.session("system.wrap-data")?;
        session.transaction.lock_commits().await?;
        self.account.effect_begins();
        let info = system.wrap_data(data, ttl).await;
        self.answer(info, wrap_info_bytes).await
    }

    fn convert_error(&mut self, failure: SystemFailure) -> wasmtime::Result<Error> {
        failure.told()
    }
}

impl From<Error> for SystemFailure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// The guest gets an error of the commit lock. A conflict ends the attempt.
impl From<Storage> for SystemFailure {
    fn from(error: Storage) -> Self {
        Self::Refused(match error {
            Storage::Conflict => return Stop::Storage(error).into(),
            error if error.may_succeed_later() => Error::Busy(error.to_string()),
            error => Error::Failed(error.to_string()),
        })
    }
}

/// The contract has fewer fields than Vault.
impl From<airlock_logical::Entity> for Entity {
    fn from(entity: airlock_logical::Entity) -> Self {
        Self {
            id: entity.id,
            name: entity.name,
            aliases: entity.aliases.into_iter().map(Alias::from).collect(),
            metadata: entity.metadata.into_iter().collect(),
            disabled: entity.disabled,
        }
    }
}

impl From<airlock_logical::Alias> for Alias {
    fn from(alias: airlock_logical::Alias) -> Self {
        Self {
            id: alias.id,
            mount_type: alias.mount_type,
            mount_accessor: alias.mount_accessor,
            name: alias.name,
            metadata: alias.metadata.into_iter().collect(),
        }
    }
}

impl From<airlock_logical::Group> for Group {
    fn from(group: airlock_logical::Group) -> Self {
        Self {
            id: group.id,
            name: group.name,
            metadata: group.metadata.into_iter().collect(),
        }
    }
}

/// Returns the bytes of names and values, and of the structures that hold them.
fn pairs(pairs: &[(String, String)]) -> usize {
    let bytes = |(name, value): &(String, String)| name.len() + value.len() + size_of::<(String, String)>();
    pairs.iter().map(bytes).sum()
}

fn entity_bytes(entity: &Entity) -> usize {
    let aliases = entity.aliases.iter().map(|alias| {
        let text = [&alias.id, &alias.mount_type, &alias.mount_accessor, &alias.name];
        text.map(String::len).iter().sum::<usize>() + pairs(&alias.metadata) + size_of_val(alias)
    });
    entity.id.len() + entity.name.len() + pairs(&entity.metadata) + aliases.sum::<usize>()
}

fn group_bytes(group: &Group) -> usize {
    group.id.len() + group.name.len() + pairs(&group.metadata) + size_of_val(group)
}

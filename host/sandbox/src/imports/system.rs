//! `system`: Vault's `SystemView`.

use std::sync::Arc;

use airlock_storage::Error as Storage;

use crate::bindings::airlock::engine::system::{Entity, Error, Group, Host, Replication};
use crate::instance::{State, Stop};
use crate::mount::System;
use crate::types::{Json, Nanoseconds, WrapInfo};

type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl State {
    /// Each call is one to Vault, so it counts as a call of storage does. The contract has no error for too many.
    fn system(&mut self, import: &'static str) -> wasmtime::Result<Arc<dyn System>> {
        self.account.operation().map_err(Stop::from)?;
        Ok(self.session(import)?.mount.services.system.clone())
    }
}

impl Host for State {
    fn config(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.session("system.config")?.mount.config.clone())
    }

    async fn default_lease_ttl(&mut self) -> Answer<Nanoseconds> {
        Ok(self.system("system.default-lease-ttl")?.default_lease_ttl().await)
    }

    async fn max_lease_ttl(&mut self) -> Answer<Nanoseconds> {
        Ok(self.system("system.max-lease-ttl")?.max_lease_ttl().await)
    }

    async fn tainted(&mut self) -> Answer<bool> {
        Ok(self.system("system.tainted")?.tainted().await)
    }

    async fn caching_disabled(&mut self) -> Answer<bool> {
        Ok(self.system("system.caching-disabled")?.caching_disabled().await)
    }

    async fn local_mount(&mut self) -> Answer<bool> {
        Ok(self.system("system.local-mount")?.local_mount().await)
    }

    async fn replication_state(&mut self) -> Answer<Replication> {
        Ok(self.system("system.replication-state")?.replication_state().await)
    }

    async fn vault_version(&mut self) -> Answer<String> {
        Ok(self.system("system.vault-version")?.vault_version().await)
    }

    async fn cluster_id(&mut self) -> Answer<String> {
        Ok(self.system("system.cluster-id")?.cluster_id().await)
    }

    async fn entity_info(&mut self, entity_id: String) -> Answer<Option<Entity>> {
        Ok(self.system("system.entity-info")?.entity_info(&entity_id).await)
    }

    async fn groups_for_entity(&mut self, entity_id: String) -> Answer<Vec<Group>> {
        Ok(self
            .system("system.groups-for-entity")?
            .groups_for_entity(&entity_id)
            .await)
    }

    async fn generate_password(&mut self, policy: String) -> Answer<String> {
        Ok(self
            .system("system.generate-password")?
            .generate_password(&policy)
            .await)
    }

    async fn identity_token(&mut self, audience: String, ttl: Nanoseconds) -> Answer<(String, Nanoseconds)> {
        Ok(self
            .system("system.identity-token")?
            .identity_token(&audience, ttl)
            .await)
    }

    async fn wrap_data(&mut self, data: Json, ttl: Nanoseconds) -> Answer<WrapInfo> {
        let session = self.session("system.wrap-data")?;
        match session.transaction.take_turn().await {
            Ok(()) => {}
            Err(error @ Storage::Conflict) => return Err(Stop::from(error).into()),
            Err(error @ (Storage::Busy { .. } | Storage::Draining)) => {
                return Ok(Err(Error::Busy(error.to_string())));
            }
            Err(error) => return Ok(Err(Error::Failed(error.to_string()))),
        }
        Ok(self.system("system.wrap-data")?.wrap_data(data, ttl).await)
    }
}

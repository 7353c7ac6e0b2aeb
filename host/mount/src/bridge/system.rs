//! Vault's system view and event bus, as a guest sees them.

use std::time::Duration;

use airlock_logical::time::{duration, nanoseconds};
use airlock_sandbox::types::{Json, Nanoseconds, WrapInfo};
use airlock_sandbox::{Entity, Events, Group, Replication, System, SystemError};
use async_trait::async_trait;
use vault_plugin::{Event, ReplicationState, Report, ServerError, SystemView};

/// Longest time that the server may take to answer. The server waits for the mount meanwhile.
const ANSWER: Duration = Duration::from_secs(2);

/// Vault's `SystemView` of a mount.
pub struct VaultSystem(pub SystemView);

type Result<T> = std::result::Result<T, SystemError>;

impl VaultSystem {
    /// Returns true if another server writes what this one only reads. Servers say so even before they set their mounts
    /// up, and set the mounts up again when it changes.
    pub async fn is_standby(&self) -> bool {
        let state = tokio::time::timeout(ANSWER, self.0.replication_state()).await;
        matches!(state, Ok(Ok(state)) if state.contains(ReplicationState::PERFORMANCE_STANDBY))
    }
}

#[async_trait]
impl System for VaultSystem {
    async fn default_lease_ttl(&self) -> Result<Nanoseconds> {
        self.0.default_lease_ttl().await.map(nanoseconds).map_err(error)
    }

    async fn max_lease_ttl(&self) -> Result<Nanoseconds> {
        self.0.max_lease_ttl().await.map(nanoseconds).map_err(error)
    }

    async fn tainted(&self) -> Result<bool> {
        self.0.tainted().await.map_err(error)
    }

    async fn caching_disabled(&self) -> Result<bool> {
        self.0.caching_disabled().await.map_err(error)
    }

    async fn local_mount(&self) -> Result<bool> {
        self.0.local_mount().await.map_err(error)
    }

    async fn replication_state(&self) -> Result<Replication> {
        let state = self.0.replication_state().await.map_err(error)?;
        let part = |bit, flag| {
            if state.contains(bit) {
                flag
            } else {
                Replication::empty()
            }
        };
        Ok(part(
            ReplicationState::PERFORMANCE_PRIMARY,
            Replication::PERFORMANCE_PRIMARY,
        ) | part(
            ReplicationState::PERFORMANCE_SECONDARY,
            Replication::PERFORMANCE_SECONDARY,
        ) | part(
            ReplicationState::PERFORMANCE_STANDBY,
            Replication::PERFORMANCE_STANDBY,
        ) | part(
            ReplicationState::DISASTER_RECOVERY_PRIMARY,
            Replication::DISASTER_RECOVERY_PRIMARY,
        ) | part(
            ReplicationState::DISASTER_RECOVERY_SECONDARY,
            Replication::DISASTER_RECOVERY_SECONDARY,
        ))
    }

    async fn vault_version(&self) -> Result<String> {
        let environment = self.0.plugin_env().await.map_err(error)?;
        let mut version = environment.version;
        for (mark, part) in [('-', environment.prerelease), ('+', environment.metadata)] {
            if !part.is_empty() {
                version.push(mark);
                version.push_str(&part);
            }
        }
        Ok(version)
    }

    async fn cluster_id(&self) -> Result<String> {
        self.0.cluster_info().await.map(|info| info.id).map_err(error)
    }

    async fn entity_info(&self, entity_id: &str) -> Result<Option<Entity>> {
        self.0.entity_info(entity_id).await.map_err(error)
    }

    async fn groups_for_entity(&self, entity_id: &str) -> Result<Vec<Group>> {
        self.0.groups_for_entity(entity_id).await.map_err(error)
    }

    async fn generate_password(&self, policy: &str) -> Result<String> {
        self.0.generate_password_from_policy(policy).await.map_err(error)
    }

    async fn identity_token(&self, audience: &str, ttl: Nanoseconds) -> Result<(String, Nanoseconds)> {
        let token = self
            .0
            .generate_identity_token(audience, duration(ttl))
            .await
            .map_err(error)?;
        Ok((token.token, nanoseconds(token.ttl)))
    }

    async fn wrap_data(&self, data: Json, ttl: Nanoseconds) -> Result<WrapInfo> {
        self.0
            .response_wrap_data(data, duration(ttl))
            .await
            .map_err(error)
    }
}

fn error(error: ServerError) -> SystemError {
    match error {
        ServerError::Unsupported(_) => SystemError::Unsupported,
        other => SystemError::Failed(Report::new(&other).to_string()),
    }
}

/// Vault's event bus.
pub struct VaultEvents(pub vault_plugin::Events);

#[async_trait]
impl Events for VaultEvents {
    async fn send(&self, event_type: &str, metadata: &str) -> std::result::Result<(), String> {
        let event = Event {
            metadata: vault_plugin::Json::from_text(metadata),
            ..Event::default()
        };
        match self.0.send(event_type, event).await {
            // OpenBao has no event bus, so nobody can be waiting for the event.
            Ok(()) | Err(ServerError::Unsupported(_)) => Ok(()),
            Err(error) => Err(Report::new(&error).to_string()),
        }
    }
}

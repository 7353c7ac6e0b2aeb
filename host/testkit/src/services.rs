//! Substitutes for Vault: a system view, an event bus, a log, and randomness that repeats.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use airlock_logical::time::nanoseconds;
use airlock_logical::{Json, Nanoseconds, WrapInfo};
use airlock_sandbox::{
    Entity, Events, Group, Level, LogLine, LogSink, Random, Replication, System, SystemError,
};
use async_trait::async_trait;
use parking_lot::Mutex;
use vault_core::{PasswordPolicies, SYSTEM_TTL, SplitMix64};

use crate::Clock;

/// A system view whose answers the test sets.
///
/// Wrapped data gets a token that nobody can unwrap. Identity tokens are not offered.
#[derive(Debug, Clone)]
pub struct FakeSystem {
    /// The default lease TTL. Default: 768 h, like Vault's.
    pub default_lease_ttl: Duration,
    /// The maximum lease TTL. Default: 768 h, like Vault's.
    pub max_lease_ttl: Duration,
    /// The version of Vault. Default: `1.21.0`.
    pub vault_version: String,
    /// True if the mount is being taken down. Default: false.
    pub tainted: bool,
    /// The entities that `entity-info` finds. Default: none.
    pub entities: Vec<Entity>,
    /// The groups that every entity is in. Default: none.
    pub groups: Vec<Group>,
    /// Further groups, by the id of the entity that is in them. Default: none.
    pub groups_of: BTreeMap<String, Vec<Group>>,
    /// The password policies. Default: none.
    pub passwords: Shared<PasswordPolicies>,
    /// The clock that says when data was wrapped. [`MountBuilder::system_view`](crate::MountBuilder::system_view) sets
    /// it to the mount's.
    pub clock: Clock,
    /// The number of values that were wrapped.
    pub wrapped: Shared<u64>,
}

/// A value that the clones of its owner share.
pub type Shared<T> = Arc<Mutex<T>>;

impl Default for FakeSystem {
    fn default() -> Self {
        Self {
            default_lease_ttl: SYSTEM_TTL,
            max_lease_ttl: SYSTEM_TTL,
            vault_version: "1.21.0".into(),
            tainted: false,
            entities: Vec::new(),
            groups: Vec::new(),
            groups_of: BTreeMap::new(),
            passwords: Shared::default(),
            clock: Clock::default(),
            wrapped: Shared::default(),
        }
    }
}

#[async_trait]
impl System for FakeSystem {
    async fn default_lease_ttl(&self) -> Result<Nanoseconds, SystemError> {
        Ok(nanoseconds(self.default_lease_ttl))
    }
    async fn max_lease_ttl(&self) -> Result<Nanoseconds, SystemError> {
        Ok(nanoseconds(self.max_lease_ttl))
    }
    async fn tainted(&self) -> Result<bool, SystemError> {
        Ok(self.tainted)
    }
    async fn caching_disabled(&self) -> Result<bool, SystemError> {
        Ok(false)
    }
    async fn local_mount(&self) -> Result<bool, SystemError> {
        Ok(false)
    }
    async fn replication_state(&self) -> Result<Replication, SystemError> {
        Ok(Replication::empty())
    }
    async fn vault_version(&self) -> Result<String, SystemError> {
        Ok(self.vault_version.clone())
    }
    async fn cluster_id(&self) -> Result<String, SystemError> {
        Ok("00000000-0000-0000-0000-000000000000".into())
    }
    async fn entity_info(&self, entity_id: &str) -> Result<Option<Entity>, SystemError> {
        Ok(self
            .entities
            .iter()
            .find(|entity| entity.id == entity_id)
            .cloned())
    }
    async fn groups_for_entity(&self, entity_id: &str) -> Result<Vec<Group>, SystemError> {
        let own = self.groups_of.get(entity_id).into_iter().flatten();
        Ok(self.groups.iter().chain(own).cloned().collect())
    }
    async fn generate_password(&self, policy: &str) -> Result<String, SystemError> {
        let mut passwords = self.passwords.lock();
        passwords
            .generate(policy)
            .map_err(|why| SystemError::Failed(why.into()))
    }
    async fn wrap_data(&self, _: Json, ttl: Nanoseconds) -> Result<WrapInfo, SystemError> {
        let mut wrapped = self.wrapped.lock();
        *wrapped += 1;
        Ok(WrapInfo {
            ttl,
            token: format!("hvs.wrapped-{wrapped}"),
            creation_time: Some(self.clock.now().into()),
            ..WrapInfo::default()
        })
    }
}

/// One line that a guest logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedLine {
    /// The level of the line.
    pub level: Level,
    /// The message.
    pub message: String,
    /// The names and values of its fields.
    pub fields: Vec<(String, String)>,
}

/// One event that a guest sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// The type, such as `kv-v2/data-write`.
    pub event_type: String,
    /// The metadata, a JSON object.
    pub metadata: String,
}

/// A recorder of the lines that a guest logged and the events that it sent. Clones share the recording.
#[derive(Debug, Clone, Default)]
pub struct Recorder(Arc<Mutex<(Vec<RecordedLine>, Vec<RecordedEvent>)>>);

impl Recorder {
    /// Returns the lines, oldest first.
    pub fn lines(&self) -> Vec<RecordedLine> {
        self.0.lock().0.clone()
    }

    /// Returns the events, oldest first.
    pub fn events(&self) -> Vec<RecordedEvent> {
        self.0.lock().1.clone()
    }
}

impl LogSink for Recorder {
    fn log(&self, line: LogLine<'_>) {
        let line = RecordedLine {
            level: line.level,
            message: line.message.to_owned(),
            fields: line.fields.to_vec(),
        };
        self.0.lock().0.push(line);
    }
}

#[async_trait]
impl Events for Recorder {
    async fn send(&self, event_type: &str, metadata: &str) -> Result<(), String> {
        let event = RecordedEvent {
            event_type: event_type.to_owned(),
            metadata: metadata.to_owned(),
        };
        self.0.lock().1.push(event);
        Ok(())
    }
}

/// A source of bytes that are the same in every run: the generator SplitMix64. Use it only in tests.
#[derive(Debug)]
pub struct Seeded(Mutex<SplitMix64>);

impl Seeded {
    /// Makes a source with this seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(SplitMix64(seed)))
    }
}

impl Random for Seeded {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), String> {
        let mut random = self.0.lock();
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&random.next_number().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_bytes_and_another_seed_others() {
        let draw = |seed| {
            let mut bytes = [0; 13];
            Seeded::new(seed).fill(&mut bytes).unwrap();
            bytes
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}

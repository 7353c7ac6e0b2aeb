//! Calls the imports of the contract. Only those that an engine uses end up in its guest.

use std::time::Duration;

use serde_json::Value;

use crate::bindings::airlock::engine::{clock, events, log, random, scratch, storage, system};
use crate::convert::{duration, nanoseconds};
use crate::records::{Alias, Entity, Entry, Group, IdentityToken, Level, Replication};
use crate::{Error, Result, Timestamp, WrapInfo, codec};

/// The host of a guest.
#[derive(Clone, Debug)]
pub(crate) struct Host;

impl Host {
    pub(crate) fn storage_get(&self, key: &str) -> Result<Option<Entry>> {
        let entry = storage::get(key)?;
        Ok(entry.map(|entry| Entry {
            key: entry.key,
            value: entry.value,
            seal_wrap: entry.seal_wrap,
        }))
    }

    pub(crate) fn storage_exists(&self, key: &str) -> Result<bool> {
        Ok(storage::exists(key)?)
    }

    pub(crate) fn storage_put(&self, entry: Entry) -> Result<()> {
        let entry = storage::Entry {
            key: entry.key,
            value: entry.value,
            seal_wrap: entry.seal_wrap,
        };
        Ok(storage::put(&entry)?)
    }

    pub(crate) fn storage_delete(&self, key: &str) -> Result<()> {
        Ok(storage::delete(key)?)
    }

    pub(crate) fn storage_list(&self, prefix: &str) -> Result<Vec<String>> {
        Ok(storage::list(prefix)?)
    }

    pub(crate) fn storage_list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>> {
        Ok(storage::list_page(prefix, after, limit)?)
    }

    pub(crate) fn storage_commit(&self) -> Result<()> {
        Ok(storage::commit()?)
    }

    pub(crate) fn scratch_get(&self, key: &str) -> Option<Vec<u8>> {
        scratch::get(key)
    }

    pub(crate) fn scratch_put(&self, key: &str, value: &[u8]) -> Result<(), String> {
        scratch::put(key, value)
    }

    pub(crate) fn scratch_put_for(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), String> {
        scratch::put_for(key, value, nanoseconds(ttl))
    }

    pub(crate) fn scratch_list(&self, prefix: &str) -> Vec<String> {
        scratch::list(prefix)
    }

    pub(crate) fn scratch_delete(&self, key: &str) {
        scratch::delete(key);
    }

    pub(crate) fn send_event(&self, event_type: &str, metadata: &str) -> Result<(), String> {
        events::send(event_type, metadata)
    }

    pub(crate) fn log(&self, level: Level, message: &str, fields: &[(String, String)]) {
        let level = match level {
            Level::Trace => log::Level::Trace,
            Level::Debug => log::Level::Debug,
            Level::Info => log::Level::Info,
            Level::Warn => log::Level::Warn,
            Level::Error => log::Level::Error,
        };
        log::log(level, message, fields);
    }

    pub(crate) fn now(&self) -> Timestamp {
        clock::now().into()
    }

    pub(crate) fn random(&self, length: u32) -> Vec<u8> {
        random::bytes(length)
    }
}

impl Host {
    pub(crate) fn config(&self) -> Vec<(String, String)> {
        system::config()
    }

    pub(crate) fn default_lease_ttl(&self) -> Result<Duration> {
        Ok(duration(system::default_lease_ttl()?))
    }

    pub(crate) fn max_lease_ttl(&self) -> Result<Duration> {
        Ok(duration(system::max_lease_ttl()?))
    }

    pub(crate) fn tainted(&self) -> Result<bool> {
        Ok(system::tainted()?)
    }

    pub(crate) fn caching_disabled(&self) -> Result<bool> {
        Ok(system::caching_disabled()?)
    }

    pub(crate) fn local_mount(&self) -> Result<bool> {
        Ok(system::local_mount()?)
    }

    pub(crate) fn replication_state(&self) -> Result<Replication> {
        let state = system::replication_state()?;
        let has = |flag| state & flag == flag;
        Ok(Replication {
            performance_primary: has(system::Replication::PERFORMANCE_PRIMARY),
            performance_secondary: has(system::Replication::PERFORMANCE_SECONDARY),
            performance_standby: has(system::Replication::PERFORMANCE_STANDBY),
            disaster_recovery_primary: has(system::Replication::DISASTER_RECOVERY_PRIMARY),
            disaster_recovery_secondary: has(system::Replication::DISASTER_RECOVERY_SECONDARY),
        })
    }

    pub(crate) fn vault_version(&self) -> Result<String> {
        Ok(system::vault_version()?)
    }

    pub(crate) fn cluster_id(&self) -> Result<String> {
        Ok(system::cluster_id()?)
    }

    pub(crate) fn entity_info(&self, entity_id: &str) -> Result<Option<Entity>> {
        let alias = |alias: system::Alias| Alias {
            id: alias.id,
            mount_type: alias.mount_type,
            mount_accessor: alias.mount_accessor,
            name: alias.name,
            metadata: alias.metadata.into_iter().collect(),
        };
        Ok(system::entity_info(entity_id)?.map(|entity| Entity {
            id: entity.id,
            name: entity.name,
            aliases: entity.aliases.into_iter().map(alias).collect(),
            metadata: entity.metadata.into_iter().collect(),
            disabled: entity.disabled,
        }))
    }

    pub(crate) fn groups_for_entity(&self, entity_id: &str) -> Result<Vec<Group>> {
        let group = |group: system::Group| Group {
            id: group.id,
            name: group.name,
            metadata: group.metadata.into_iter().collect(),
        };
        Ok(system::groups_for_entity(entity_id)?
            .into_iter()
            .map(group)
            .collect())
    }

    pub(crate) fn generate_password(&self, policy: &str) -> Result<String> {
        Ok(system::generate_password(policy)?)
    }

    pub(crate) fn identity_token(&self, audience: &str, ttl: Duration) -> Result<IdentityToken> {
        let (token, ttl) = system::identity_token(audience, nanoseconds(ttl))?;
        Ok(IdentityToken {
            token,
            ttl: duration(ttl),
        })
    }

    pub(crate) fn wrap_data(&self, data: &Value, ttl: Duration) -> Result<WrapInfo> {
        Ok(system::wrap_data(&codec::text(data), nanoseconds(ttl))?.into())
    }
}

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Error {
        match error {
            storage::Error::ReadOnly => Error::ReadOnly,
            storage::Error::Invalid(cause) => Error::User(cause),
            storage::Error::Busy(cause) => Error::coded(503, cause),
            storage::Error::Denied(cause) | storage::Error::Limit(cause) | storage::Error::Failed(cause) => {
                Error::Internal(cause)
            }
        }
    }
}

impl From<system::Error> for Error {
    fn from(error: system::Error) -> Error {
        match error {
            system::Error::Unsupported => Error::internal("this server does not offer it"),
            system::Error::Busy(cause) => Error::coded(503, cause),
            system::Error::Failed(cause) => Error::Internal(cause),
        }
    }
}

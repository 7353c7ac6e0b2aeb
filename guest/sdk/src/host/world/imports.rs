//! Answers the calls of an engine.

use std::time::Duration;

use serde_json::{Map, Value};
use vault_core::LeaseTerms;

use super::{Fault, LogLine, World, is_no_path};
use crate::records::{Entity, Entry, Group, IdentityToken, Level, Replication};
use crate::{Error, Result, Timestamp, WrapInfo};

/// The most bytes of an event's type and metadata, as in the host.
const LONGEST_EVENT: usize = 64 << 10;

impl World {
    pub(crate) fn storage_get(&self, key: &str) -> Result<Option<Entry>> {
        self.allow(key)?;
        self.meet(|fault| match fault {
            Fault::Gets(left) => Some((left, Fault::Gets)),
            _ => None,
        })?;
        let written = self.written.borrow().get(key).cloned();
        Ok(written.unwrap_or_else(|| self.stored.borrow().get(key).cloned()))
    }

    pub(crate) fn storage_put(&self, entry: Entry) -> Result<()> {
        self.meet(|fault| match fault {
            Fault::Puts(left) => Some((left, Fault::Puts)),
            _ => None,
        })?;
        self.write(entry.key.clone(), Some(entry))
    }

    pub(crate) fn storage_delete(&self, key: &str) -> Result<()> {
        self.meet(|fault| match fault {
            Fault::Deletes(left) => Some((left, Fault::Deletes)),
            _ => None,
        })?;
        self.write(key.into(), None)
    }

    pub(crate) fn storage_list(&self, prefix: &str) -> Result<Vec<String>> {
        self.meet(|fault| match fault {
            Fault::Lists(left) => Some((left, Fault::Lists)),
            _ => None,
        })?;
        if !prefix.is_empty() && !prefix.ends_with('/') || is_no_path(prefix) {
            return Err(Error::user("not a storage folder: it is empty or ends in `/`"));
        }
        let (stored, written) = (self.stored.borrow(), self.written.borrow());
        let kept = stored.keys().filter(|key| !written.contains_key(*key));
        let new = written
            .iter()
            .filter(|(_, entry)| entry.is_some())
            .map(|(key, _)| key);
        let below = kept.chain(new).filter_map(|key| key.strip_prefix(prefix));
        let mut names: Vec<String> = below
            .map(|name| match name.split_once('/') {
                Some((folder, _)) => format!("{folder}/"),
                None => name.into(),
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    pub(crate) fn storage_list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>> {
        let names = self
            .storage_list(prefix)?
            .into_iter()
            .filter(|name| name.as_str() > after);
        Ok(names.take(limit as usize).collect())
    }

    pub(crate) fn storage_commit(&self) -> Result<()> {
        self.commits.set(self.commits.get() + 1);
        self.flush()?;
        self.save();
        Ok(())
    }

    pub(crate) fn scratch_get(&self, key: &str) -> Option<Vec<u8>> {
        self.scratch.borrow().get(key).cloned()
    }

    pub(crate) fn scratch_put(&self, key: &str, value: &[u8]) -> Result<(), String> {
        let mut scratch = self.scratch.borrow_mut();
        let others = scratch
            .iter()
            .filter(|(name, _)| *name != key)
            .map(|(name, value)| name.len() + value.len());
        if others.sum::<usize>() + key.len() + value.len() > self.scratch_bytes as usize {
            return Err("the description's `scratch_bytes` are used up".into());
        }
        scratch.insert(key.into(), value.into());
        Ok(())
    }

    pub(crate) fn scratch_delete(&self, key: &str) {
        self.scratch.borrow_mut().remove(key);
    }

    pub(crate) fn send_event(&self, event_type: &str, metadata: &str) -> Result<(), String> {
        if event_type.len() + metadata.len() > LONGEST_EVENT {
            return Err(format!("an event takes more than {} KiB", LONGEST_EVENT >> 10));
        }
        let metadata: Map<String, Value> =
            serde_json::from_str(metadata).map_err(|error| error.to_string())?;
        self.events
            .borrow_mut()
            .push((event_type.into(), Value::Object(metadata)));
        Ok(())
    }

    pub(crate) fn log(&self, level: Level, message: &str, fields: &[(String, String)]) {
        self.logs.borrow_mut().push(LogLine {
            level,
            message: message.into(),
            fields: fields.to_vec(),
        });
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now.get()
    }

    /// Returns the bytes of SplitMix64, the same in each test. Fit for tests only.
    pub(crate) fn random(&self, length: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length as usize + 8);
        while bytes.len() < length as usize {
            let seed = self.seed.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
            self.seed.set(seed);
            let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.extend((mixed ^ (mixed >> 31)).to_le_bytes());
        }
        bytes.truncate(length as usize);
        bytes
    }
}

/// The system view of a server on its own, with Vault's default times.
impl World {
    /// Returns the times of the mount's leases.
    pub(crate) fn lease_terms(&self) -> LeaseTerms {
        LeaseTerms::default()
    }

    pub(crate) fn config(&self) -> Vec<(String, String)> {
        self.options.clone()
    }

    pub(crate) fn default_lease_ttl(&self) -> Result<Duration> {
        Ok(vault_core::SYSTEM_TTL)
    }

    pub(crate) fn max_lease_ttl(&self) -> Result<Duration> {
        Ok(vault_core::SYSTEM_TTL)
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
        Ok("test".into())
    }

    pub(crate) fn entity_info(&self, _entity_id: &str) -> Result<Option<Entity>> {
        Ok(None)
    }

    pub(crate) fn groups_for_entity(&self, _entity_id: &str) -> Result<Vec<Group>> {
        Ok(Vec::new())
    }

    pub(crate) fn generate_password(&self, _policy: &str) -> Result<String> {
        let letters = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        Ok(self
            .random(20)
            .iter()
            .map(|byte| char::from(letters[usize::from(*byte) % letters.len()]))
            .collect())
    }

    pub(crate) fn identity_token(&self, _audience: &str, _ttl: Duration) -> Result<IdentityToken> {
        Err(Error::internal("identity tokens are not offered in tests"))
    }

    pub(crate) fn wrap_data(&self, _data: &Value, ttl: Duration) -> Result<WrapInfo> {
        Ok(WrapInfo {
            ttl,
            token: "hvs.test".into(),
            creation_time: Some(self.now()),
            ..WrapInfo::default()
        })
    }
}

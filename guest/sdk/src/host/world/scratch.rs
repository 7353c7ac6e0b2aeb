//! Keeps the values of scratch, as the host does.

use std::collections::BTreeMap;
use std::time::Duration;

use super::World;
use super::key::MAX_KEY_BYTES;
use crate::Timestamp;

/// The values, each with the time from which on it is gone.
pub(super) type Scratch = BTreeMap<String, (Vec<u8>, Option<Timestamp>)>;

impl World {
    pub(crate) fn scratch_get(&self, key: &str) -> Option<Vec<u8>> {
        let scratch = self.scratch.borrow();
        let (value, until) = scratch.get(key)?;
        self.lives(*until).then(|| value.clone())
    }

    pub(crate) fn scratch_put(&self, key: &str, value: &[u8]) -> Result<(), String> {
        self.scratch_set(key, value, None)
    }

    pub(crate) fn scratch_put_for(&self, key: &str, value: &[u8], ttl: Duration) -> Result<(), String> {
        if ttl.is_zero() {
            return Err("a time to live must be longer than zero".into());
        }
        self.scratch_set(key, value, Some(self.now.get() + ttl))
    }

    fn scratch_set(&self, key: &str, value: &[u8], until: Option<Timestamp>) -> Result<(), String> {
        if key.len() > MAX_KEY_BYTES {
            return Err("not a storage key: a key has at most 32,768 bytes".into());
        }
        let mut scratch = self.scratch.borrow_mut();
        scratch.retain(|_, (_, until)| self.lives(*until));
        let others = scratch
            .iter()
            .filter(|(name, _)| *name != key)
            .map(|(name, (value, _))| name.len() + value.len());
        if others.sum::<usize>() + key.len() + value.len() > self.scratch_bytes as usize {
            return Err(format!(
                "scratch is full: this mount may keep {} bytes (`description.scratch-bytes`)",
                self.scratch_bytes
            ));
        }
        scratch.insert(key.into(), (value.into(), until));
        Ok(())
    }

    pub(crate) fn scratch_list(&self, prefix: &str) -> Vec<String> {
        let scratch = self.scratch.borrow();
        let live = scratch.iter().filter(|(_, (_, until))| self.lives(*until));
        let keys = live.map(|(key, _)| key.clone());
        keys.filter(|key| key.starts_with(prefix)).collect()
    }

    pub(crate) fn scratch_delete(&self, key: &str) {
        self.scratch.borrow_mut().remove(key);
    }

    fn lives(&self, until: Option<Timestamp>) -> bool {
        until.is_none_or(|until| self.now.get() < until)
    }
}

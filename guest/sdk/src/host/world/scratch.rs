//! Keeps the values of scratch, as the host does.

use std::collections::BTreeMap;
use std::time::Duration;

use super::World;
use super::key::check_length;
use super::stop::stop;
use crate::{Error, Timestamp};

/// The bytes that an entry takes besides its key and its value, as in the host.
const ENTRY_OVERHEAD: usize = 200;

/// The values, each with the time from which on it is gone.
pub(super) type Scratch = BTreeMap<String, (Vec<u8>, Option<Timestamp>)>;

impl World {
    pub(crate) fn scratch_get(&self, key: &str) -> Option<Vec<u8>> {
        need_length(key);
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
        check_length(key).map_err(|error| error.to_string())?;
        let mut scratch = self.scratch.borrow_mut();
        scratch.retain(|_, (_, until)| self.lives(*until));
        let others = scratch
            .iter()
            .filter(|(name, _)| *name != key)
            .map(|(name, (value, _))| cost(name, value));
        if others.sum::<usize>() + cost(key, value) > self.scratch_bytes as usize {
            return Err(format!(
                "scratch is full: this mount may keep {} bytes (`description.scratch-bytes`)",
                self.scratch_bytes
            ));
        }
        scratch.insert(key.into(), (value.into(), until));
        Ok(())
    }

    pub(crate) fn scratch_list(&self, prefix: &str) -> Vec<String> {
        need_length(prefix);
        let scratch = self.scratch.borrow();
        let live = scratch.iter().filter(|(_, (_, until))| self.lives(*until));
        let keys = live.map(|(key, _)| key.clone());
        keys.filter(|key| key.starts_with(prefix)).collect()
    }

    pub(crate) fn scratch_delete(&self, key: &str) {
        need_length(key);
        self.scratch.borrow_mut().remove(key);
    }

    fn lives(&self, until: Option<Timestamp>) -> bool {
        until.is_none_or(|until| self.now.get() < until)
    }
}

fn cost(key: &str, value: &[u8]) -> usize {
    key.len() + value.len() + ENTRY_OVERHEAD
}

/// Ends the request if the key is too long, because the call has no error to return.
fn need_length(key: &str) {
    if let Err(error) = check_length(key) {
        stop(Error::coded(400, error.to_string()));
    }
}

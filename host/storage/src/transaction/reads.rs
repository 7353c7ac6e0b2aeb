//! The reads of a transaction.

use crate::conflict::counters::{ByPlace, Place, Sample};
use crate::{Error, Result, StorageEntry};
use std::collections::HashMap;

/// The bytes of entries, keys included, that a transaction keeps so that it does not read them twice.
const REMEMBERED: usize = 256 << 10;
/// The bytes of keys, entries included, for which it remembers whether they exist. Without that knowledge the worst
/// result is a conflict with a list.
const KNOWN: usize = 1 << 20;
/// The approximate cost of a key or a sample in a map beside its own bytes.
const OVERHEAD: usize = 100;

#[derive(Default, Clone)]
pub(crate) struct Reads {
    samples: ByPlace<Sample>,
    keys: HashMap<String, Read>,
    /// The bytes of `keys`, overhead included.
    known: usize,
}

#[derive(Clone)]
struct Read {
    exists: bool,
    /// `None`: too large to be remembered, or only its existence was asked for.
    entry: Option<Option<StorageEntry>>,
    /// True if the key's existence was asked for.
    asked: bool,
}

impl Reads {
    /// Remembers when something was read. Fails with a conflict if it has been written since it was first read.
    pub(crate) fn sampled(&mut self, sample: Sample) -> Result<()> {
        let first = *self.samples.entry(sample.place).or_insert(sample);
        if first.is_outdated_by(sample) {
            Err(Error::Conflict)
        } else {
            Ok(())
        }
    }

    /// Remembers what was read, as far as there is space.
    pub(crate) fn found(&mut self, key: &str, entry: &Option<StorageEntry>) {
        let (own, asked) = match self.keys.get(key) {
            None => (key.len() + OVERHEAD, false),
            Some(read) if read.asked && read.entry.is_none() => (0, true),
            // A key is read again if its entry was not remembered.
            Some(_) => return,
        };
        let known = self.known + own;
        let remembered = known + entry.as_ref().map_or(0, |entry| key.len() + entry.value.len());
        let remember = remembered <= REMEMBERED;
        let bytes = if remember { remembered } else { known };
        let read = Read {
            exists: entry.is_some(),
            entry: remember.then(|| entry.clone()),
            asked,
        };
        self.keep(key, read, bytes);
    }

    /// Remembers whether a key exists, as far as there is space.
    pub(crate) fn asked(&mut self, key: &str, exists: bool) {
        let read = Read {
            exists,
            entry: None,
            asked: true,
        };
        self.keep(key, read, self.known + key.len() + OVERHEAD);
    }

    /// Keeps what was read of a key, if not more than `bytes` are then kept.
    fn keep(&mut self, key: &str, read: Read, bytes: usize) {
        if bytes <= KNOWN {
            self.known = bytes;
            self.keys.insert(key.to_owned(), read);
        }
    }

    /// Returns what an earlier read of this transaction found.
    pub(crate) fn get(&self, key: &str) -> Option<Option<StorageEntry>> {
        self.keys.get(key)?.entry.clone()
    }

    /// Returns true if the key existed, or `None` if that was not read.
    pub(crate) fn existed(&self, key: &str) -> Option<bool> {
        self.keys.get(key).map(|read| read.exists)
    }

    /// Returns true if the key existed, or `None` if that was not read. Notes that its existence was asked for.
    pub(crate) fn ask(&mut self, key: &str) -> Option<bool> {
        let read = self.keys.get_mut(key)?;
        read.asked = true;
        Some(read.exists)
    }

    /// Returns true if this key's existence was asked for.
    pub(crate) fn was_asked(&self, key: &str) -> bool {
        self.keys.get(key).is_some_and(|read| read.asked)
    }

    /// Returns the clock when a place was first read.
    pub(crate) fn since(&self, place: Place) -> Option<u64> {
        self.samples.get(&place).map(|sample| sample.at)
    }

    pub(crate) fn samples(&self) -> impl Iterator<Item = Sample> {
        self.samples.values().copied()
    }

    /// Returns the bytes of everything that is kept here.
    pub(crate) fn bytes(&self) -> usize {
        self.known + self.samples.len() * OVERHEAD
    }

    #[cfg(test)]
    pub(crate) fn keys_held(&self) -> usize {
        self.keys.keys().map(String::len).sum()
    }
}

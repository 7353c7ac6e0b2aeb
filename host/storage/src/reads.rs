//! What a transaction has read.

use crate::counters::{Place, Sample};
use crate::{Entry, Error, Result};
use std::collections::HashMap;

/// Bytes of values that a transaction keeps so as not to read them twice.
const REMEMBERED: usize = 256 << 10;

#[derive(Default)]
pub(crate) struct Reads {
    samples: HashMap<Place, u64>,
    keys: HashMap<String, Read>,
    remembered: usize,
}

struct Read {
    exists: bool,
    /// None: too large to be remembered.
    entry: Option<Option<Entry>>,
}

impl Reads {
    /// Remembers when something was read. A conflict, if it has moved since it was first read.
    pub(crate) fn sampled(&mut self, sample: Sample) -> Result<()> {
        let first = *self.samples.entry(sample.place).or_insert(sample.version);
        if first == sample.version {
            Ok(())
        } else {
            Err(Error::Conflict)
        }
    }

    /// Remembers what was read.
    pub(crate) fn found(&mut self, key: &str, entry: &Option<Entry>) {
        let bytes = key.len() + entry.as_ref().map_or(0, |entry| entry.value.len());
        let remember = self.remembered + bytes <= REMEMBERED;
        if remember {
            self.remembered += bytes;
        }
        let read = Read {
            exists: entry.is_some(),
            entry: remember.then(|| entry.clone()),
        };
        self.keys.insert(key.to_owned(), read);
    }

    /// What an earlier read of this transaction found.
    pub(crate) fn get(&self, key: &str) -> Option<Option<Entry>> {
        self.keys.get(key)?.entry.clone()
    }

    /// Whether there was such a key, if that was read.
    pub(crate) fn existed(&self, key: &str) -> Option<bool> {
        self.keys.get(key).map(|read| read.exists)
    }

    pub(crate) fn samples(&self) -> impl Iterator<Item = Sample> {
        self.samples.iter().map(|(place, version)| Sample {
            place: *place,
            version: *version,
        })
    }

    /// Bytes of what is remembered.
    pub(crate) fn bytes(&self) -> usize {
        self.remembered
    }
}

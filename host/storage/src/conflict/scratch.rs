//! A few volatile bytes of a mount that outlive a request.

use bytes::Bytes;
use std::collections::HashMap;
use zeroize::Zeroizing;

#[derive(Default)]
pub(crate) struct Scratch {
    values: HashMap<String, Bytes>,
    bytes: usize,
    limit: usize,
}

impl Scratch {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<Bytes> {
        self.values.get(key).cloned()
    }

    /// Applies a transaction's changes. If that makes scratch overflow, empties it and returns its former contents.
    #[must_use]
    pub(crate) fn apply(&mut self, writes: &ScratchWrites) -> Option<Self> {
        for (key, value) in &writes.0 {
            self.set(key, value.as_ref());
        }
        // Concurrent requests may each have had enough space alone and not together. Scratch may vanish at any time, so
        // all of it goes.
        (self.bytes > self.limit).then(|| std::mem::replace(self, Self::new(self.limit)))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    fn set(&mut self, key: &str, value: Option<&Bytes>) {
        if let Some(old) = self.values.remove(key) {
            self.bytes -= key.len() + old.len();
        }
        if let Some(value) = value {
            self.bytes += key.len() + value.len();
            let wiped_when_freed = Bytes::from_owner(Zeroizing::new(value.to_vec()));
            self.values.insert(key.to_owned(), wiped_when_freed);
        }
    }

    /// Returns the bytes that would be in use after these writes.
    pub(crate) fn bytes_after(&self, writes: &ScratchWrites) -> usize {
        writes.0.iter().fold(self.bytes, |bytes, (key, value)| {
            let cost = |value: &Bytes| key.len() + value.len();
            bytes - self.values.get(key).map_or(0, cost) + value.as_ref().map_or(0, cost)
        })
    }
}

/// A transaction's changes to scratch, buffered until it commits.
#[derive(Clone, Default)]
pub(crate) struct ScratchWrites(HashMap<String, Option<Bytes>>);

impl ScratchWrites {
    /// Returns what the transaction itself wrote under a key: a value, a deletion, or nothing.
    pub(crate) fn get(&self, key: &str) -> Option<Option<Bytes>> {
        self.0.get(key).cloned()
    }

    /// Sets what the transaction wrote under a key, or forgets it if `value` is `None`. Returns what it had written
    /// before.
    pub(crate) fn set(&mut self, key: &str, value: Option<Option<Bytes>>) -> Option<Option<Bytes>> {
        match value {
            Some(value) => self.0.insert(key.to_owned(), value),
            None => self.0.remove(key),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

//! A few volatile bytes of a mount that outlive a request.
//!
//! A value may have a time to live. An expired one is as good as gone: nobody finds it, and it takes no space. Keys are shared,
//! so that a list copies none of them under the ledger's lock.

use crate::conflict::ENTRY_OVERHEAD;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::SystemTime;
use zeroize::Zeroizing;

/// A value, with the time from which on it is gone.
#[derive(Clone)]
pub(crate) struct Value {
    pub(crate) bytes: Bytes,
    pub(crate) until: Option<SystemTime>,
}

impl Value {
    fn lives(&self, now: SystemTime) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Returns the bytes, unless they have expired.
    pub(crate) fn at(&self, now: SystemTime) -> Option<&Bytes> {
        self.lives(now).then_some(&self.bytes)
    }
}

#[derive(Default)]
pub(crate) struct Scratch {
    values: BTreeMap<Arc<str>, Value>,
    /// The keys of values that expire, by the time when they do.
    expiring: BTreeSet<(SystemTime, Arc<str>)>,
    /// The bytes that all entries take, see [`cost`].
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

    pub(crate) fn get(&self, key: &str, now: SystemTime) -> Option<Bytes> {
        self.values.get(key).and_then(|value| value.at(now)).cloned()
    }

    /// Returns the keys with this prefix.
    pub(crate) fn list(&self, prefix: &str, now: SystemTime) -> BTreeSet<Arc<str>> {
        let from = self
            .values
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        let below = from.take_while(|(key, _)| key.starts_with(prefix));
        let live = below.filter(|(_, value)| value.lives(now));
        live.map(|(key, _)| key.clone()).collect()
    }

    /// Applies a transaction's changes. If that makes scratch overflow, empties it and returns its former contents.
    #[must_use]
    pub(crate) fn apply(&mut self, writes: &ScratchWrites) -> Option<Self> {
        self.drop_expired(writes.now);
        for (key, value) in &writes.values {
            self.set(key, value.as_ref());
        }
        // Concurrent requests may each have had enough space alone and not together. Scratch may vanish at any time, so
        // all of it goes.
        (self.bytes > self.limit).then(|| std::mem::replace(self, Self::new(self.limit)))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(|key| &**key)
    }

    /// Frees the space of expired values. Requests that found them before need not run again: they read the clock earlier.
    fn drop_expired(&mut self, now: SystemTime) {
        while self.expiring.first().is_some_and(|(until, _)| *until <= now) {
            if let Some((_, key)) = self.expiring.pop_first() {
                self.set(&key, None);
            }
        }
    }

    fn set(&mut self, key: &str, value: Option<&Value>) {
        if let Some((key, old)) = self.values.remove_entry(key) {
            self.bytes -= cost(&key, &old);
            if let Some(until) = old.until {
                self.expiring.remove(&(until, key));
            }
        }
        if let Some(value @ Value { bytes, until }) = value {
            self.bytes += cost(key, value);
            let key: Arc<str> = key.into();
            let wiped_when_freed = Bytes::from_owner(Zeroizing::new(bytes.to_vec()));
            let value = Value {
                bytes: wiped_when_freed,
                until: *until,
            };
            self.expiring.extend(until.map(|until| (until, key.clone())));
            self.values.insert(key, value);
        }
    }

    /// Returns the bytes that would be in use after these writes.
    pub(crate) fn bytes_after(&mut self, writes: &ScratchWrites) -> usize {
        self.drop_expired(writes.now);
        writes.values.iter().fold(self.bytes, |bytes, (key, value)| {
            let cost = |value: &Value| cost(key, value);
            bytes - self.values.get(key.as_str()).map_or(0, cost) + value.as_ref().map_or(0, cost)
        })
    }
}

/// Returns the bytes that an entry takes.
fn cost(key: &str, value: &Value) -> usize {
    key.len() + value.bytes.len() + ENTRY_OVERHEAD
}

/// A transaction's changes to scratch, buffered until it commits.
#[derive(Clone)]
pub(crate) struct ScratchWrites {
    values: HashMap<String, Option<Value>>,
    /// The time of the last call, at which what has expired is gone.
    pub(crate) now: SystemTime,
}

impl Default for ScratchWrites {
    fn default() -> Self {
        Self {
            values: HashMap::new(),
            now: SystemTime::UNIX_EPOCH,
        }
    }
}

impl ScratchWrites {
    /// Returns what the transaction itself wrote under a key: a value, a deletion, or nothing.
    pub(crate) fn get(&self, key: &str) -> Option<Option<Bytes>> {
        let value = self.values.get(key)?.as_ref();
        Some(value.and_then(|value| value.at(self.now)).cloned())
    }

    /// Changes the keys with a prefix to those that are there after the writes.
    pub(crate) fn relist(&self, prefix: &str, keys: &mut BTreeSet<Arc<str>>) {
        for (key, value) in self.values.iter().filter(|(key, _)| key.starts_with(prefix)) {
            match value.as_ref().is_some_and(|value| value.lives(self.now)) {
                true => keys.insert(key.as_str().into()),
                false => keys.remove(key.as_str()),
            };
        }
    }

    /// Sets what the transaction wrote under a key, or forgets it if `value` is `None`. Returns what it had written
    /// before.
    pub(crate) fn set(&mut self, key: &str, value: Option<Option<Value>>) -> Option<Option<Value>> {
        match value {
            Some(value) => self.values.insert(key.to_owned(), value),
            None => self.values.remove(key),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }
}

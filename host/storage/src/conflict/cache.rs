//! Entries in memory, each valid only as long as the sample under which it was read. Of some keys it is only known whether
//! they exist.
//!
//! The cache is bounded in bytes; the least recently used entry goes first. A value's memory is overwritten as soon as
//! the cache and everybody who received the value have dropped it.

use crate::StorageEntry;
use crate::conflict::ENTRY_OVERHEAD;
use crate::conflict::counters::Sample;
use bytes::Bytes;
use hashlink::LinkedHashMap;
use hashlink::linked_hash_map::RawEntryMut;
use std::hash::RandomState;
use zeroize::Zeroizing;

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cached {
    /// Its value, in memory that is wiped when it is freed, and whether that is wrapped.
    Value(Bytes, bool),
    /// It exists. Nothing is known of its value.
    Exists,
    /// It does not exist.
    Missing,
}

impl Cached {
    pub(crate) fn copy_of(value: Option<(&[u8], bool)>) -> Self {
        match value {
            Some((value, seal_wrap)) => {
                Self::Value(Bytes::from_owner(Zeroizing::new(value.to_vec())), seal_wrap)
            }
            None => Self::Missing,
        }
    }

    pub(crate) fn existence(exists: bool) -> Self {
        match exists {
            true => Self::Exists,
            false => Self::Missing,
        }
    }

    pub(crate) fn exists(&self) -> bool {
        !matches!(self, Self::Missing)
    }

    /// Returns the entry, or that there is none; `None` if its value is not known.
    pub(crate) fn entry(self, key: &str) -> Option<Option<StorageEntry>> {
        match self {
            Self::Value(value, seal_wrap) => Some(Some(StorageEntry {
                key: key.to_owned(),
                value,
                seal_wrap,
            })),
            Self::Missing => Some(None),
            Self::Exists => None,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Value(value, _) => value.len(),
            Self::Exists | Self::Missing => 0,
        }
    }
}

struct Held {
    value: Cached,
    sample: Sample,
}

#[derive(Default)]
pub(crate) struct Cache {
    /// The least recently used entry is the first. Guests choose keys, so they are hashed with a secret.
    entries: LinkedHashMap<Box<str>, Held, RandomState>,
    bytes: usize,
    limit: usize,
}

impl Cache {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// Returns what is known of a key, if `stands` accepts the sample under which it was read.
    pub(crate) fn get(&mut self, key: &str, stands: impl Fn(Sample) -> bool) -> Option<(Cached, Sample)> {
        let RawEntryMut::Occupied(mut entry) = self.entries.raw_entry_mut().from_key(key) else {
            return None;
        };
        if !stands(entry.get().sample) {
            self.bytes -= cost(key, &entry.remove().value);
            return None;
        }
        entry.to_back();
        let held = entry.get();
        Some((held.value.clone(), held.sample))
    }

    pub(crate) fn insert(&mut self, key: &str, value: Cached, sample: Sample) {
        self.remove(key);
        let bytes = cost(key, &value);
        if bytes > self.limit {
            return;
        }
        self.bytes += bytes;
        self.entries.insert(key.into(), Held { value, sample });
        while self.bytes > self.limit
            && let Some((oldest, held)) = self.entries.pop_front()
        {
            self.bytes -= cost(&oldest, &held.value);
        }
    }

    pub(crate) fn remove(&mut self, key: &str) {
        if let Some(held) = self.entries.remove(key) {
            self.bytes -= cost(key, &held.value);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.limit);
    }
}

fn cost(key: &str, value: &Cached) -> usize {
    key.len() + value.len() + ENTRY_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conflict::counters::{Places, Size, Thing};

    fn sample(at: u64) -> Sample {
        let size = Size {
            seed: 0,
            ..Size::of_a_mount()
        };
        Sample {
            place: Places::new(size).of(Thing::Key("")),
            at,
            last_write: 0,
        }
    }

    fn value(bytes: usize) -> Cached {
        Cached::copy_of(Some((&vec![1; bytes], true)))
    }

    #[test]
    fn entries_and_their_absence_come_back_under_their_sample() {
        let mut cache = Cache::new(10_000);
        cache.insert("k", value(3), sample(7));
        cache.insert("none", Cached::copy_of(None), sample(8));
        cache.insert("some", Cached::existence(true), sample(9));
        let entry = StorageEntry {
            key: "k".into(),
            value: vec![1; 3].into(),
            seal_wrap: true,
        };
        let mut got = |key: &str| {
            let (cached, sample) = cache.get(key, |_| true)?;
            Some((cached.exists(), cached.entry(key), sample))
        };
        assert_eq!(got("k"), Some((true, Some(Some(entry)), sample(7))));
        assert_eq!(got("none"), Some((false, Some(None), sample(8))));
        assert_eq!(got("some"), Some((true, None, sample(9))));
        assert_eq!(got("other"), None);
    }

    #[test]
    fn an_entry_that_does_not_stand_is_gone() {
        let mut cache = Cache::new(10_000);
        cache.insert("k", value(3), sample(7));
        assert_eq!(cache.get("k", |sample| sample.at == 8), None);
        assert_eq!((cache.bytes, cache.entries.len()), (0, 0));
    }

    #[test]
    fn the_entry_unused_for_longest_goes_first_and_bytes_are_bounded() {
        let mut cache = Cache::new(3 * (ENTRY_OVERHEAD + 101));
        for key in ["a", "b", "c"] {
            cache.insert(key, value(100), sample(0));
        }
        cache.get("a", |_| true);
        cache.insert("d", value(100), sample(0));
        let is_in = |cache: &mut Cache, key| cache.get(key, |_| true).is_some();
        assert!(is_in(&mut cache, "a") && !is_in(&mut cache, "b") && is_in(&mut cache, "c"));
        cache.insert("large", value(1000), sample(0));
        assert!(!is_in(&mut cache, "large") && is_in(&mut cache, "d"));
        cache.insert("d", value(1), sample(0));
        for n in 0..1000 {
            cache.insert(&format!("{n:03}"), value(n % 100), sample(0));
            let costs = cache.entries.iter().map(|(key, held)| cost(key, &held.value));
            assert_eq!(cache.bytes, costs.sum::<usize>());
            assert!(cache.bytes <= cache.limit);
        }
    }

    #[test]
    fn an_entry_that_is_replaced_was_used_last_and_one_that_does_not_stand_changes_no_order() {
        let mut cache = Cache::new(3 * (ENTRY_OVERHEAD + 101));
        for key in ["a", "b", "c", "a"] {
            cache.insert(key, value(100), sample(0));
        }
        cache.insert("c", value(100), sample(1));
        assert_eq!(cache.get("c", |sample| sample.at == 0), None);
        for key in ["d", "e"] {
            cache.insert(key, value(100), sample(0));
        }
        let keys: Vec<_> = cache.entries.keys().map(|key| &**key).collect();
        assert_eq!(keys, ["a", "d", "e"]);
    }
}

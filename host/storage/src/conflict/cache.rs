//! Keeps in memory what is known of keys. An entry is valid only as long as the sample under which it was read, and for some
//! time at most.
//!
//! A cache is bounded in bytes; the least recently used entry goes first. A value's memory is overwritten as soon as
//! the cache and everybody who received the value have dropped it.
//!
//! The age is for what changes beneath a mount without a word, such as by the put of a process that was killed.

use crate::StorageEntry;
use crate::conflict::ENTRY_OVERHEAD;
use crate::conflict::counters::Sample;
use bytes::Bytes;
use hashlink::LinkedHashMap;
use hashlink::linked_hash_map::RawEntryMut;
use std::hash::RandomState;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// A value, or the knowledge that the key does not exist, in memory that is wiped when it is freed.
#[derive(Clone)]
pub(crate) struct Cached(Option<(Bytes, bool)>);

impl Cached {
    pub(crate) fn copy_of(value: Option<(&[u8], bool)>) -> Self {
        Self(value.map(|(value, seal_wrap)| (Bytes::from_owner(Zeroizing::new(value.to_vec())), seal_wrap)))
    }

    pub(crate) fn entry(&self, key: &str) -> Option<StorageEntry> {
        let (value, seal_wrap) = self.0.clone()?;
        Some(StorageEntry {
            key: key.to_owned(),
            value,
            seal_wrap,
        })
    }
}

/// Something that is known of a key.
pub(crate) trait Known: Clone {
    /// Returns its bytes beside the key.
    fn len(&self) -> usize;
}

impl Known for Cached {
    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |(value, _)| value.len())
    }
}

/// True if the key exists.
impl Known for bool {
    fn len(&self) -> usize {
        0
    }
}

struct Held<K> {
    known: K,
    sample: Sample,
    until: Instant,
}

pub(crate) struct Cache<K> {
    /// The least recently used entry is the first. Guests choose keys, so they are hashed with a secret.
    entries: LinkedHashMap<Box<str>, Held<K>, RandomState>,
    bytes: usize,
    limit: usize,
    age: Duration,
}

impl<K: Known> Cache<K> {
    /// Creates a cache of so many bytes, from which each entry goes at this age.
    pub(crate) fn new(limit: usize, age: Duration) -> Self {
        Self {
            entries: LinkedHashMap::default(),
            bytes: 0,
            limit,
            age,
        }
    }

    /// Returns what is known of a key, if `stands` accepts the sample under which it was read.
    pub(crate) fn get(&mut self, key: &str, stands: impl Fn(Sample) -> bool) -> Option<(K, Sample)> {
        let RawEntryMut::Occupied(mut entry) = self.entries.raw_entry_mut().from_key(key) else {
            return None;
        };
        if !stands(entry.get().sample) || entry.get().until <= Instant::now() {
            self.bytes -= cost(key, &entry.remove().known);
            return None;
        }
        entry.to_back();
        let held = entry.get();
        Some((held.known.clone(), held.sample))
    }

    pub(crate) fn insert(&mut self, key: &str, known: K, sample: Sample) {
        self.remove(key);
        let bytes = cost(key, &known);
        if bytes > self.limit {
            return;
        }
        self.bytes += bytes;
        let held = Held {
            known,
            sample,
            until: Instant::now() + self.age,
        };
        self.entries.insert(key.into(), held);
        while self.bytes > self.limit
            && let Some((oldest, held)) = self.entries.pop_front()
        {
            self.bytes -= cost(&oldest, &held.known);
        }
    }

    pub(crate) fn remove(&mut self, key: &str) {
        if let Some(held) = self.entries.remove(key) {
            self.bytes -= cost(key, &held.known);
        }
    }
}

fn cost(key: &str, known: &impl Known) -> usize {
    key.len() + known.len() + ENTRY_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conflict::counters::{Places, Size, Thing};

    const LONG: Duration = Duration::from_secs(3600);

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
        let mut cache = Cache::new(10_000, LONG);
        cache.insert("k", value(3), sample(7));
        cache.insert("none", Cached::copy_of(None), sample(8));
        let entry = StorageEntry {
            key: "k".into(),
            value: vec![1; 3].into(),
            seal_wrap: true,
        };
        let mut got = |key: &str| {
            let (cached, sample) = cache.get(key, |_| true)?;
            Some((cached.entry(key), sample))
        };
        assert_eq!(got("k"), Some((Some(entry), sample(7))));
        assert_eq!(got("none"), Some((None, sample(8))));
        assert_eq!(got("other"), None);
    }

    #[test]
    fn an_entry_that_does_not_stand_is_gone() {
        let mut cache = Cache::new(10_000, LONG);
        cache.insert("k", value(3), sample(7));
        assert!(cache.get("k", |sample| sample.at == 8).is_none());
        assert_eq!((cache.bytes, cache.entries.len()), (0, 0));
    }

    #[test]
    fn an_entry_goes_at_its_age() {
        let mut cache = Cache::new(10_000, Duration::ZERO);
        cache.insert("k", true, sample(7));
        assert!(cache.get("k", |_| true).is_none());
        assert_eq!((cache.bytes, cache.entries.len()), (0, 0));
    }

    #[test]
    fn the_entry_unused_for_longest_goes_first_and_bytes_are_bounded() {
        let mut cache = Cache::new(3 * (ENTRY_OVERHEAD + 101), LONG);
        for key in ["a", "b", "c"] {
            cache.insert(key, value(100), sample(0));
        }
        cache.get("a", |_| true);
        cache.insert("d", value(100), sample(0));
        let is_in = |cache: &mut Cache<Cached>, key| cache.get(key, |_| true).is_some();
        assert!(is_in(&mut cache, "a") && !is_in(&mut cache, "b") && is_in(&mut cache, "c"));
        cache.insert("large", value(1000), sample(0));
        assert!(!is_in(&mut cache, "large") && is_in(&mut cache, "d"));
        cache.insert("d", value(1), sample(0));
        for n in 0..1000 {
            cache.insert(&format!("{n:03}"), value(n % 100), sample(0));
            let costs = cache.entries.iter().map(|(key, held)| cost(key, &held.known));
            assert_eq!(cache.bytes, costs.sum::<usize>());
            assert!(cache.bytes <= cache.limit);
        }
    }

    #[test]
    fn an_entry_that_is_replaced_was_used_last_and_one_that_does_not_stand_changes_no_order() {
        let mut cache = Cache::new(3 * (ENTRY_OVERHEAD + 101), LONG);
        for key in ["a", "b", "c", "a"] {
            cache.insert(key, value(100), sample(0));
        }
        cache.insert("c", value(100), sample(1));
        assert!(cache.get("c", |sample| sample.at == 0).is_none());
        for key in ["d", "e"] {
            cache.insert(key, value(100), sample(0));
        }
        let keys: Vec<_> = cache.entries.keys().map(|key| &**key).collect();
        assert_eq!(keys, ["a", "d", "e"]);
    }
}

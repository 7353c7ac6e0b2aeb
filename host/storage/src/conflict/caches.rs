//! Keeps the values of keys, and apart from them whether keys exist: a caller whom no policy lets in can have any key asked
//! for, and so fill the one but not the other.

use crate::StorageEntry;
use crate::conflict::cache::{Cache, Cached};
use crate::conflict::counters::Sample;
use std::time::Duration;

pub(crate) struct Caches {
    limits: CacheLimits,
    values: Cache<Cached>,
    existence: Cache<bool>,
}

#[derive(Clone, Copy)]
pub(crate) struct CacheLimits {
    /// Bytes of values, keys included, and as many of keys whose existence is known.
    pub(crate) bytes: usize,
    /// The longest time for which something is kept.
    pub(crate) age: Duration,
}

/// What may be kept of a key.
pub(crate) enum Kept {
    Value(Cached),
    Existence(bool),
}

impl Caches {
    pub(crate) fn new(limits: CacheLimits) -> Self {
        Self {
            limits,
            values: Cache::new(limits.bytes, limits.age),
            existence: Cache::new(limits.bytes, limits.age),
        }
    }

    pub(crate) fn keep(&mut self, key: &str, kept: Kept, sample: Sample) {
        match kept {
            Kept::Value(value) => self.values.insert(key, value, sample),
            Kept::Existence(exists) => self.existence.insert(key, exists, sample),
        }
    }

    pub(crate) fn forget(&mut self, key: &str) {
        self.values.remove(key);
        self.existence.remove(key);
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.limits);
    }
}

/// Something about a key for which a transaction can ask.
pub(crate) trait Asked: Sized {
    /// Returns what is kept of it, and the sample under which it was read, if `stands` accepts that.
    fn find(caches: &mut Caches, key: &str, stands: impl Fn(Sample) -> bool) -> Option<(Self, Sample)>;

    /// Takes it from what storage has.
    fn of(entry: Option<StorageEntry>) -> Self;

    /// Returns what may be kept of it.
    fn kept(&self) -> Kept;
}

/// The entry.
impl Asked for Option<StorageEntry> {
    fn find(caches: &mut Caches, key: &str, stands: impl Fn(Sample) -> bool) -> Option<(Self, Sample)> {
        let (cached, sample) = caches.values.get(key, stands)?;
        Some((cached.entry(key), sample))
    }

    fn of(entry: Option<StorageEntry>) -> Self {
        entry
    }

    fn kept(&self) -> Kept {
        let value = self.as_ref().map(|entry| (&*entry.value, entry.seal_wrap));
        Kept::Value(Cached::copy_of(value))
    }
}

/// True if the key exists.
impl Asked for bool {
    fn find(caches: &mut Caches, key: &str, stands: impl Fn(Sample) -> bool) -> Option<(Self, Sample)> {
        caches.existence.get(key, stands)
    }

    fn of(entry: Option<StorageEntry>) -> Self {
        entry.is_some()
    }

    fn kept(&self) -> Kept {
        Kept::Existence(*self)
    }
}

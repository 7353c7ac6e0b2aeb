//! The state that this process keeps about a mount's storage: counters, cache and scratch, behind one lock.
//!
//! Every method is one atomic step. [`protocol`](crate::conflict::protocol) defines the order of these steps and the storage
//! calls.

use crate::conflict::caches::{Asked, CacheLimits, Caches, Kept};
use crate::conflict::counters::{ByPlace, Counters, Footprint, Place, Places, Sample, Size, Thing};
use crate::conflict::scratch::{Scratch, ScratchWrites};
use crate::sync::Mutex;
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

pub(crate) struct Ledger {
    pub(crate) places: Places,
    guest: Place,
    state: Mutex<State>,
}

struct State {
    counters: Counters,
    caches: Caches,
    caching_allowed: bool,
    scratch: Scratch,
    /// The guest to which the caches and the scratch belong.
    generation: Generation,
    /// The number of times that storage changed beneath the mount, as reported or possibly by a late put.
    invalidations: u64,
}

/// Counts the guests that a mount has had, so that requests that still run on an old guest leave nothing to the new
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Generation(u64);

/// The place where something about a key can be found.
pub(crate) enum Look<T> {
    /// In the cache, read under this sample.
    Cached(T, Sample),
    /// In storage; the caller keeps the sample.
    Ask(Sample),
}

/// The reason why a commit may not start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Something that it read has changed or is being written.
    Stale,
    /// Another commit is writing one of its keys: try again when that has ended.
    Occupied,
}

/// The data to keep after a finished flush.
pub(crate) struct Stored {
    pub(crate) generation: Generation,
    /// The keys that were written and of which something may be kept.
    pub(crate) keys: Vec<(String, Kept)>,
    pub(crate) scratch: ScratchWrites,
}

impl Ledger {
    pub(crate) fn new(size: Size, cache: CacheLimits, scratch_bytes: usize) -> Self {
        let state = State {
            counters: Counters::new(size),
            caches: Caches::new(cache),
            caching_allowed: true,
            scratch: Scratch::new(scratch_bytes),
            generation: Generation::default(),
            invalidations: 0,
        };
        let places = Places::new(size);
        Self {
            places,
            guest: places.of(Thing::Guest),
            state: Mutex::new(state),
        }
    }

    /// Finds out where to read what is asked about a key. `None` while it is being written.
    pub(crate) fn look<T: Asked>(&self, key: &str, cacheable: bool) -> Option<Look<T>> {
        let place = self.places.of(Thing::Key(key));
        let State { counters, caches, .. } = &mut *self.state.lock();
        let now = counters.sample(place)?;
        if cacheable && let Some((found, sample)) = T::find(caches, key, |sample| counters.stands(sample)) {
            return Some(Look::Cached(found, sample));
        }
        Some(Look::Ask(now))
    }

    /// Returns the sample to take before listing a folder. `None` while it is being written.
    pub(crate) fn sample_folder(&self, folder: &str) -> Option<Sample> {
        self.state
            .lock()
            .counters
            .sample(self.places.of(Thing::Folder(folder)))
    }

    /// Returns the place of the guest.
    pub(crate) fn guest(&self) -> Place {
        self.guest
    }

    /// Returns the sample of the guest, which each transaction takes when it begins. Nobody ever marks it.
    pub(crate) fn sample_guest(&self) -> Option<Sample> {
        self.state.lock().counters.sample(self.guest)
    }

    /// Makes every transaction conflict that has begun.
    pub(crate) fn make_begun_conflict(&self) {
        self.state.lock().counters.bump([self.guest]);
    }

    /// Returns true if nobody is writing a thing.
    pub(crate) fn is_free(&self, thing: Thing<'_>) -> bool {
        self.state.lock().counters.sample(self.places.of(thing)).is_some()
    }

    /// Returns a scratch value and its sample. `None` while it is being written.
    pub(crate) fn scratch(
        &self,
        key: &str,
        now: SystemTime,
        generation: Generation,
    ) -> Option<(Option<Bytes>, Sample)> {
        let place = self.places.of(Thing::Scratch(key));
        let state = self.state.lock();
        let sample = state.counters.sample(place)?;
        let value = if state.generation == generation {
            state.scratch.get(key, now)
        } else {
            None
        };
        Some((value, sample))
    }

    /// Returns the keys of scratch with a prefix and the sample of them all. `None` while scratch is being written.
    pub(crate) fn scratch_keys(
        &self,
        prefix: &str,
        now: SystemTime,
        generation: Generation,
    ) -> Option<(BTreeSet<Arc<str>>, Sample)> {
        let place = self.places.of(Thing::ScratchNames);
        let state = self.state.lock();
        let sample = state.counters.sample(place)?;
        let keys = if state.generation == generation {
            state.scratch.list(prefix, now)
        } else {
            BTreeSet::new()
        };
        Some((keys, sample))
    }

    /// Returns the bytes of scratch that would be in use after these writes.
    pub(crate) fn scratch_bytes_after(&self, writes: &ScratchWrites) -> usize {
        self.state.lock().scratch.bytes_after(writes)
    }

    /// Caches what was read after `sample`, if the sample is not outdated.
    pub(crate) fn fill(&self, key: &str, kept: Kept, sample: Sample, generation: Generation) {
        self.state.lock().keep(key, kept, sample, generation);
    }

    /// Returns true if everything that was read is unchanged.
    pub(crate) fn stand(&self, samples: impl IntoIterator<Item = Sample>) -> bool {
        let state = self.state.lock();
        samples.into_iter().all(|sample| state.counters.stands(sample))
    }

    /// Begins a commit: checks what it read and marks what it writes, in one step. So if two commits each read what the
    /// other writes, at most one of them passes.
    pub(crate) fn mark(
        self: &Arc<Self>,
        read: impl IntoIterator<Item = Sample>,
        written: Footprint,
    ) -> Result<Marks, (Refusal, Footprint)> {
        let mut state = self.state.lock();
        if !read.into_iter().all(|sample| state.counters.stands(sample)) {
            return Err((Refusal::Stale, written));
        }
        if !state.counters.are_free(&written) {
            return Err((Refusal::Occupied, written));
        }
        state.counters.mark(&written);
        let invalidations = state.invalidations;
        drop(state);
        Ok(Marks {
            ledger: self.clone(),
            written,
            invalidations,
        })
    }

    /// Returns the places of keys, each once.
    pub(crate) fn keys(&self, keys: &[String]) -> Footprint {
        let mut keys: Vec<_> = keys.iter().map(|key| self.places.of(Thing::Key(key))).collect();
        keys.sort_unstable();
        keys.dedup();
        Footprint {
            keys,
            ..Footprint::default()
        }
    }

    /// Keeps keys out of the cache that nobody is writing any more, except perhaps a call that was given up.
    pub(crate) fn fence(self: &Arc<Self>, retried: Footprint) -> Option<Fence> {
        self.state.lock().counters.fence(&retried);
        Fence::around(self, retried)
    }

    /// Records that storage changed beneath the mount.
    pub(crate) fn invalidate(&self, key: &str) {
        let mut places = Vec::new();
        let place = self.places.of_key(key, |folder| places.push(folder));
        places.push(place);
        let mut state = self.state.lock();
        state.counters.bump(places);
        state.caches.forget(key);
        state.invalidations += 1;
    }

    pub(crate) fn allow_caching(&self, allowed: bool) {
        let mut state = self.state.lock();
        state.caching_allowed = allowed;
        if !allowed {
            state.caches.clear();
        }
    }

    /// Drops cache and scratch when another guest takes over.
    pub(crate) fn renew(&self, cache: CacheLimits, scratch_bytes: usize) -> Generation {
        let mut state = self.state.lock();
        state.caches = Caches::new(cache);
        let scratch = std::mem::replace(&mut state.scratch, Scratch::new(scratch_bytes));
        state.vanished(&self.places, scratch);
        state.generation.0 += 1;
        state.generation
    }
}

impl State {
    fn keep(&mut self, key: &str, kept: Kept, sample: Sample, generation: Generation) {
        if self.caching_allowed && self.generation == generation && self.counters.may_cache(sample) {
            self.caches.keep(key, kept, sample);
        }
    }

    /// Makes requests conflict that have read scratch which is now gone.
    fn vanished(&mut self, places: &Places, scratch: Scratch) {
        let keys = scratch.keys().map(|key| places.of(Thing::Scratch(key)));
        self.counters.bump(keys.chain([places.of(Thing::ScratchNames)]));
    }
}

/// The marks of a commit that is under way. However the commit ends, the counters are bumped and the marks removed.
pub(crate) struct Marks {
    ledger: Arc<Ledger>,
    written: Footprint,
    /// The number of invalidations before the flush.
    invalidations: u64,
}

impl Marks {
    /// Ends a commit of which every write is in storage. `retried` are the keys that a call that was given up may still
    /// write once more.
    pub(crate) fn finish(mut self, stored: Stored, retried: Footprint) -> Option<Fence> {
        let Ledger { places, state, .. } = &*self.ledger;
        let mut state = state.lock();
        state.release(&self.written);
        state.counters.fence(&retried);
        // If somebody else changed storage during the flush, nobody knows whose value came last.
        let is_known = state.invalidations == self.invalidations;
        for (key, kept) in stored.keys {
            state.caches.forget(&key);
            // Nothing was marked between the bump and this, so the sample is that of the value just stored.
            if is_known && let Some(sample) = state.counters.sample(places.of(Thing::Key(&key))) {
                state.keep(&key, kept, sample, stored.generation);
            }
        }
        if state.generation == stored.generation
            && let Some(scratch) = state.scratch.apply(&stored.scratch)
        {
            state.vanished(places, scratch);
        }
        drop(state);
        self.written = Footprint::default();
        Fence::around(&self.ledger, retried)
    }

    /// Ends a commit of which some writes are in storage and the others never will be. `retried` is as in
    /// [`finish`](Self::finish).
    pub(crate) fn give_up_but(self, retried: Footprint) -> Option<Fence> {
        self.ledger.state.lock().counters.fence(&retried);
        Fence::around(&self.ledger, retried)
    }

    /// Ends a commit of which nobody knows which writes are in storage; one of them may still take effect late. None of
    /// its keys is cached until the [`Fence`] is dropped.
    pub(crate) fn give_up(mut self) -> Fence {
        let mut state = self.ledger.state.lock();
        state.release(&self.written);
        state.counters.fence(&self.written);
        drop(state);
        Fence {
            ledger: self.ledger.clone(),
            fenced: std::mem::take(&mut self.written),
        }
    }
}

impl State {
    /// Bumps each place before it can be sampled again: whoever sampled it before the flush read a value that is gone,
    /// or may be gone.
    fn release(&mut self, written: &Footprint) {
        self.counters.bump_all(written);
        self.counters.unmark(written);
    }
}

impl Drop for Marks {
    fn drop(&mut self) {
        self.ledger.state.lock().release(&self.written);
    }
}

/// Keeps keys out of the cache until it is dropped. Dropping it bumps the keys, as a last write of unknown effect
/// would: otherwise a slow read from before a late put could still be cached.
pub(crate) struct Fence {
    ledger: Arc<Ledger>,
    fenced: Footprint,
}

impl Fence {
    /// Makes a fence for keys that have been fenced. Without keys it makes none: dropping a fence keeps the commits
    /// under way from being cached.
    fn around(ledger: &Arc<Ledger>, fenced: Footprint) -> Option<Self> {
        if fenced.keys.is_empty() {
            return None;
        }
        let ledger = ledger.clone();
        Some(Self { ledger, fenced })
    }
}

impl Drop for Fence {
    fn drop(&mut self) {
        let mut state = self.ledger.state.lock();
        state.counters.bump_all(&self.fenced);
        state.counters.unfence(&self.fenced);
        // For a commit under way: the late put may have come after its own.
        state.invalidations += 1;
    }
}

/// Returns the places that writes touch: each key, and the folders above it, unless the write is known to leave the
/// key's existence unchanged. `existed` returns what the commit read of a key; that is certain, because the commit
/// checks it.
pub(crate) fn footprint<'w>(
    places: &Places,
    writes: impl IntoIterator<Item = (&'w str, bool)>,
    existed: impl Fn(&str) -> Option<bool>,
    scratch_keys: impl IntoIterator<Item = &'w str>,
) -> Footprint {
    let mut exists = HashMap::new();
    let mut keys = ByPlace::default();
    let mut folders = ByPlace::default();
    for (key, is_put) in writes {
        // Each write counts, not only the last one, because storage receives all of them.
        let exists = exists.entry(key).or_insert_with(|| existed(key));
        let stays = *exists == Some(is_put);
        let place = places.of_key(key, |folder| {
            if !stays {
                folders.insert(folder, ());
            }
        });
        keys.insert(place, ());
        *exists = Some(is_put);
    }
    for key in scratch_keys {
        keys.insert(places.of(Thing::Scratch(key)), ());
        // Like a folder, because several commits may change it at the same time.
        folders.insert(places.of(Thing::ScratchNames), ());
    }
    Footprint {
        keys: keys.into_keys().collect(),
        folders: folders.into_keys().collect(),
    }
}

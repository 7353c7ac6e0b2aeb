//! One counter for every key, folder and scratch key of a mount: whether it moved, and whether it is being written.
//!
//! There are more keys than memory, so a key's counter is found by hash in a table of fixed size. Two keys that share one
//! look to each other as if they were the same: a conflict that need not have been, never one that goes unseen.

use std::hash::{DefaultHasher, Hash, Hasher};

/// What has a counter.
#[derive(Clone, Copy, Hash)]
pub(crate) enum Thing<'a> {
    Key(&'a str),
    Folder(&'a str),
    Scratch(&'a str),
}

/// Where a thing's counter lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(u32);

/// Finds places. The seed keeps guests from choosing keys that share one.
#[derive(Clone, Copy)]
pub(crate) struct Places {
    seed: u64,
    count: u64,
}

impl Places {
    pub(crate) fn new(count: u32, seed: u64) -> Self {
        Self {
            seed,
            count: count.max(1).into(),
        }
    }

    pub(crate) fn of(&self, thing: Thing<'_>) -> Place {
        let mut hasher = DefaultHasher::new();
        (self.seed, thing).hash(&mut hasher);
        Place((hasher.finish() % self.count) as u32)
    }
}

/// A counter as it was before a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) place: Place,
    pub(crate) version: u64,
}

#[derive(Clone, Default)]
struct Counter {
    version: u64,
    /// A commit is writing a key that lies here; one at a time, so that the keys of two commits cannot mix.
    key_writer: bool,
    /// Commits that are adding to or removing from a folder that lies here.
    folder_writers: u32,
    /// Puts that failed here and might still land: nothing that lies here is cached.
    fences: u32,
}

/// The places that a commit writes, each once.
#[derive(Default)]
pub(crate) struct Footprint {
    pub(crate) keys: Vec<Place>,
    pub(crate) folders: Vec<Place>,
}

/// The table.
pub(crate) struct Counters(Box<[Counter]>);

impl Counters {
    pub(crate) fn new(places: &Places) -> Self {
        Self(vec![Counter::default(); places.count as usize].into())
    }

    fn at(&self, place: Place) -> &Counter {
        &self.0[place.0 as usize]
    }

    fn at_mut(&mut self, place: Place) -> &mut Counter {
        &mut self.0[place.0 as usize]
    }

    fn is_being_written(&self, place: Place) -> bool {
        self.at(place).key_writer || self.at(place).folder_writers > 0
    }

    /// To be taken before the read that it stands for. None while the thing is being written: whatever a read would
    /// find, it could not stand.
    pub(crate) fn sample(&self, place: Place) -> Option<Sample> {
        (!self.is_being_written(place)).then(|| Sample {
            place,
            version: self.at(place).version,
        })
    }

    /// Whether what was read after this sample is still so.
    pub(crate) fn stands(&self, sample: Sample) -> bool {
        self.at(sample.place).version == sample.version && !self.is_being_written(sample.place)
    }

    /// Whether a value read after this sample may be cached.
    pub(crate) fn may_cache(&self, sample: Sample) -> bool {
        self.stands(sample) && self.at(sample.place).fences == 0
    }

    /// Whether nobody else is writing one of these keys.
    pub(crate) fn are_free(&self, footprint: &Footprint) -> bool {
        footprint.keys.iter().all(|place| !self.at(*place).key_writer)
    }

    pub(crate) fn mark(&mut self, footprint: &Footprint) {
        footprint
            .keys
            .iter()
            .for_each(|place| self.at_mut(*place).key_writer = true);
        footprint
            .folders
            .iter()
            .for_each(|place| self.at_mut(*place).folder_writers += 1);
    }

    pub(crate) fn unmark(&mut self, footprint: &Footprint) {
        footprint
            .keys
            .iter()
            .for_each(|place| self.at_mut(*place).key_writer = false);
        footprint
            .folders
            .iter()
            .for_each(|place| self.at_mut(*place).folder_writers -= 1);
    }

    pub(crate) fn bump(&mut self, place: Place) {
        self.at_mut(place).version += 1;
    }

    pub(crate) fn bump_all(&mut self, footprint: &Footprint) {
        footprint
            .keys
            .iter()
            .chain(&footprint.folders)
            .for_each(|place| self.bump(*place));
    }

    pub(crate) fn fence(&mut self, footprint: &Footprint) {
        footprint
            .keys
            .iter()
            .for_each(|place| self.at_mut(*place).fences += 1);
    }

    pub(crate) fn unfence(&mut self, footprint: &Footprint) {
        footprint
            .keys
            .iter()
            .for_each(|place| self.at_mut(*place).fences -= 1);
    }
}

//! Records which keys, folders and scratch keys of one mount were written lately, and which are being written.
//!
//! Everything is found by a hash of 64 bits, its [`Place`]. Two things that share a place are treated as one: that can
//! cause a needless conflict, and never hides a real one. With `n` places read and `m` written at the same time it
//! happens once in 2^64 / (n * m) times, so in practice never.
//!
//! - **Marks** are exact: there is one for each place that a commit in progress writes, or that is fenced. There are as
//!   many as writes in flight.
//! - **Last writes** are exact for the places written lately, in two generations of [`Size::recent`] places: when the
//!   younger one is full it becomes the older one, and the older one is dropped. A place that is in neither counts as
//!   written at the time of the last write in the dropped one. So a request conflicts without cause only if more places
//!   than a generation holds are written while it lasts, and an entry leaves the cache without cause at most that
//!   often.
//!
//! A mount to which nobody writes needs no memory here. One that is written to all the time needs 1.1 MiB at most, or
//! 80 bytes for each place of its largest commit if that is more.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hasher, RandomState};

/// The number of folders of a key that have a place of their own, counted from the root. Deeper folders share the place
/// of the last one, so a key with thousands of levels costs no more than a key with this many.
const FOLDERS: usize = 64;

/// A thing that has a place.
#[derive(Clone, Copy)]
pub(crate) enum Thing<'a> {
    Key(&'a str),
    Folder(&'a str),
    Scratch(&'a str),
    /// The names in scratch, which every write to scratch changes.
    ScratchNames,
    /// The guest itself: every transaction reads it, and a guest that takes over writes it.
    Guest,
}

/// The index of a thing's last write and of its mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(u64);

/// The way in which places are found, and the number of places that are remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Hashed with each thing, so that guests cannot choose keys that share a place.
    pub(crate) seed: u64,
    /// The bits of the hash that count: all of them, except in tests that want keys to share a place.
    pub(crate) mask: u64,
    /// The number of places in a generation of last writes.
    pub(crate) recent: usize,
}

impl Size {
    pub(crate) fn of_a_mount() -> Self {
        Self {
            seed: RandomState::new().hash_one(()),
            mask: u64::MAX,
            // The largest number that fits a table of 32,768.
            recent: 28_672,
        }
    }
}

/// Finds places.
#[derive(Clone, Copy)]
pub(crate) struct Places {
    seed: u64,
    mask: u64,
}

impl Places {
    pub(crate) fn new(size: Size) -> Self {
        let Size { seed, mask, .. } = size;
        Self { seed, mask }
    }

    pub(crate) fn of(&self, thing: Thing<'_>) -> Place {
        match thing {
            Thing::Key(key) => self.of_key(key, |_| {}),
            Thing::Folder(folder) => self.of_folder(folder),
            Thing::Scratch(key) => {
                let mut hasher = self.hasher();
                hasher.write(key.as_bytes());
                self.place(&hasher, 2)
            }
            Thing::Guest => self.place(&self.hasher(), 3),
            Thing::ScratchNames => self.place(&self.hasher(), 4),
        }
    }

    /// Returns the place of a key, and passes those of the folders above it to `folder`, in one pass over the key.
    pub(crate) fn of_key(&self, key: &str, mut folder: impl FnMut(Place)) -> Place {
        let mut hasher = self.hasher();
        folder(self.place(&hasher, 1));
        for (depth, segment) in key.split_inclusive('/').enumerate() {
            hasher.write(segment.as_bytes());
            if segment.ends_with('/') && depth + 1 < FOLDERS {
                folder(self.place(&hasher, 1));
            }
        }
        self.place(&hasher, 0)
    }

    fn of_folder(&self, folder: &str) -> Place {
        let mut hasher = self.hasher();
        for segment in folder.split_inclusive('/').take(FOLDERS - 1) {
            hasher.write(segment.as_bytes());
        }
        self.place(&hasher, 1)
    }

    fn hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.seed);
        hasher
    }

    /// Returns the place of what was hashed so far, as a thing of this kind.
    fn place(&self, hashed: &DefaultHasher, kind: u8) -> Place {
        let mut hasher = hashed.clone();
        hasher.write_u8(kind);
        Place(hasher.finish() & self.mask)
    }
}

/// A moment before a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) place: Place,
    /// The clock before the read.
    pub(crate) at: u64,
    /// The time of the last write to the place before that.
    pub(crate) last_write: u64,
}

impl Sample {
    /// Returns true if a later sample of the same place shows that it was written in between.
    pub(crate) fn is_outdated_by(&self, later: Sample) -> bool {
        later.last_write > self.at
    }
}

/// The writers at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Mark {
    /// True while a commit is writing a key at this place. Only one commit may, so that the keys of two commits cannot
    /// mix.
    key_writer: bool,
    /// The number of commits that are adding to or removing from a folder at this place.
    folder_writers: u32,
    /// The number of puts that failed here and may still take effect: nothing at this place is cached.
    fences: u32,
}

impl Mark {
    fn is_being_written(self) -> bool {
        self.key_writer || self.folder_writers > 0
    }
}

/// The places that a commit writes, each once.
#[derive(Default)]
pub(crate) struct Footprint {
    pub(crate) keys: Vec<Place>,
    pub(crate) folders: Vec<Place>,
}

impl Footprint {
    fn places(&self) -> impl Iterator<Item = Place> {
        self.keys.iter().chain(&self.folders).copied()
    }
}

/// A map by place. Places are hashes already.
pub(crate) type ByPlace<T> = HashMap<Place, T, BuildHasherDefault<Hashed>>;

#[derive(Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = self.0.rotate_left(8) ^ hash;
    }
}

/// Marks and last writes.
pub(crate) struct Counters {
    /// Counts the steps that wrote something.
    clock: u64,
    marks: ByPlace<Mark>,
    recent: ByPlace<u64>,
    older: ByPlace<u64>,
    /// The time of the last write in `older`.
    older_until: u64,
    /// The time before or at which every place that is in neither map was last written.
    floor: u64,
    /// The number of places in a generation.
    most: usize,
}

impl Counters {
    pub(crate) fn new(size: Size) -> Self {
        Self {
            clock: 0,
            marks: HashMap::default(),
            recent: HashMap::default(),
            older: HashMap::default(),
            older_until: 0,
            floor: 0,
            most: size.recent,
        }
    }

    fn last_write(&self, place: Place) -> u64 {
        let known = self.recent.get(&place).or_else(|| self.older.get(&place));
        known.copied().unwrap_or(self.floor)
    }

    fn mark_at(&self, place: Place) -> Mark {
        self.marks.get(&place).copied().unwrap_or_default()
    }

    fn change(&mut self, places: &[Place], change: impl Fn(&mut Mark)) {
        for place in places {
            let mark = self.marks.entry(*place).or_default();
            change(mark);
            if *mark == Mark::default() {
                self.marks.remove(place);
            }
        }
    }

    /// Takes a sample, which must happen before the read that it stands for. `None` while the thing is being written,
    /// because whatever a read found then could not remain valid.
    pub(crate) fn sample(&self, place: Place) -> Option<Sample> {
        (!self.mark_at(place).is_being_written()).then(|| Sample {
            place,
            at: self.clock,
            last_write: self.last_write(place),
        })
    }

    /// Returns true if what was read after this sample is unchanged.
    pub(crate) fn stands(&self, sample: Sample) -> bool {
        self.last_write(sample.place) <= sample.at && !self.mark_at(sample.place).is_being_written()
    }

    /// Returns true if a value that was read after this sample may be cached.
    pub(crate) fn may_cache(&self, sample: Sample) -> bool {
        self.stands(sample) && self.mark_at(sample.place).fences == 0
    }

    /// Returns true if nobody else is writing one of these keys.
    pub(crate) fn are_free(&self, footprint: &Footprint) -> bool {
        footprint
            .keys
            .iter()
            .all(|place| !self.mark_at(*place).key_writer)
    }

    pub(crate) fn mark(&mut self, footprint: &Footprint) {
        self.change(&footprint.keys, |mark| mark.key_writer = true);
        self.change(&footprint.folders, |mark| mark.folder_writers += 1);
    }

    pub(crate) fn unmark(&mut self, footprint: &Footprint) {
        self.change(&footprint.keys, |mark| mark.key_writer = false);
        self.change(&footprint.folders, |mark| mark.folder_writers -= 1);
        self.shrink();
    }

    /// Notes that everything at these places was written just now. This is one step, however many places there are.
    pub(crate) fn bump(&mut self, places: impl IntoIterator<Item = Place>) {
        if self.recent.len() >= self.most {
            self.floor = self.older_until;
            self.older = std::mem::take(&mut self.recent);
            self.older_until = self.clock;
        }
        self.clock += 1;
        let now = self.clock;
        self.recent.extend(places.into_iter().map(|place| (place, now)));
    }

    pub(crate) fn bump_all(&mut self, footprint: &Footprint) {
        self.bump(footprint.places());
    }

    pub(crate) fn fence(&mut self, footprint: &Footprint) {
        self.change(&footprint.keys, |mark| mark.fences += 1);
    }

    pub(crate) fn unfence(&mut self, footprint: &Footprint) {
        self.change(&footprint.keys, |mark| mark.fences -= 1);
        self.shrink();
    }

    /// Frees what a large commit needed, once the commit is over.
    fn shrink(&mut self) {
        if self.marks.is_empty() && self.marks.capacity() > 1024 {
            self.marks = HashMap::default();
        }
    }
}

#[cfg(test)]
mod tests;

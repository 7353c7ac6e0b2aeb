//! A request that ran runs a second time, on another guest: with what it read the first time, and without any effect.
//!
//! 1. [`Transaction::trace`] makes the first run remember what it read and wrote. [`Transaction::take_trace`] returns that at the
//!    end of the run.
//! 2. [`Transaction::begin_replay`] begins the second run. It reads what the first run read. What the first run did not read is
//!    read from storage, and counts only if nobody has written it since the first run began. Scratch is empty, and a commit
//!    seems to succeed.
//! 3. [`Transaction::end_replay`] says whether the second run saw what the first one would have seen, and what it wrote.
//!
//! An existence check runs a second time in the same way, alone or before its request, between
//! [`Transaction::begin_replayed_check`] and [`Transaction::end_replayed_check`].
//!
//! A trace of [lookups](Trace::told) makes a second run that never reaches storage.
//!
//! Traces hold values, like the transactions they come from: nothing prints them.

pub(crate) mod answers;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::conflict::counters::Sample;
use crate::conflict::scratch::ScratchWrites;
use crate::transaction::reads::Reads;
use crate::transaction::writes::{Write, Writes};
use crate::{Settings, StorageEntry, Transaction};
use answers::{Answers, Lookup, Told};

/// The writes of a transaction: the entry that it left under each key, or `None` for a key that it left without one.
pub type Written = BTreeMap<String, Option<StorageEntry>>;

/// The reads and the writes of the first run.
#[derive(Default)]
pub struct Trace {
    reads: Reads,
    written: Written,
    /// The clock when the run began.
    since: u64,
    commits: u32,
    is_partial: bool,
    /// True if the run is that of an existence check alone.
    is_of_check: bool,
    /// The run's lookups, in its order, each key and folder once.
    lookups: Vec<Lookup>,
    /// The bytes of `lookups`, or more than are kept.
    looked_up: usize,
    /// The answers for a second run that does not read from storage.
    answers: Option<Arc<Mutex<Answers>>>,
}

/// Most bytes of writes that are kept of a run.
const LARGEST: usize = 1 << 20;

/// Most bytes of lookups that are kept of a run.
const MOST_LOOKED_UP: usize = 512 << 10;

/// The bytes that a lookup costs beside its own.
const OVERHEAD: usize = 64;

impl Trace {
    /// Returns the trace of a run that read this, for a second run that is told it and never reaches storage.
    pub fn told(lookups: Vec<Lookup>, told: Told) -> Self {
        Self {
            answers: Some(Arc::new(Mutex::new(Answers::new(lookups, told)))),
            ..Self::default()
        }
    }

    /// Returns what the run read, in its order, each key and folder once. `None` if that is more than 512 KiB.
    pub fn lookups(&self) -> Option<&[Lookup]> {
        (self.looked_up <= MOST_LOOKED_UP).then_some(&self.lookups[..])
    }

    /// Returns what a [told](Self::told) run asked for, with the answers. `None` if it asked for more than it could be told.
    pub fn asked(&self) -> Option<Vec<Lookup>> {
        let answers = self.answers.as_ref()?.lock();
        answers.told_all().then(|| answers.asked().to_vec())
    }

    /// Returns how many of the lookups a [told](Self::told) run has not asked for.
    pub fn left(&self) -> usize {
        self.answers.as_ref().map_or(0, |answers| answers.lock().left())
    }

    fn looked_up(&mut self, lookup: Lookup) {
        let is_known = self.lookups.iter().any(|known| match (known, &lookup) {
            (Lookup::Get { key, .. }, Lookup::Get { key: other, .. }) => key == other,
            (
                Lookup::List { folder, page, .. },
                Lookup::List {
                    folder: other,
                    page: of,
                    ..
                },
            ) => folder == other && page == of,
            _ => false,
        });
        if is_known || self.looked_up > MOST_LOOKED_UP {
            return;
        }
        self.looked_up += lookup.bytes() + OVERHEAD;
        match self.looked_up > MOST_LOOKED_UP {
            true => self.lookups = Vec::new(),
            false => self.lookups.push(lookup),
        }
    }

    /// Returns what the run wrote.
    pub fn written(&self) -> &Written {
        &self.written
    }

    /// Returns true if the run can be repeated: it committed at most once, so that all that it read was true at one time, and
    /// did not write more than is kept for this, nor read scratch.
    pub fn is_whole(&self) -> bool {
        self.commits <= 1 && !self.is_partial
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").finish_non_exhaustive()
    }
}

/// The second run.
#[derive(Debug)]
pub(crate) struct Replay {
    since: u64,
    /// The reads that the first run did not make.
    samples: Vec<Sample>,
    /// The answers that it is told, if it does not read from storage.
    answers: Option<Arc<Mutex<Answers>>>,
}

impl Replay {
    /// Returns the entry that the run is told, unless it reads from storage.
    pub(crate) fn told(&self, key: &str) -> Option<Option<StorageEntry>> {
        self.answers.as_ref().map(|answers| answers.lock().get(key))
    }

    /// Returns the names that the run is told, unless it reads from storage.
    pub(crate) fn told_names(&self, folder: &str, page: Option<(&str, u64)>) -> Option<Vec<String>> {
        self.answers
            .as_ref()
            .map(|answers| answers.lock().list(folder, page))
    }

    /// Notes a read that the first run did not make.
    pub(crate) fn read(&mut self, sample: Sample) {
        self.samples.push(sample);
    }
}

/// The end of the second run.
pub struct Replayed {
    /// The writes that the run would have made.
    pub written: Written,
    /// True if the run read nothing that somebody has written since the first run began.
    pub is_comparable: bool,
}

impl fmt::Debug for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replayed")
            .field("is_comparable", &self.is_comparable)
            .finish_non_exhaustive()
    }
}

impl Transaction {
    /// Begins to remember what this run reads and writes. Call it right after the transaction has begun, and for the run of an
    /// existence check right after the check has begun.
    pub fn trace(&mut self) {
        let since = self.reads.since(self.mount.ledger.guest()).unwrap_or_default();
        self.traced = Some(Box::new(Trace {
            since,
            is_of_check: self.is_check(),
            ..Trace::default()
        }));
    }

    /// Returns what the run has read and written, if it was [traced](Self::trace). Call it at the end of the run.
    pub fn take_trace(&mut self) -> Option<Trace> {
        let mut trace = self.traced.take()?;
        if self.is_check() {
            // The request that follows continues them.
            trace.reads = self.reads.clone();
        } else if trace.commits == 0 {
            // The run failed, and stores nothing.
            trace.reads = std::mem::take(&mut self.reads);
        }
        Some(*trace)
    }

    /// Remembers a commit that is about to be made.
    pub(crate) fn trace_commit(&mut self, reads: &Reads, writes: &Writes) {
        if let Some(trace) = &mut self.traced {
            trace.commits += 1;
            if trace.commits == 1 {
                let bytes = |write: &Write| match write {
                    Write::Put(entry) => entry.key.len() + entry.value.len(),
                    Write::Delete(key) => key.len(),
                };
                trace.is_partial |= writes.outcome().map(bytes).sum::<usize>() > LARGEST;
                if !trace.is_partial {
                    trace.reads = reads.clone();
                    trace.written = written(writes);
                }
            }
        }
    }

    /// Remembers what the run looked up, unless it is a request's run and that was for its existence check.
    pub(crate) fn trace_lookup(&mut self, lookup: impl FnOnce() -> Lookup) {
        let is_check = self.is_check();
        if let Some(trace) = &mut self.traced
            && trace.is_of_check == is_check
        {
            trace.looked_up(lookup());
        }
    }

    /// Remembers that the run found something in scratch, which a second run does not have.
    pub(crate) fn trace_scratch(&mut self) {
        if let Some(trace) = &mut self.traced {
            trace.is_partial = true;
        }
    }

    /// Makes this transaction the second run of a request, on a guest with these settings.
    pub fn begin_replay(&mut self, trace: &Trace, settings: Settings) {
        self.begin_trial(settings);
        self.reads = trace.reads.clone();
        self.replay = Some(Replay {
            since: trace.since,
            samples: Vec::new(),
            answers: trace.answers.clone(),
        });
    }

    /// Makes the second run one of an existence check, which refuses a commit like the first run.
    pub fn begin_replayed_check(&mut self) {
        if self.replay.is_some() {
            self.is_trial = false;
        }
    }

    /// Goes on with the second run of the check's request, which does not see what the check wrote.
    pub fn end_replayed_check(&mut self) {
        if self.replay.is_some() {
            self.is_trial = true;
            self.writes = Writes::default();
            self.scratch = ScratchWrites::default();
        }
    }

    /// Ends the second run.
    pub fn end_replay(&mut self) -> Replayed {
        let replay = self.replay.take();
        let is_comparable = replay.is_some_and(|replay| {
            let Replay {
                since,
                samples,
                answers,
            } = replay;
            // Neither before it was read nor while it was read.
            let is_unchanged =
                samples.iter().all(|sample| sample.last_write <= since) && self.mount.ledger.stand(samples);
            is_unchanged && answers.is_none_or(|answers| answers.lock().told_all())
        });
        Replayed {
            written: written(&std::mem::take(&mut self.writes)),
            is_comparable,
        }
    }
}

fn written(writes: &Writes) -> Written {
    let outcome = writes.outcome().map(|write| match write {
        Write::Put(entry) => (entry.key.clone(), Some(entry.clone())),
        Write::Delete(key) => (key.clone(), None),
    });
    outcome.collect()
}

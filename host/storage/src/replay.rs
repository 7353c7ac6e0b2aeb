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
//! Traces hold values, like the transactions they come from: nothing prints them.

use std::collections::BTreeMap;
use std::fmt;

use crate::conflict::counters::Sample;
use crate::conflict::scratch::ScratchWrites;
use crate::transaction::reads::Reads;
use crate::transaction::writes::{Write, Writes};
use crate::{Settings, StorageEntry, Transaction};

/// What a transaction wrote: the entry that it left under each key, or `None` where it left nothing.
pub type Written = BTreeMap<String, Option<StorageEntry>>;

/// What the first run read and wrote.
#[derive(Default)]
pub struct Trace {
    reads: Reads,
    written: Written,
    /// The clock when the run began.
    since: u64,
    commits: u32,
    is_partial: bool,
}

/// Most bytes of writes that are kept of a run.
const LARGEST: usize = 1 << 20;

impl Trace {
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
    /// What it read that the first run did not read.
    samples: Vec<Sample>,
}

impl Replay {
    /// Notes a read that the first run did not make.
    pub(crate) fn read(&mut self, sample: Sample) {
        self.samples.push(sample);
    }
}

/// The end of the second run.
pub struct Replayed {
    /// What the run would have stored.
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
    /// Begins to remember what this run reads and writes. Call it right after the transaction has begun.
    pub fn trace(&mut self) {
        let since = self.reads.since(self.mount.ledger.guest()).unwrap_or_default();
        self.traced = Some(Box::new(Trace {
            since,
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
        });
    }

    /// Makes the second run one of an existence check, in which a commit is refused, as it was in the first run.
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
        let is_comparable = replay.is_some_and(|Replay { since, samples }| {
            // Neither before it was read nor while it was read.
            samples.iter().all(|sample| sample.last_write <= since) && self.mount.ledger.stand(samples)
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

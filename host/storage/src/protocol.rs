//! The order of the steps. Everything that makes transactions serializable is here and in [`ledger`](crate::ledger), and
//! is model-checked by `tests/model.rs`.
//!
//! - A **read** samples the counter, then reads, then caches what it read if the counter has not moved. A read that was
//!   overtaken by a write, or by `InvalidateKey`, is thereby never cached.
//! - A **commit** checks the samples of all that was read and marks what it writes in one step; then it flushes; then it
//!   bumps the counters and removes the marks, in one step. Before the flush a bump would let a reader sample the new
//!   version and read the old value; without a mark a reader could pass between flush and bump.
//!
//! Commits are thereby serialized in the order in which they marked, and what a read-only transaction saw is what was
//! true when it checked.

use crate::cache::Cached;
use crate::counters::{Footprint, Sample};
use crate::ledger::{Fence, Generation, Ledger, Look, Marks, Stored};
use crate::{Entry, Result};

/// What a read found.
pub(crate) struct Found<T> {
    pub(crate) value: T,
    pub(crate) sample: Sample,
    /// It cost no storage call.
    pub(crate) cached: bool,
}

/// Reads an entry. None while it is being written.
pub(crate) async fn read<F: Future<Output = Result<Option<Entry>>>>(
    ledger: &Ledger,
    key: &str,
    cacheable: Option<Generation>,
    get: impl FnOnce() -> F,
) -> Option<Result<Found<Option<Entry>>>> {
    let sample = match ledger.look(key, cacheable.is_some())? {
        Look::Cached(value, sample) => {
            return Some(Ok(Found {
                value,
                sample,
                cached: true,
            }));
        }
        Look::Ask(sample) => sample,
    };
    let value = match get().await {
        Ok(value) => value,
        Err(error) => return Some(Err(error)),
    };
    if let Some(generation) = cacheable {
        let copy = Cached::copy_of(value.as_ref().map(|entry| (&*entry.value, entry.seal_wrap)));
        ledger.fill(key, copy, sample, generation);
    }
    Some(Ok(Found {
        value,
        sample,
        cached: false,
    }))
}

/// Lists a folder. None while it is being written.
pub(crate) async fn list<F: Future<Output = Result<Vec<String>>>>(
    ledger: &Ledger,
    folder: &str,
    list: impl FnOnce() -> F,
) -> Option<Result<Found<Vec<String>>>> {
    let sample = ledger.sample_folder(folder)?;
    Some(list().await.map(|value| Found {
        value,
        sample,
        cached: false,
    }))
}

/// Carries a commit out that has been marked. The flush answers which of its keys may be written once more, by a call that
/// was given up: they are fenced.
pub(crate) async fn carry_out<E>(
    marks: Marks,
    stored: Stored,
    flush: impl Future<Output = Result<Footprint, E>>,
) -> Result<Option<Fence>, (E, Marks)> {
    match flush.await {
        Ok(retried) => Ok(marks.finish(stored, retried)),
        Err(error) => Err((error, marks)),
    }
}

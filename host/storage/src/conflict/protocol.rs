//! The order of the steps of a transaction. Everything that makes transactions serializable is here and in
//! [`ledger`](crate::conflict::ledger), and is model-checked by `tests/model.rs`.
//!
//! - A **read** samples the counter, then reads, then caches what it read if the counter has not moved. So a read that
//!   was overtaken by a write, or by `InvalidateKey`, is never cached.
//! - A **commit** checks the samples of all reads and marks what it writes, in one step; then it flushes; then it bumps
//!   the counters and removes the marks, in one step. If it bumped before the flush, a reader could sample the new
//!   version and read the old value; without a mark, a reader could pass between flush and bump.
//!
//! So commits are serialized in the order in which they marked, and a read-only transaction saw the state of the moment
//! when it checked.

use crate::conflict::caches::Asked;
use crate::conflict::counters::{Footprint, Sample};
use crate::conflict::ledger::{Fence, Generation, Ledger, Look, Marks, Stored};
use crate::{Result, StorageEntry};

/// The result of a read.
pub(crate) struct Found<T> {
    pub(crate) value: T,
    pub(crate) sample: Sample,
    /// True if it cost no storage call.
    pub(crate) cached: bool,
}

/// Reads an entry, or finds out whether there is one. `None` while it is being written.
pub(crate) async fn read<T: Asked, F: Future<Output = Result<Option<StorageEntry>>>>(
    ledger: &Ledger,
    key: &str,
    cacheable: Option<Generation>,
    get: impl FnOnce() -> F,
) -> Option<Result<Found<T>>> {
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
        Ok(entry) => T::of(entry),
        Err(error) => return Some(Err(error)),
    };
    if let Some(generation) = cacheable {
        ledger.fill(key, value.kept(), sample, generation);
    }
    Some(Ok(Found {
        value,
        sample,
        cached: false,
    }))
}

/// Lists a folder. `None` while it is being written.
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

/// Carries out a commit that has been marked. The flush returns the keys that a call that was given up may still write;
/// they are fenced.
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

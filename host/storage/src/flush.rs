//! Bringing a commit's writes into storage.
//!
//! A flush runs in a task of its own, so that a caller who goes away cannot stop it half way. It has one of three forms:
//! writes in the guest's order; within a transaction of the storage's own, where it has them; or behind a redo record,
//! where the guest asks for one. A single write is all or nothing by itself and needs neither.

use crate::calls::Calls;
use crate::ledger::{Marks, Stored};
use crate::redo::Recorded;
use crate::retry::{Failed, Patience};
use crate::storage::StorageTransaction;
use crate::turns::Permit;
use crate::writes::Writes;
use crate::{Error, Mount, Result, Settings, protocol};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Why a flush failed.
pub(crate) enum Failure {
    /// Nothing was stored.
    Nothing(Error),
    /// Some of it may be.
    Unknown(Error),
}

/// What the committing request hears, and when.
pub(crate) struct Answer(Option<oneshot::Sender<Result<()>>>);

impl Answer {
    pub(crate) fn give(&mut self, result: Result<()>) {
        if let Some(answer) = self.0.take() {
            // The caller may be gone; the flush does not mind.
            let _ = answer.send(result);
        }
    }
}

/// A flush about to begin.
pub(crate) struct Flush {
    pub(crate) mount: Arc<Mount>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) writes: Writes,
    /// Held until the end: nobody's turn may begin before.
    pub(crate) permit: Permit,
    /// Held until the end: the mount's drain waits for it.
    pub(crate) begun: TaskTrackerToken,
}

impl Flush {
    /// Flushes in a task of its own and waits for it. Dropping this future does not stop the task.
    pub(crate) async fn run(self, marks: Marks, stored: Stored) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        tokio::spawn(self.carry_out(marks, stored, Answer(Some(answer))));
        answered.await.unwrap_or_else(|_| {
            let panicked = Error::Backend("the storage implementation panicked".into());
            Err(Error::Partial(Box::new(panicked)))
        })
    }

    async fn carry_out(self, marks: Marks, stored: Stored, mut answer: Answer) {
        let Self {
            mount,
            settings,
            calls,
            writes,
            permit,
            begun,
        } = self;
        let store = store(&mount, &settings, &calls, &writes, &mut answer);
        let (result, fence) = match protocol::carry_out(marks, stored, store).await {
            Ok(()) => (Ok(()), None),
            Err((Failure::Nothing(error), _marks)) => (Err(error), None),
            Err((Failure::Unknown(error), marks)) => {
                (Err(Error::Partial(Box::new(error))), Some(marks.give_up()))
            }
        };
        mount.written.notify_waiters();
        drop((permit, begun));
        answer.give(result);
        if let Some(fence) = fence {
            drop((mount, calls, writes));
            sleep(settings.late).await;
            drop(fence);
        }
    }
}

async fn store(
    mount: &Mount,
    settings: &Settings,
    calls: &Arc<Calls>,
    writes: &Writes,
    answer: &mut Answer,
) -> Result<(), Failure> {
    let patience = Patience::Until(Instant::now() + settings.flush);
    if writes.in_order().len() > 1 {
        match patience.insist(|| calls.begin()).await {
            Ok(Some(first)) => return in_transaction(first, &patience, calls, writes).await,
            Ok(None) => {}
            Err(failed) => return Err(Failure::Nothing(failed.into())),
        }
        if settings.redo_record {
            return Recorded::new(mount, settings, writes, calls, answer)
                .store(writes)
                .await;
        }
    }
    in_order(&patience, calls, writes).await
}

async fn in_order(patience: &Patience, calls: &Calls, writes: &Writes) -> Result<(), Failure> {
    for (done, write) in writes.in_order().iter().enumerate() {
        patience
            .insist(|| calls.write(write))
            .await
            .map_err(|failed| match failed {
                Failed::Refused if done == 0 => Failure::Nothing(Error::ReadOnly),
                failed => Failure::Unknown(failed.into()),
            })?;
    }
    Ok(())
}

/// All writes in one transaction of the storage's own; a new one if it fails.
async fn in_transaction(
    first: Box<dyn StorageTransaction>,
    patience: &Patience,
    calls: &Calls,
    writes: &Writes,
) -> Result<(), Failure> {
    let mut next = Some(first);
    // Whether there was a commit whose outcome nobody knows.
    let mut unknown = false;
    let failure = |unknown: bool, error| {
        if unknown {
            Failure::Unknown(error)
        } else {
            Failure::Nothing(error)
        }
    };
    let mut tries = patience.tries();
    loop {
        let outcome = tries
            .make(try_transaction(next.take(), calls, writes, &mut unknown))
            .await;
        match outcome {
            Ok(None) => {}
            Ok(Some(Ok(()))) => return Ok(()),
            Ok(Some(Err(Conflicted))) => return Err(failure(unknown, Error::Conflict)),
            Err(failed) => return Err(failure(unknown, failed.into())),
        }
    }
}

/// Something outside this process changed what the transaction writes: no try will do.
struct Conflicted;

async fn try_transaction(
    begun: Option<Box<dyn StorageTransaction>>,
    calls: &Calls,
    writes: &Writes,
    unknown: &mut bool,
) -> Result<Result<(), Conflicted>> {
    let begun = match begun {
        Some(begun) => Some(begun),
        None => calls.begin().await?,
    };
    let none = || Error::Backend("storage has no transactions any more".into());
    let mut open = Open(Some(begun.ok_or_else(none)?));
    let stored = open.store(calls, writes, unknown).await;
    open.end(calls, stored.is_ok()).await;
    match stored {
        Err(Error::Conflict) => Ok(Err(Conflicted)),
        stored => stored.map(Ok),
    }
}

/// A transaction of the storage's own that has to be ended, also if this flush is.
struct Open(Option<Box<dyn StorageTransaction>>);

impl Open {
    async fn store(&mut self, calls: &Calls, writes: &Writes, unknown: &mut bool) -> Result<()> {
        let Some(transaction) = &mut self.0 else {
            return Ok(());
        };
        for write in writes.outcome() {
            calls.write_in(transaction.as_mut(), write).await?;
        }
        let before = std::mem::replace(unknown, true);
        let committed = calls.commit(transaction.as_mut()).await;
        if let Ok(()) | Err(Error::Conflict) = committed {
            *unknown = before;
        }
        committed
    }

    async fn end(&mut self, calls: &Calls, committed: bool) {
        if !committed && let Some(transaction) = &mut self.0 {
            // Heard or not, the transaction is of no more use.
            let _ = calls.rollback(transaction.as_mut()).await;
        }
        self.0 = None;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(mut transaction) = self.0.take() else {
            return;
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { transaction.rollback().await });
        }
    }
}

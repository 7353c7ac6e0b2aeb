//! Writes a commit to storage.
//!
//! A flush runs in a task of its own, so that a caller who goes away cannot stop it half way, and on the mount's own
//! runtime, so that a busy thread of the caller cannot delay it. It has one of three forms: writes in the guest's
//! order; a transaction of the storage's own, if the storage has transactions; or writes behind a redo record, if the
//! guest asks for one. A single write is all or nothing by itself and needs neither.

use crate::calls::Calls;
use crate::commit::lock::Permit;
use crate::commit::outcome::{Answer, Failure};
use crate::commit::redo::Recorded;
use crate::commit::retry::{Failed, Patience, write};
use crate::commit::together;
use crate::conflict::ledger::{Marks, Stored};
use crate::conflict::protocol;
use crate::transaction::writes::Writes;
use crate::{Error, Mount, Result, Settings, Undrained};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tracing::{Instrument as _, Span};

/// A flush about to begin.
pub(crate) struct Flush {
    pub(crate) mount: Arc<Mount>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) calls: Arc<Calls>,
    pub(crate) writes: Writes,
    /// Kept until the flush ends, because until then nobody may take the commit lock exclusively.
    pub(crate) permit: Permit,
    /// Kept until the flush ends, because the mount's drain waits for it.
    pub(crate) begun: Undrained,
}

impl Flush {
    /// Flushes in a task of its own and waits for it. Dropping this future does not stop the task.
    pub(crate) async fn run(self, marks: Marks, stored: Stored) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        let mount = self.mount.clone();
        // Boxed, because tokio copies the future of a task several times.
        mount.spawn(Box::pin(self.carry_out(
            marks,
            stored,
            Answer::new(answer),
            Span::current(),
        )));
        answered.await.unwrap_or_else(|_| {
            let panicked = Error::Backend("the storage implementation panicked".into());
            Err(Error::UnknownOutcome(Box::new(panicked)))
        })
    }

    /// Stores the writes in the `span` of the request, which the calls of storage and their log lines belong to. The span ends
    /// before the fence does.
    async fn carry_out(self, marks: Marks, stored: Stored, mut answer: Answer, span: Span) {
        let Self {
            mount,
            settings,
            calls,
            writes,
            permit,
            begun,
        } = self;
        let store = async {
            let mut retried = Vec::new();
            let flushed = store(&mount, &settings, &calls, &writes, &mut answer, &mut retried).await;
            let retried = mount.ledger.keys(&retried);
            match flushed {
                Ok(()) => Ok(retried),
                Err(failure) => {
                    // Before others may read what may be half of a commit.
                    if calls.era.is_over() {
                        mount.ledger.make_begun_conflict();
                    }
                    Err((failure, retried))
                }
            }
        };
        let (result, fence) = match protocol::carry_out(marks, stored, store.instrument(span)).await {
            Ok(fence) => (Ok(()), fence),
            Err(((Failure::Nothing(error), _), _marks)) => (Err(error), None),
            Err(((Failure::Part(error), retried), marks)) => (Err(error), marks.give_up_but(retried)),
            Err(((Failure::Unknown(error), _), marks)) => {
                (Err(Error::UnknownOutcome(Box::new(error))), Some(marks.give_up()))
            }
        };
        mount.written.notify_waiters();
        // Whoever has the answer may end the mount, and then its storage is free.
        drop((mount, calls, writes, permit, begun));
        answer.give(result);
        if let Some(fence) = fence {
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
    retried: &mut Vec<String>,
) -> Result<(), Failure> {
    let patience = Patience::Brief(settings.flush);
    if writes.in_order().len() > 1 {
        match patience.insist(|| together::begin(calls)).await {
            Ok(Some(first)) => {
                // Boxed, as what a redo record needs, so that the future of a flush in order does not reserve space for it.
                return Box::pin(together::store(first, settings.flush, calls, writes, retried)).await;
            }
            Ok(None) => {}
            Err(failed) => return Err(Failure::Nothing(failed.into())),
        }
        if settings.redo_record {
            let recorded = Recorded::new(mount, settings, writes, calls, answer);
            return Box::pin(recorded.store(writes, retried)).await;
        }
    }
    in_order(&patience, calls, writes, retried).await
}

async fn in_order(
    patience: &Patience,
    calls: &Calls,
    writes: &Writes,
    retried: &mut Vec<String>,
) -> Result<(), Failure> {
    let log = writes.in_order();
    for (stored, made) in log.iter().enumerate() {
        write(patience, calls, made, retried)
            .await
            .map_err(|failed| match failed {
                Failed::Refused(error) if stored == 0 => Failure::Nothing(error),
                Failed::Refused(error) => Failure::Part(Error::Incomplete {
                    stored,
                    of: log.len(),
                    cause: Box::new(error),
                }),
                Failed::GaveUp(error) => Failure::Unknown(error),
            })?;
    }
    Ok(())
}

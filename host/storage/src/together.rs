//! Flushing within a transaction of the storage's own, where it has them.
//!
//! Each one that is begun is ended, also when a call is given up half way: OpenBao never ends one by itself.

use crate::calls::{Begin, Calls};
use crate::flush::Failure;
use crate::retry::Patience;
use crate::storage::StorageTransaction;
use crate::writes::Writes;
use crate::{Error, Result};

/// All writes in one transaction of the storage's own; a new one if it fails.
pub(crate) async fn store(
    first: Open,
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
    begun: Option<Open>,
    calls: &Calls,
    writes: &Writes,
    unknown: &mut bool,
) -> Result<Result<(), Conflicted>> {
    let none = || Error::Backend("storage has no transactions any more".into());
    let mut open = match begun {
        Some(begun) => begun,
        None => begin(calls).await?.ok_or_else(none)?,
    };
    let stored = open.store(calls, writes, unknown).await;
    open.end(calls, stored.is_ok()).await;
    match stored {
        Err(Error::Conflict) => Ok(Err(Conflicted)),
        stored => stored.map(Ok),
    }
}

/// A transaction that has to be ended, and is when it is dropped.
pub(crate) struct Open(Option<Box<dyn StorageTransaction>>);

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
        if let Some(mut transaction) = self.0.take() {
            in_background(async move { transaction.rollback().await });
        }
    }
}

/// Begins a transaction, if storage has them.
pub(crate) async fn begin(calls: &Calls) -> Result<Option<Open>> {
    let mut begin = Beginning(Some(calls.begin()));
    let begun = match &mut begin.0 {
        Some(begun) => begun.await,
        None => Ok(None),
    };
    begin.0 = None;
    Ok(begun?.map(|transaction| Open(Some(transaction))))
}

/// A call that may have begun a transaction by the time it is given up: then it is waited for in the background.
struct Beginning(Option<Begin>);

impl Drop for Beginning {
    fn drop(&mut self) {
        if let Some(begin) = self.0.take() {
            in_background(async move { drop(begin.await.map(|begun| begun.map(|begun| Open(Some(begun))))) });
        }
    }
}

/// Unless the process is about to end, which ends the connection and all that was begun over it.
fn in_background<F: Future<Output: Send + 'static> + Send + 'static>(end: F) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(end);
    }
}

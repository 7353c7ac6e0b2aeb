//! Flushes within a transaction of the storage's own, if the storage has transactions.
//!
//! Each transaction that is begun is ended, also when a call is given up half way: OpenBao never ends one by itself.

use crate::calls::{Begin, Calls};
use crate::commit::outcome::Failure;
use crate::commit::retry::unanswered;
use crate::storage::StorageTransaction;
use crate::transaction::writes::Writes;
use crate::{Error, Result};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// The pause after a transaction that failed.
const PAUSE: Duration = Duration::from_millis(10);

/// Stores all writes in one transaction of the storage's own, and in a new one if that fails.
///
/// Each call may take `limit`, and new transactions are begun for the same time after the first failure.
pub(crate) async fn store(
    first: Open,
    limit: Duration,
    calls: &Calls,
    writes: &Writes,
    retried: &mut Vec<String>,
) -> Result<(), Failure> {
    let mut next = Some(first);
    // True if the outcome of a commit is unknown.
    let mut unknown = false;
    let mut until = None;
    let mut pause = PAUSE;
    loop {
        let failed = match try_transaction(next.take(), limit, calls, writes, &mut unknown).await {
            Ok(()) => break,
            Err(error) => error,
        };
        let is_final = match &failed {
            // Something outside this process changed what the transaction writes.
            Error::Conflict | Error::Rejected { .. } => true,
            Error::ReadOnly => until.is_none(),
            other => other.ends_writing(),
        };
        let now = Instant::now();
        if is_final || now >= *until.get_or_insert(now + limit) {
            return Err(match unknown {
                true => Failure::Unknown(failed),
                false => Failure::Nothing(failed),
            });
        }
        sleep(pause).await;
        pause = (pause * 2).min(limit);
    }
    if unknown {
        // A commit that was given up may take effect over newer values.
        retried.extend(writes.outcome().map(|write| write.key().to_owned()));
    }
    Ok(())
}

async fn try_transaction(
    begun: Option<Open>,
    limit: Duration,
    calls: &Calls,
    writes: &Writes,
    unknown: &mut bool,
) -> Result<()> {
    let none = || Error::Backend("storage has no transactions any more".into());
    let mut open = match begun {
        Some(begun) => begun,
        None => within(limit, begin(calls)).await?.ok_or_else(none)?,
    };
    let stored = open.store(limit, calls, writes, unknown).await;
    open.end(limit, calls, stored.is_ok()).await;
    stored
}

async fn within<T>(limit: Duration, call: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(limit, call).await.unwrap_or_else(|_| Err(unanswered()))
}

/// A transaction that must be ended. Dropping it ends it.
pub(crate) struct Open(Option<Box<dyn StorageTransaction>>);

impl Open {
    async fn store(
        &mut self,
        limit: Duration,
        calls: &Calls,
        writes: &Writes,
        unknown: &mut bool,
    ) -> Result<()> {
        let Some(transaction) = &mut self.0 else {
            return Ok(());
        };
        for write in writes.outcome() {
            within(limit, calls.write_in(transaction.as_mut(), write)).await?;
        }
        let before = std::mem::replace(unknown, true);
        let committed = within(limit, calls.commit(transaction.as_mut())).await;
        if let Ok(()) | Err(Error::Conflict | Error::Rejected { .. } | Error::NotLeader) = committed {
            *unknown = before;
        }
        committed
    }

    async fn end(&mut self, limit: Duration, calls: &Calls, committed: bool) {
        if !committed
            && let Some(transaction) = &mut self.0
            && timeout(limit, calls.rollback(transaction.as_mut()))
                .await
                .is_err()
        {
            // The rollback was not answered: dropping the transaction rolls it back once more in the background.
            return;
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

/// Begins a transaction, if the storage has transactions.
pub(crate) async fn begin(calls: &Calls) -> Result<Option<Open>> {
    let mut begin = Beginning(Some(calls.begin()));
    let begun = match &mut begin.0 {
        Some(begun) => begun.await,
        None => Ok(None),
    };
    begin.0 = None;
    Ok(begun?.map(|transaction| Open(Some(transaction))))
}

/// A call that may have begun a transaction by the time it is given up. Dropping it waits for the call in the
/// background, to end that transaction.
struct Beginning(Option<Begin>);

impl Drop for Beginning {
    fn drop(&mut self) {
        if let Some(begin) = self.0.take() {
            in_background(async move { drop(begin.await.map(|begun| begun.map(|begun| Open(Some(begun))))) });
        }
    }
}

/// Runs this in the background, unless the process is about to end: that ends the connection and all transactions that
/// were begun over it.
fn in_background<F: Future<Output: Send + 'static> + Send + 'static>(end: F) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(end);
    }
}

//! OpenBao's storage transactions.

use airlock_logical::StorageEntry;
use std::fmt;

use crate::link::check;
use crate::methods::storage as methods;
use crate::proto::pb;
use crate::storage::view::View;
use crate::{Report, ServerError};

/// A transaction on a mount's storage: [`StorageTransaction::commit`] stores its writes together, or not at all.
///
/// OpenBao never ends a transaction by itself. Dropping one rolls it back in a task of its own, which needs the runtime
/// to be still there.
///
/// ```
/// use vault_plugin::{ServerError, Storage, StorageEntry};
///
/// /// Stores both entries, or none of them. Works on OpenBao only.
/// async fn store(storage: &Storage, entries: [StorageEntry; 2]) -> Result<(), ServerError> {
///     loop {
///         let transaction = storage.begin_tx().await?;
///         for entry in entries.clone() {
///             transaction.put(entry).await?;
///         }
///         match transaction.commit().await {
///             Err(ServerError::Conflict) => {}
///             committed => return committed,
///         }
///     }
/// }
/// ```
pub struct StorageTransaction {
    view: View,
    ended: bool,
}

impl StorageTransaction {
    pub(super) fn new(view: View) -> StorageTransaction {
        StorageTransaction { view, ended: false }
    }

    /// Works like [`crate::Storage::get`], and sees the transaction's own writes.
    ///
    /// # Errors
    /// Those of [`crate::Storage::get`].
    pub async fn get(&self, key: &str) -> Result<Option<StorageEntry>, ServerError> {
        self.view.get(key).await
    }

    /// Works like [`crate::Storage::put`], and takes effect when the transaction is committed.
    ///
    /// # Errors
    /// Those of [`crate::Storage::put`].
    pub async fn put(&self, entry: StorageEntry) -> Result<(), ServerError> {
        self.view.put(entry).await
    }

    /// Works like [`crate::Storage::delete`], and takes effect when the transaction is committed.
    ///
    /// # Errors
    /// Those of [`crate::Storage::put`].
    pub async fn delete(&self, key: &str) -> Result<(), ServerError> {
        self.view.delete(key).await
    }

    /// Works like [`crate::Storage::list`], and sees the transaction's own writes.
    ///
    /// # Errors
    /// Those of [`crate::Storage::get`].
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, ServerError> {
        self.view.list(prefix).await
    }

    /// Works like [`crate::Storage::list_page`], and sees the transaction's own writes.
    ///
    /// # Errors
    /// Those of [`crate::Storage::get`].
    pub async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, ServerError> {
        self.view.list_page(prefix, after, limit).await
    }

    /// Stores what the transaction wrote.
    ///
    /// # Errors
    /// [`ServerError::Conflict`] if another request changed what this one read: nothing is stored. After
    /// [`ServerError::Unanswered`] the writes may be stored or not.
    pub async fn commit(mut self) -> Result<(), ServerError> {
        let args = pb::StorageCommitTxArgs { txn: self.view.txn() };
        let reply = self.view.link.call(&methods::COMMIT, &args).await?;
        // The server has ended the transaction, whatever the result.
        self.ended = true;
        check(methods::COMMIT.name, reply.err)
    }

    /// Discards what the transaction wrote.
    ///
    /// # Errors
    /// Those of [`crate::Storage::get`].
    pub async fn rollback(mut self) -> Result<(), ServerError> {
        self.ended = true;
        rollback(self.view.clone()).await
    }
}

async fn rollback(view: View) -> Result<(), ServerError> {
    let args = pb::StorageRollbackTxArgs { txn: view.txn() };
    let reply = view.link.call(&methods::ROLLBACK, &args).await?;
    check(methods::ROLLBACK.name, reply.err)
}

impl Drop for StorageTransaction {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let view = self.view.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = rollback(view).await {
                    tracing::warn!(error = %Report::new(&error), "a dropped storage transaction was not rolled back");
                }
            });
        }
    }
}

impl fmt::Debug for StorageTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageTransaction")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

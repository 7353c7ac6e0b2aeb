//! Reads on a standby of OpenBao, in one read-only transaction for each attempt of a request.
//!
//! The active node's commits reach a standby whole, but a plugin is told of the changed keys one by one and later. So
//! reads one after the other could see half of a commit. A transaction reads everything as of one moment.
//!
//! OpenBao allows 64 transactions at once for the whole server, and further ones wait without an end. So this process
//! opens at most [`AT_ONCE`]. A request that finds none free is forwarded to the active node.

use std::sync::{Arc, LazyLock};

use airlock_storage::{Error, Result, Storage, StorageEntry};
use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};
use vault_plugin::StorageTransaction;

use super::outcome::{error, page_limit};

/// Most transactions of all mounts at once.
const AT_ONCE: usize = 32;

static PERMITS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(AT_ONCE)));

/// A mount's storage as of the first call. It takes no writes.
pub struct Snapshot {
    storage: vault_plugin::Storage,
    begun: OnceCell<Begun>,
}

/// A transaction that is rolled back when it is dropped, on any thread.
struct Begun {
    transaction: Option<StorageTransaction>,
    permit: Option<OwnedSemaphorePermit>,
    runtime: Handle,
}

impl Snapshot {
    pub fn new(storage: vault_plugin::Storage) -> Self {
        Self {
            storage,
            begun: OnceCell::new(),
        }
    }

    async fn transaction(&self) -> Result<&StorageTransaction> {
        let begun = self.begun.get_or_try_init(|| self.begin()).await?;
        begun
            .transaction
            .as_ref()
            .ok_or_else(|| Error::Backend("the storage transaction has ended".into()))
    }

    async fn begin(&self) -> Result<Begun> {
        let permit = PERMITS.clone().try_acquire_owned().map_err(|_| Error::ReadOnly)?;
        let (storage, runtime) = (self.storage.clone(), Handle::current());
        // Runs in a task of its own: even if nobody waits for it any more, the transaction that it has begun is ended.
        let begin = runtime.clone().spawn(async move {
            let transaction = storage.begin_read_only_tx().await?;
            Ok(Begun {
                transaction: Some(transaction),
                permit: Some(permit),
                runtime,
            })
        });
        let begun = begin.await.map_err(|gone| Error::Backend(gone.to_string()))?;
        begun.map_err(error)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let (transaction, permit) = (self.transaction.take(), self.permit.take());
        if let Some(transaction) = transaction {
            self.runtime.spawn(async move {
                // A failure here is a failure of the connection, whose end ends the transaction too.
                let _ = transaction.rollback().await;
                drop(permit);
            });
        }
    }
}

#[async_trait]
impl Storage for Snapshot {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>> {
        let entry = self.transaction().await?.get(key).await;
        entry.map_err(error)
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>> {
        self.transaction().await?.list(folder).await.map_err(error)
    }

    async fn list_page(&self, folder: &str, after: &str, limit: usize) -> Result<Vec<String>> {
        let page = self
            .transaction()
            .await?
            .list_page(folder, after, page_limit(limit));
        page.await.map_err(error)
    }

    async fn put(&self, _: StorageEntry) -> Result<()> {
        Err(Error::ReadOnly)
    }

    async fn delete(&self, _: &str) -> Result<()> {
        Err(Error::ReadOnly)
    }

    async fn begin(&self) -> Result<Option<Box<dyn airlock_storage::StorageTransaction>>> {
        Err(Error::ReadOnly)
    }
}

//! Vault's storage, in the form that transactions use.

use std::sync::Arc;
use std::time::Duration;

use airlock_storage::{Error, Result, Storage, StorageEntry, StorageTransaction};
use async_trait::async_trait;
use vault_plugin::ServerError;

use super::outcome::{error, page_limit};
use super::snapshot::Snapshot;

/// A mount's storage in Vault.
pub struct VaultStorage {
    storage: vault_plugin::Storage,
    /// True if another server writes the storage while this one reads it.
    reads_snapshots: bool,
}

impl VaultStorage {
    /// Returns the storage of a server that writes it.
    pub fn new(storage: vault_plugin::Storage) -> Self {
        Self {
            storage,
            reads_snapshots: false,
        }
    }

    /// Returns the storage of a standby. If the storage has transactions, each attempt of a request reads in one of
    /// them.
    pub async fn of_standby(storage: vault_plugin::Storage) -> Self {
        let asked = tokio::time::timeout(Duration::from_secs(2), storage.is_transactional());
        let reads_snapshots = matches!(asked.await, Ok(Ok(true)));
        Self {
            storage,
            reads_snapshots,
        }
    }
}

#[async_trait]
impl Storage for VaultStorage {
    fn snapshot(&self) -> Option<Arc<dyn Storage>> {
        let snapshot = || Arc::new(Snapshot::new(self.storage.clone())) as Arc<dyn Storage>;
        self.reads_snapshots.then(snapshot)
    }

    async fn get(&self, key: &str) -> Result<Option<StorageEntry>> {
        self.storage.get(key).await.map_err(error)
    }

    async fn put(&self, entry: StorageEntry) -> Result<()> {
        self.storage.put(entry).await.map_err(error)
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.storage.delete(key).await.map_err(error)
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>> {
        self.storage.list(folder).await.map_err(error)
    }

    async fn list_page(&self, folder: &str, after: &str, limit: usize) -> Result<Vec<String>> {
        self.storage
            .list_page(folder, after, page_limit(limit))
            .await
            .map_err(error)
    }

    async fn begin(&self) -> Result<Option<Box<dyn StorageTransaction>>> {
        match self.storage.begin_tx().await {
            Ok(transaction) => Ok(Some(Box::new(Transaction(Some(transaction))))),
            Err(ServerError::NotTransactional) => Ok(None),
            Err(other) => Err(error(other)),
        }
    }
}

/// A storage transaction of OpenBao, until it is ended.
struct Transaction(Option<vault_plugin::StorageTransaction>);

impl Transaction {
    fn open(&self) -> Result<&vault_plugin::StorageTransaction> {
        self.0.as_ref().ok_or_else(ended)
    }

    fn end(&mut self) -> Result<vault_plugin::StorageTransaction> {
        self.0.take().ok_or_else(ended)
    }
}

fn ended() -> Error {
    Error::Backend("the storage transaction has ended".into())
}

#[async_trait]
impl StorageTransaction for Transaction {
    async fn put(&mut self, entry: StorageEntry) -> Result<()> {
        self.open()?.put(entry).await.map_err(error)
    }

    async fn delete(&mut self, key: &str) -> Result<()> {
        self.open()?.delete(key).await.map_err(error)
    }

    async fn commit(&mut self) -> Result<()> {
        self.end()?.commit().await.map_err(error)
    }

    async fn rollback(&mut self) -> Result<()> {
        self.end()?.rollback().await.map_err(error)
    }
}

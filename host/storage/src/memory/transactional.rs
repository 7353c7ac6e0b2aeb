//! Storage in memory that has transactions of its own, as OpenBao's storage does.

use super::MemoryStorage;
use crate::{Result, Storage, StorageEntry, StorageTransaction};
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A [`MemoryStorage`] with transactions.
#[derive(Debug, Default)]
pub struct TransactionalStorage {
    memory: Arc<MemoryStorage>,
    open: Arc<AtomicUsize>,
}

impl TransactionalStorage {
    /// Creates an empty storage.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the storage of its entries.
    pub fn memory(&self) -> &Arc<MemoryStorage> {
        &self.memory
    }

    /// Returns the number of transactions that have begun and not ended.
    pub fn open_transactions(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Storage for TransactionalStorage {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>> {
        self.memory.get(key).await
    }

    async fn put(&self, entry: StorageEntry) -> Result<()> {
        self.memory.put(entry).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.memory.delete(key).await
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>> {
        self.memory.list(folder).await
    }

    async fn list_page(&self, folder: &str, after: &str, limit: usize) -> Result<Vec<String>> {
        self.memory.list_page(folder, after, limit).await
    }

    async fn begin(&self) -> Result<Option<Box<dyn StorageTransaction>>> {
        self.open.fetch_add(1, Ordering::SeqCst);
        let (memory, open) = (self.memory.clone(), self.open.clone());
        Ok(Some(Box::new(Transaction {
            memory,
            open,
            writes: Vec::new(),
            ended: false,
        })))
    }
}

struct Transaction {
    memory: Arc<MemoryStorage>,
    open: Arc<AtomicUsize>,
    writes: Vec<(String, Option<StorageEntry>)>,
    ended: bool,
}

impl Transaction {
    fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.open.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[async_trait]
impl StorageTransaction for Transaction {
    async fn put(&mut self, entry: StorageEntry) -> Result<()> {
        self.writes.push((entry.key.clone(), Some(entry)));
        Ok(())
    }

    async fn delete(&mut self, key: &str) -> Result<()> {
        self.writes.push((key.to_owned(), None));
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        self.memory.apply(std::mem::take(&mut self.writes));
        self.end();
        Ok(())
    }

    async fn rollback(&mut self) -> Result<()> {
        self.writes.clear();
        self.end();
        Ok(())
    }
}

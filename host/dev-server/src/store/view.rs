//! The part of the store that belongs to one mount.

use std::sync::Arc;

use airlock_storage::{Error, Rejection, Result, Storage, StorageEntry, StorageTransaction};
use async_trait::async_trait;

use super::{Change, Store};
use crate::effects::RequestId;

/// The entries below a prefix, as a mount's storage.
///
/// Writes wait for the disk, so they run on threads for blocking work. Reads come from the database's cache and run
/// directly.
#[derive(Clone)]
pub(crate) struct View {
    store: Arc<Store>,
    prefix: Arc<str>,
}

impl View {
    /// Makes the storage of the mount with this id.
    pub(crate) fn of_mount(store: Arc<Store>, uuid: &str) -> View {
        View {
            store,
            prefix: format!("logical/{uuid}/").into(),
        }
    }

    /// Removes all entries in one transaction.
    pub(crate) async fn wipe(&self) -> Result<()> {
        let entries = self.store.entries(&self.prefix)?;
        self.write(
            entries
                .into_iter()
                .map(|entry| Change::Delete(entry.key))
                .collect(),
        )
        .await
    }

    /// Returns the key below this prefix that a key of the store is, or `None` if it is another mount's.
    pub(crate) fn own<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(&*self.prefix)
    }

    fn key(&self, key: &str) -> Result<String> {
        if key.contains("..") {
            return Err(Error::rejected(Rejection::Key, "relative paths not supported")); // Vault's text
        }
        Ok(format!("{}{key}", self.prefix))
    }

    fn put_change(&self, entry: StorageEntry) -> Result<Change> {
        Ok(Change::Put(StorageEntry {
            key: self.key(&entry.key)?,
            ..entry
        }))
    }

    async fn write(&self, changes: Vec<Change>) -> Result<()> {
        let (store, request) = (Arc::clone(&self.store), RequestId::current());
        let write = move || {
            let before = store.write(&changes)?;
            if let Some(request) = request {
                for (change, before) in changes.iter().zip(&before) {
                    let (key, after) = match change {
                        Change::Put(entry) => (&entry.key, Some(entry)),
                        Change::Delete(key) => (key, None),
                    };
                    store.watched.changed(request, key, before.as_ref(), after);
                }
            }
            Ok(())
        };
        let written = tokio::task::spawn_blocking(write).await;
        written.unwrap_or_else(|_| Err(Error::Backend("the server is shutting down".to_owned())))
    }
}

#[async_trait]
impl Storage for View {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>> {
        let found = self.store.get(&self.key(key)?)?;
        Ok(found.map(|entry| StorageEntry {
            key: key.to_owned(),
            ..entry
        }))
    }

    async fn put(&self, entry: StorageEntry) -> Result<()> {
        self.write(vec![self.put_change(entry)?]).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.write(vec![Change::Delete(self.key(key)?)]).await
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>> {
        self.list_page(folder, "", usize::MAX).await
    }

    async fn list_page(&self, folder: &str, after: &str, limit: usize) -> Result<Vec<String>> {
        self.store.list(&self.key(folder)?, after, limit)
    }

    async fn begin(&self) -> Result<Option<Box<dyn StorageTransaction>>> {
        Ok(Some(Box::new(Held {
            view: self.clone(),
            changes: Vec::new(),
        })))
    }
}

/// A transaction that collects its writes and makes them together at the commit.
struct Held {
    view: View,
    changes: Vec<Change>,
}

#[async_trait]
impl StorageTransaction for Held {
    async fn put(&mut self, entry: StorageEntry) -> Result<()> {
        self.changes.push(self.view.put_change(entry)?);
        Ok(())
    }

    async fn delete(&mut self, key: &str) -> Result<()> {
        self.changes.push(Change::Delete(self.view.key(key)?));
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        self.view.write(std::mem::take(&mut self.changes)).await
    }

    async fn rollback(&mut self) -> Result<()> {
        self.changes.clear();
        Ok(())
    }
}

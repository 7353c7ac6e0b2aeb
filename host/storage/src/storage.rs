//! The storage of one mount, as this crate needs it: Vault's `logical.Storage`.

use crate::{Error, Result, StorageEntry, names};
use async_trait::async_trait;
use std::sync::Arc;

/// The storage of a mount's entries: Vault over the plugin broker, [`MemoryStorage`](crate::MemoryStorage), a file.
///
/// One call is one round trip and is atomic; [`Mount`](crate::Mount) provides what spans several calls. All calls may
/// run at the same time as any other.
///
/// **Errors.** A write has three outcomes: done; not done, with [`Error::ReadOnly`] if the storage takes no writes now
/// and [`Error::Rejected`] if it never will take this one; or unknown, with any other error, as a rule
/// [`Error::Backend`]. This crate tries a write again only if its outcome is unknown. A call may still take effect
/// after its future is dropped.
///
/// ```
/// use airlock_storage::{Error, MemoryStorage, Result, Storage, StorageEntry};
/// use async_trait::async_trait;
///
/// /// Storage that takes no writes any more.
/// struct Archive(MemoryStorage);
///
/// #[async_trait]
/// impl Storage for Archive {
///     async fn get(&self, key: &str) -> Result<Option<StorageEntry>> {
///         self.0.get(key).await
///     }
///
///     async fn list(&self, folder: &str) -> Result<Vec<String>> {
///         self.0.list(folder).await
///     }
///
///     async fn put(&self, _: StorageEntry) -> Result<()> {
///         Err(Error::ReadOnly)
///     }
///
///     async fn delete(&self, _: &str) -> Result<()> {
///         Err(Error::ReadOnly)
///     }
/// }
/// ```
#[async_trait]
pub trait Storage: Send + Sync + 'static {
    /// Returns the entry under a key, if there is one.
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>>;

    /// Stores an entry in place of any other under its key.
    async fn put(&self, entry: StorageEntry) -> Result<()>;

    /// Removes a key. Deleting a missing key is not an error.
    async fn delete(&self, key: &str) -> Result<()>;

    /// Returns the names directly below `folder` (empty, or ending in `/`), in byte order, relative to it; a folder's
    /// name ends in `/`. A folder exists as long as it contains a key.
    async fn list(&self, folder: &str) -> Result<Vec<String>>;

    /// Returns at most `limit` of these names (at least 1) that come after `after` (empty: from the start).
    async fn list_page(&self, folder: &str, after: &str, limit: usize) -> Result<Vec<String>> {
        Ok(names::page(self.list(folder).await?, after, limit))
    }

    /// Returns a storage for what one attempt of a request reads, so that all its reads see one consistent snapshot.
    /// `None`: this storage does not need one, because nobody else writes to it.
    ///
    /// A standby's storage needs it: the active node's commits arrive there whole, but the notice of which keys changed
    /// comes later.
    fn snapshot(&self) -> Option<Arc<dyn Storage>> {
        None
    }

    /// Begins a transaction of the storage's own, in which several writes are stored together or not at all. `None`:
    /// the storage has no transactions (Vault). Called before every commit of several writes, so remember the answer if
    /// it costs a call.
    async fn begin(&self) -> Result<Option<Box<dyn StorageTransaction>>> {
        Ok(None)
    }
}

/// A transaction of the storage's own, as OpenBao offers: writes that are stored together.
///
/// Each transaction is ended, whatever happens: by a [`commit`](Self::commit) that succeeds, otherwise by one call of
/// [`rollback`](Self::rollback), also after a commit that failed.
#[async_trait]
pub trait StorageTransaction: Send + 'static {
    /// Stores an entry within the transaction.
    async fn put(&mut self, entry: StorageEntry) -> Result<()>;

    /// Removes a key within the transaction. Deleting a missing key is not an error.
    async fn delete(&mut self, key: &str) -> Result<()>;

    /// Makes all writes take effect at once. [`Error::Conflict`](crate::Error::Conflict) and
    /// [`Error::Rejected`](crate::Error::Rejected) say that none did; after any other error they may have.
    async fn commit(&mut self) -> Result<()>;

    /// Discards the writes.
    async fn rollback(&mut self) -> Result<()>;
}

/// A mount without storage, as at registration: every call fails.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoStorage;

impl NoStorage {
    fn error<T>() -> Result<T> {
        Err(Error::Backend("this mount has no storage".into()))
    }
}

#[async_trait]
impl Storage for NoStorage {
    async fn get(&self, _: &str) -> Result<Option<StorageEntry>> {
        Self::error()
    }
    async fn put(&self, _: StorageEntry) -> Result<()> {
        Self::error()
    }
    async fn delete(&self, _: &str) -> Result<()> {
        Self::error()
    }
    async fn list(&self, _: &str) -> Result<Vec<String>> {
        Self::error()
    }
}

//! The storage of one mount, as this crate needs it: Vault's `logical.Storage`.

use crate::{Entry, Error, Result, names};
use async_trait::async_trait;
use std::sync::Arc;

/// What holds a mount's entries: Vault over the plugin broker, [`MemoryStorage`](crate::MemoryStorage), a file.
///
/// One call is one round trip, done or not; what spans several calls is what [`Mount`](crate::Mount) is for. All calls
/// may run at the same time as any other.
///
/// **Errors.** A write has three outcomes: done; not done, with [`Error::ReadOnly`] if the storage takes no writes now and
/// [`Error::Rejected`] if it never will take this one; or unknown, with any other error, as a rule [`Error::Backend`]. Callers
/// here try a write again only if its outcome is unknown. A future that is dropped may still take effect.
#[async_trait]
pub trait Storage: Send + Sync + 'static {
    /// The entry under a key, if there is one.
    async fn get(&self, key: &str) -> Result<Option<Entry>>;

    /// Stores an entry in place of any other under its key.
    async fn put(&self, entry: Entry) -> Result<()>;

    /// Removes a key; a missing one is no error.
    async fn delete(&self, key: &str) -> Result<()>;

    /// The names directly below `folder` (empty, or ending in `/`), in byte order, relative to it; a folder's name ends
    /// in `/`. A folder exists as long as it holds a key.
    async fn list(&self, folder: &str) -> Result<Vec<String>>;

    /// At most `limit` of these names (at least 1) that come after `after` (empty: from the start).
    async fn list_page(&self, folder: &str, after: &str, limit: usize) -> Result<Vec<String>> {
        Ok(names::page(self.list(folder).await?, after, limit))
    }

    /// The storage for what one attempt of a request reads, all of it as at one moment. `None`: this storage needs no such
    /// thing, because nobody else writes it.
    ///
    /// A standby's storage needs it: the active node's commits arrive whole there, but word of their keys comes later.
    fn snapshot(&self) -> Option<Arc<dyn Storage>> {
        None
    }

    /// Begins a transaction of the storage's own, in which several writes are stored together or not at all. `None`: it
    /// has none (Vault). Asked before every commit of several writes, so an answer that costs a call is best remembered.
    async fn begin(&self) -> Result<Option<Box<dyn StorageTransaction>>> {
        Ok(None)
    }
}

/// A transaction of the storage's own, as OpenBao offers: writes that are stored together.
///
/// Each one is ended, whatever happens: by a [`commit`](Self::commit) that succeeds, else by one call of
/// [`rollback`](Self::rollback), also after a commit that failed.
#[async_trait]
pub trait StorageTransaction: Send + 'static {
    /// Stores an entry within the transaction.
    async fn put(&mut self, entry: Entry) -> Result<()>;

    /// Removes a key within the transaction; a missing one is no error.
    async fn delete(&mut self, key: &str) -> Result<()>;

    /// Makes the writes take effect, all at once. [`Error::Conflict`](crate::Error::Conflict) and
    /// [`Error::Rejected`](crate::Error::Rejected) say that none did; after any other error they may have.
    async fn commit(&mut self) -> Result<()>;

    /// Gives the writes up.
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
    async fn get(&self, _: &str) -> Result<Option<Entry>> {
        Self::error()
    }
    async fn put(&self, _: Entry) -> Result<()> {
        Self::error()
    }
    async fn delete(&self, _: &str) -> Result<()> {
        Self::error()
    }
    async fn list(&self, _: &str) -> Result<Vec<String>> {
        Self::error()
    }
}

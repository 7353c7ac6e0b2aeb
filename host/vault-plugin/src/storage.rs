//! A mount's storage, which the server keeps encrypted and no other mount can see.
//!
//! [`Storage`] is cheap to clone and may be used from many tasks. Each call is a round trip to the server. Keys are
//! relative to the mount, without a leading slash.
//!
//! OpenBao adds transactions and pages of a list. On Vault, [`Storage::begin_tx`] fails with
//! [`ServerError::NotTransactional`], and [`Storage::list_page`] reads the whole list and cuts the page out of it.

mod transaction;
mod view;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use airlock_logical::StorageEntry;
use tokio::sync::OnceCell;

use crate::ServerError;
use crate::link::{Link, check};
use crate::methods::{Method, storage as methods};
use crate::proto::pb;

pub use transaction::StorageTransaction;
use view::View;

/// A mount's storage.
///
/// ```
/// use vault_plugin::{Error, Storage, StorageEntry};
///
/// /// Moves an entry to another key.
/// async fn rename(storage: &Storage, from: &str, to: &str) -> Result<(), Error> {
///     let Some(entry) = storage.get(from).await? else {
///         return Err(Error::User(format!("there is no {from}")));
///     };
///     storage.put(StorageEntry { key: to.to_owned(), ..entry }).await?;
///     storage.delete(from).await?;
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Storage {
    view: View,
    transactional: Arc<OnceCell<bool>>,
}

impl Storage {
    pub(crate) fn new(link: Arc<Link>) -> Storage {
        let view = View {
            link,
            transaction: Arc::from(""),
            pages_unknown: Arc::new(AtomicBool::new(false)),
        };
        Storage {
            view,
            transactional: Arc::default(),
        }
    }

    /// Returns the entry under a key, or `None` if the key is missing.
    ///
    /// # Errors
    /// [`ServerError::RelativePath`] for a key with `..`; [`ServerError::UnstorableKey`] for another key that storage
    /// cannot hold; [`ServerError::PleaseForward`] on a standby that cannot read; [`ServerError::Closed`] once the
    /// mount is taken down; [`ServerError::Failed`] and [`ServerError::Unanswered`] if storage fails.
    pub async fn get(&self, key: &str) -> Result<Option<StorageEntry>, ServerError> {
        self.view.get(key).await
    }

    /// Stores an entry in place of any other under its key.
    ///
    /// # Errors
    /// Those of [`Storage::get`]; [`ServerError::ReadOnly`] on a standby; [`ServerError::SetupReadOnly`] before
    /// [`crate::Backend::initialize`]; [`ServerError::TooLarge`]. After [`ServerError::Failed`],
    /// [`ServerError::Unanswered`], [`ServerError::LostLeadership`] and [`ServerError::Closed`] the entry may be stored;
    /// after any other error it certainly is not.
    pub async fn put(&self, entry: StorageEntry) -> Result<(), ServerError> {
        self.view.put(entry).await
    }

    /// Removes a key. Removing a missing key succeeds.
    ///
    /// # Errors
    /// Those of [`Storage::put`].
    pub async fn delete(&self, key: &str) -> Result<(), ServerError> {
        self.view.delete(key).await
    }

    /// Returns the names directly below a prefix that is empty or ends in `/`; folders end in `/`.
    ///
    /// # Errors
    /// Those of [`Storage::get`].
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, ServerError> {
        self.view.list(prefix).await
    }

    /// Returns at most `limit` of those names, in order, beginning with the first that comes after `after` (empty: from
    /// the start).
    ///
    /// # Errors
    /// Those of [`Storage::get`].
    pub async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, ServerError> {
        self.view.list_page(prefix, after, limit).await
    }

    /// Returns true if [`Storage::begin_tx`] works here. Asks the server once for each mount.
    ///
    /// # Errors
    /// Those of [`Storage::get`].
    pub async fn is_transactional(&self) -> Result<bool, ServerError> {
        let ask = || async {
            let call = self.view.link.call(&methods::IS_TRANSACTIONAL, &pb::Empty {});
            match call.await {
                Ok(reply) => Ok(reply.transactional),
                Err(ServerError::Unsupported(_)) => Ok(false),
                Err(error) => Err(error),
            }
        };
        self.transactional.get_or_try_init(ask).await.copied()
    }

    /// Begins a transaction that reads and writes.
    ///
    /// # Errors
    /// [`ServerError::NotTransactional`] if the server has no transactions; otherwise those of [`Storage::get`].
    pub async fn begin_tx(&self) -> Result<StorageTransaction, ServerError> {
        self.begin(&methods::BEGIN_TX).await
    }

    /// Begins a transaction that only reads, all of it from one consistent snapshot.
    ///
    /// # Errors
    /// Those of [`Storage::begin_tx`].
    pub async fn begin_read_only_tx(&self) -> Result<StorageTransaction, ServerError> {
        self.begin(&methods::BEGIN_READ_ONLY_TX).await
    }

    async fn begin(
        &self,
        method: &Method<pb::Empty, pb::StorageBeginTxReply>,
    ) -> Result<StorageTransaction, ServerError> {
        if !self.is_transactional().await? {
            return Err(ServerError::NotTransactional);
        }
        let reply = self.view.link.call(method, &pb::Empty {}).await?;
        check(method.name, reply.err)?;
        if reply.txn.is_empty() {
            // Without a name the calls would go to plain storage.
            return Err(ServerError::Failed {
                call: method.name,
                message: "the server named no transaction".to_owned(),
            });
        }
        Ok(StorageTransaction::new(View {
            transaction: Arc::from(reply.txn),
            ..self.view.clone()
        }))
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storage").finish_non_exhaustive()
    }
}

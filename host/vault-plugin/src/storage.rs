//! A mount's storage, which the server keeps encrypted and no other mount can see.
//!
//! [`Storage`] is cheap to clone and may be used from many tasks. Each call is a round trip to the server. Keys are
//! relative to the mount, without a leading slash.
//!
//! OpenBao adds transactions and pages of a list. On Vault [`Storage::begin_tx`] answers [`Error::NotTransactional`],
//! and [`Storage::list_page`] reads the whole list and cuts the page out of it.

mod transaction;
mod view;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use tokio::sync::OnceCell;

use crate::Error;
use crate::link::{Link, check};
use crate::proto::pb;
use crate::redact::hidden;

pub use transaction::StorageTransaction;
use view::{View, client};

/// What storage keeps under a key.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StorageEntry {
    /// Relative to the mount.
    pub key: String,
    /// Any bytes. Servers on integrated storage refuse more than 1 MiB by default.
    pub value: Bytes,
    /// Whether to wrap it with the seal's key too, where the server has one that can.
    pub seal_wrap: bool,
}

impl StorageEntry {
    /// An entry without seal wrapping.
    pub fn new(key: impl Into<String>, value: impl Into<Bytes>) -> StorageEntry {
        StorageEntry {
            key: key.into(),
            value: value.into(),
            seal_wrap: false,
        }
    }
}

/// Neither key nor value.
impl fmt::Debug for StorageEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StorageEntry")
            .field("key", &hidden(&self.key))
            .field("value", &crate::redact::Hidden(self.value.len()))
            .field("seal_wrap", &self.seal_wrap)
            .finish()
    }
}

/// A mount's storage.
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

    /// The entry under a key, none where there is none.
    ///
    /// # Errors
    /// [`Error::RelativePath`] for a key with `..` and [`Error::UnstorableKey`] for another that storage cannot hold;
    /// [`Error::PleaseForward`] on a standby that cannot read;
    /// [`Error::Closed`] once the mount is taken down; [`Error::Server`] and [`Error::Unanswered`] where storage fails.
    pub async fn get(&self, key: &str) -> Result<Option<StorageEntry>, Error> {
        self.view.get(key).await
    }

    /// Stores an entry in place of what its key held.
    ///
    /// # Errors
    /// As [`Storage::get`]; and [`Error::ReadOnly`] on a standby, [`Error::SetupReadOnly`] before
    /// [`crate::Backend::initialize`], [`Error::TooLarge`]. After these the entry is certainly not stored; after
    /// [`Error::Server`], [`Error::Unanswered`] and [`Error::Closed`] it may be.
    pub async fn put(&self, entry: StorageEntry) -> Result<(), Error> {
        self.view.put(entry).await
    }

    /// Removes a key; removing one that is not there succeeds.
    ///
    /// # Errors
    /// As [`Storage::put`].
    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        self.view.delete(key).await
    }

    /// The names directly below a prefix that is empty or ends in `/`; folders end in `/`.
    ///
    /// # Errors
    /// As [`Storage::get`].
    pub async fn list(&self, prefix: &str) -> Result<Vec<String>, Error> {
        self.view.list(prefix).await
    }

    /// At most `limit` of those names, in order, from the first that comes after `after` (empty: from the start).
    ///
    /// # Errors
    /// As [`Storage::get`].
    pub async fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, Error> {
        self.view.list_page(prefix, after, limit).await
    }

    /// Whether [`Storage::begin_tx`] works here. Asked of the server once for each mount.
    ///
    /// # Errors
    /// As [`Storage::get`].
    pub async fn is_transactional(&self) -> Result<bool, Error> {
        let ask = || async {
            let call = self.view.link.call("storage is transactional", |channel| async {
                client(channel).is_transactional(pb::Empty {}).await
            });
            match call.await {
                Ok(reply) => Ok(reply.transactional),
                Err(Error::Unsupported(_)) => Ok(false),
                Err(error) => Err(error),
            }
        };
        self.transactional.get_or_try_init(ask).await.copied()
    }

    /// Begins a transaction that reads and writes.
    ///
    /// # Errors
    /// [`Error::NotTransactional`] where the server has none; else as [`Storage::get`].
    pub async fn begin_tx(&self) -> Result<StorageTransaction, Error> {
        const NAME: &str = "storage begin transaction";
        self.require_transactions().await?;
        let begin = |channel| async { client(channel).begin_tx(pb::Empty {}).await };
        self.begun(NAME, self.view.link.call(NAME, begin).await?)
    }

    /// Begins a transaction that only reads, all of it as at one moment.
    ///
    /// # Errors
    /// As [`Storage::begin_tx`].
    pub async fn begin_read_only_tx(&self) -> Result<StorageTransaction, Error> {
        const NAME: &str = "storage begin read-only transaction";
        self.require_transactions().await?;
        let begin = |channel| async { client(channel).begin_read_only_tx(pb::Empty {}).await };
        self.begun(NAME, self.view.link.call(NAME, begin).await?)
    }

    async fn require_transactions(&self) -> Result<(), Error> {
        if self.is_transactional().await? {
            Ok(())
        } else {
            Err(Error::NotTransactional)
        }
    }

    fn begun(&self, name: &'static str, reply: pb::StorageBeginTxReply) -> Result<StorageTransaction, Error> {
        check(name, reply.err)?;
        if reply.txn.is_empty() {
            // Without a name the calls would go to plain storage.
            return Err(Error::Server {
                call: name,
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

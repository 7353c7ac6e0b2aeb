//! Storage calls, counted, and each a span of its request's trace.

use crate::leadership::Era;
use crate::storage::StorageTransaction;
use crate::transaction::writes::Write;
use crate::{Error, Result, Storage, StorageEntry, Usage};
use airlock_logical::trace::{TARGET, size_class};
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::Arc;
use tracing::Span;
use tracing::field::Empty;

/// The storage calls of one request, its flushes included.
pub(crate) struct Calls {
    storage: Arc<dyn Storage>,
    usage: Arc<Mutex<Usage>>,
    /// The era in which the request began.
    pub(crate) era: Era,
}

/// A call that begins a transaction of the storage's own.
pub(crate) type Begin = Pin<Box<dyn Future<Output = Result<Option<Box<dyn StorageTransaction>>>> + Send>>;

/// Begins the span of a call. It says nothing of the key.
macro_rules! span {
    ($name:literal) => {
        tracing::trace_span!(target: TARGET, $name, outcome = Empty, size = Empty)
    };
}

/// Ends the span of a call that moved so many bytes.
fn end<T>(span: Span, result: &Result<T>, bytes: impl FnOnce(&T) -> u64) {
    if span.is_disabled() {
        return;
    }
    match result {
        Ok(answer) => span
            .record("outcome", "ok")
            .record("size", size_class(bytes(answer))),
        Err(error) => span.record("outcome", error.kind()),
    };
}

impl Calls {
    pub(crate) fn new(storage: Arc<dyn Storage>, era: Era) -> Self {
        Self {
            storage,
            usage: Arc::default(),
            era,
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        *self.usage.lock()
    }

    pub(crate) fn count(&self, count: impl FnOnce(&mut Usage)) {
        count(&mut self.usage.lock());
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Option<StorageEntry>> {
        let span = span!("storage.get");
        let entry = self.storage.get(key).await;
        end(span, &entry, |entry| bytes_of(entry.as_ref()));
        self.count(|usage| {
            usage.gets += 1;
            usage.bytes_read += bytes_of(entry.as_ref().ok().and_then(Option::as_ref));
        });
        entry
    }

    /// Lists all names, or with `page` at most that many names after the given one.
    pub(crate) async fn list(&self, folder: &str, page: Option<(&str, usize)>) -> Result<Vec<String>> {
        let span = span!("storage.list");
        let names = match page {
            None => self.storage.list(folder).await,
            Some((after, limit)) => self.storage.list_page(folder, after, limit).await,
        };
        end(span, &names, |names| bytes_in(names));
        self.count(|usage| {
            usage.lists += 1;
            usage.bytes_read += names.as_ref().map_or(0, |names| bytes_in(names));
        });
        names
    }

    pub(crate) async fn put(&self, entry: StorageEntry) -> Result<()> {
        self.count_put(&entry);
        let (span, bytes) = (span!("storage.put"), bytes_of(Some(&entry)));
        let put = self.era.write(self.storage.put(entry)).await;
        end(span, &put, |()| bytes);
        put
    }

    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        self.count_delete(key);
        let span = span!("storage.delete");
        let deleted = self.era.write(self.storage.delete(key)).await;
        end(span, &deleted, |()| 0);
        match deleted {
            // Storage never contains a key that it cannot hold, and deleting a missing key is not an error.
            Err(Error::Rejected { .. }) => Ok(()),
            answer => answer,
        }
    }

    pub(crate) async fn write(&self, write: &Write) -> Result<()> {
        match write {
            Write::Put(entry) => self.put(entry.clone()).await,
            Write::Delete(key) => self.delete(key).await,
        }
    }

    /// Returns a future that owns what it needs, so that it can be awaited after the request has stopped waiting.
    pub(crate) fn begin(&self) -> Begin {
        let (storage, usage, era) = (self.storage.clone(), self.usage.clone(), self.era.clone());
        Box::pin(async move {
            let span = span!("storage.begin");
            let begun = era.write(storage.begin()).await;
            end(span, &begun, |_| 0);
            // Makes no call if the storage has no transactions.
            usage.lock().transaction_calls += u64::from(!matches!(begun, Ok(None)));
            begun
        })
    }

    pub(crate) async fn write_in(
        &self,
        transaction: &mut dyn StorageTransaction,
        write: &Write,
    ) -> Result<()> {
        match write {
            Write::Put(entry) => {
                self.count_put(entry);
                let (span, bytes) = (span!("storage.put"), bytes_of(Some(entry)));
                let put = self.era.write(transaction.put(entry.clone())).await;
                end(span, &put, |()| bytes);
                put
            }
            Write::Delete(key) => {
                self.count_delete(key);
                let span = span!("storage.delete");
                let deleted = self.era.write(transaction.delete(key)).await;
                end(span, &deleted, |()| 0);
                deleted
            }
        }
    }

    pub(crate) async fn commit(&self, transaction: &mut dyn StorageTransaction) -> Result<()> {
        self.count(|usage| usage.transaction_calls += 1);
        let span = span!("storage.commit");
        let committed = self.era.write(transaction.commit()).await;
        end(span, &committed, |()| 0);
        committed
    }

    pub(crate) async fn rollback(&self, transaction: &mut dyn StorageTransaction) -> Result<()> {
        self.count(|usage| usage.transaction_calls += 1);
        let span = span!("storage.rollback");
        let rolled_back = transaction.rollback().await;
        end(span, &rolled_back, |()| 0);
        rolled_back
    }

    fn count_put(&self, entry: &StorageEntry) {
        self.count(|usage| {
            usage.puts += 1;
            usage.bytes_written += entry.key.len() as u64 + bytes_of(Some(entry));
        });
    }

    fn count_delete(&self, key: &str) {
        self.count(|usage| {
            usage.deletes += 1;
            usage.bytes_written += key.len() as u64;
        });
    }
}

fn bytes_in(names: &[String]) -> u64 {
    names.iter().map(|name| name.len() as u64).sum()
}

fn bytes_of(entry: Option<&StorageEntry>) -> u64 {
    entry.map_or(0, |entry| entry.value.len() as u64)
}

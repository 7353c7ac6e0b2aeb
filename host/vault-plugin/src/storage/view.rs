//! The storage calls that exist with and without a transaction.

use airlock_logical::StorageEntry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::ServerError;
use crate::link::{Link, check_about};
use crate::methods::storage as methods;
use crate::proto::pb;

/// The storage as one transaction sees it, or without a transaction if `transaction` is empty.
#[derive(Clone)]
pub(super) struct View {
    pub(super) link: Arc<Link>,
    pub(super) transaction: Arc<str>,
    /// Set once the server has said that it does not know pages.
    pub(super) pages_unknown: Arc<AtomicBool>,
}

impl View {
    pub(super) async fn get(&self, key: &str) -> Result<Option<StorageEntry>, ServerError> {
        let args = pb::StorageGetArgs {
            key: key.to_owned(),
            txn: self.txn(),
        };
        let reply = self.link.call_about(&methods::GET, key, &args).await?;
        check_about(methods::GET.name, key, reply.err)?;
        Ok(reply.entry.map(StorageEntry::from))
    }

    pub(super) async fn put(&self, entry: StorageEntry) -> Result<(), ServerError> {
        let key = entry.key.clone();
        let args = pb::StoragePutArgs {
            entry: Some(entry.into()),
            txn: self.txn(),
        };
        let reply = self.link.call_about(&methods::PUT, &key, &args).await?;
        check_about(methods::PUT.name, &key, reply.err)
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), ServerError> {
        let args = pb::StorageDeleteArgs {
            key: key.to_owned(),
            txn: self.txn(),
        };
        let reply = self.link.call_about(&methods::DELETE, key, &args).await?;
        check_about(methods::DELETE.name, key, reply.err)
    }

    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<String>, ServerError> {
        let args = pb::StorageListArgs {
            prefix: prefix.to_owned(),
            txn: self.txn(),
        };
        let reply = self.link.call_about(&methods::LIST, prefix, &args).await?;
        check_about(methods::LIST.name, prefix, reply.err)?;
        Ok(reply.keys)
    }

    pub(super) async fn list_page(
        &self,
        prefix: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>, ServerError> {
        // The server would take a limit of zero as no limit.
        if limit == 0 {
            return Ok(Vec::new());
        }
        if !self.pages_unknown.load(Ordering::Relaxed) {
            match self.server_page(prefix, after, limit).await {
                Err(ServerError::Unsupported(_)) => self.pages_unknown.store(true, Ordering::Relaxed),
                answer => return answer,
            }
        }
        Ok(cut_page(self.list(prefix).await?, after, limit))
    }

    async fn server_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>, ServerError> {
        // Both are a caller's words. The line end prevents the end of one and the start of the other from forming a
        // phrase.
        let about = format!("{prefix}\n{after}");
        let args = pb::StorageListPageArgs {
            prefix: prefix.to_owned(),
            after: after.to_owned(),
            limit: i32::try_from(limit).unwrap_or(i32::MAX),
            txn: self.txn(),
        };
        let reply = self.link.call_about(&methods::LIST_PAGE, &about, &args).await?;
        check_about(methods::LIST_PAGE.name, &about, reply.err)?;
        Ok(reply.keys)
    }

    pub(super) fn txn(&self) -> String {
        self.transaction.to_string()
    }
}

fn cut_page(mut names: Vec<String>, after: &str, limit: u32) -> Vec<String> {
    names.retain(|name| name.as_str() > after);
    names.sort_unstable();
    names.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    names
}

impl From<pb::StorageEntry> for StorageEntry {
    fn from(wire: pb::StorageEntry) -> StorageEntry {
        StorageEntry {
            key: wire.key,
            value: wire.value,
            seal_wrap: wire.seal_wrap,
        }
    }
}

impl From<StorageEntry> for pb::StorageEntry {
    fn from(entry: StorageEntry) -> pb::StorageEntry {
        pb::StorageEntry {
            key: entry.key,
            value: entry.value,
            seal_wrap: entry.seal_wrap,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_starts_after_the_given_name_though_it_is_gone() {
        let names = || ["b", "a/", "d", "c"].map(String::from).to_vec();
        assert_eq!(cut_page(names(), "", 2), ["a/", "b"]);
        assert_eq!(cut_page(names(), "b", 2), ["c", "d"]);
        assert_eq!(cut_page(names(), "bb", 9), ["c", "d"]);
        assert_eq!(cut_page(names(), "d", 9), [""; 0]);
    }
}

//! One request's view of storage.

use crate::access::{HIDDEN, check_folder, check_key};
use crate::writes::{Write, Writes};
use crate::{Entry, Error, Mount, Result, Settings, Usage, names};
use bytes::Bytes;
use std::sync::Arc;

/// A request's transaction, or rather its transactions, one after the other: [`commit`](Self::commit) ends one and
/// begins the next. Dropping it gives up what was not committed.
pub struct Transaction {
    mount: Arc<Mount>,
    settings: Arc<Settings>,
    writes: Writes,
    usage: Usage,
    has_committed: bool,
}

impl Transaction {
    pub(crate) fn new(mount: Arc<Mount>, settings: Arc<Settings>) -> Self {
        Self {
            mount,
            settings,
            writes: Writes::default(),
            usage: Usage::default(),
            has_committed: false,
        }
    }

    /// The entry under a key, as this transaction would leave it.
    pub async fn get(&mut self, key: &str) -> Result<Option<Entry>> {
        check_key(key, &self.settings.storage)?;
        if let Some(own) = self.writes.get(key) {
            return Ok(own);
        }
        self.usage.gets += 1;
        let entry = self.mount.storage.get(key).await?;
        self.usage.bytes_read += entry.as_ref().map_or(0, |entry| entry.value.len() as u64);
        Ok(entry)
    }

    /// Holds an entry for the commit.
    pub async fn put(&mut self, entry: Entry) -> Result<()> {
        check_key(&entry.key, &self.settings.storage)?;
        check_size(
            "key",
            entry.key.len(),
            self.settings.max_key_bytes,
            "max_key_bytes",
        )?;
        check_size(
            "value",
            entry.value.len(),
            self.settings.max_value_bytes,
            "max_value_bytes",
        )?;
        self.writes.push(Write::Put(entry));
        Ok(())
    }

    /// Holds a deletion for the commit. A missing key is no error.
    pub async fn delete(&mut self, key: &str) -> Result<()> {
        check_key(key, &self.settings.storage)?;
        self.writes.push(Write::Delete(key.to_owned()));
        Ok(())
    }

    /// The names directly below a folder (empty, or ending in `/`) as this transaction would leave it, in byte order;
    /// folders end in `/`.
    pub async fn list(&mut self, folder: &str) -> Result<Vec<String>> {
        self.list_page(folder, "", usize::MAX).await
    }

    /// At most `limit` of these names that come after `after` (empty: from the start).
    pub async fn list_page(&mut self, folder: &str, after: &str, limit: usize) -> Result<Vec<String>> {
        check_folder(folder, &self.settings.storage)?;
        let changes = self.writes.changes_in(folder);
        let mut names = self
            .stored_names(
                folder,
                after,
                limit,
                changes.removed.len() + changes.thinned.len(),
            )
            .await?;
        names.retain(|name| !changes.removed.contains(name));
        for thinned in &changes.thinned {
            if let Ok(at) = names.binary_search(thinned)
                && Box::pin(self.list_page(&format!("{folder}{thinned}"), "", 1))
                    .await?
                    .is_empty()
            {
                names.remove(at);
            }
        }
        names.extend(changes.added);
        names.sort_unstable();
        names.dedup();
        Ok(names::page(names, after, limit))
    }

    /// A page of what storage has, with `spare` names more because as many may turn out to be gone.
    async fn stored_names(
        &mut self,
        folder: &str,
        after: &str,
        limit: usize,
        spare: usize,
    ) -> Result<Vec<String>> {
        let hidden = usize::from(folder.is_empty());
        let limit = limit.saturating_add(spare + hidden);
        self.usage.lists += 1;
        let mut names = if limit == usize::MAX && after.is_empty() {
            self.mount.storage.list(folder).await?
        } else {
            self.mount.storage.list_page(folder, after, limit).await?
        };
        self.usage.bytes_read += names.iter().map(|name| name.len() as u64).sum::<u64>();
        names.retain(|name| !(folder.is_empty() && name == HIDDEN));
        Ok(names)
    }

    /// Stores what was written, and begins the next transaction.
    ///
    /// A host calls it when its guest asks for it and when the guest returns success; when it returns an error, drop the
    /// transaction instead. [`Error::Conflict`]: run the guest again. After any other error the next transaction has
    /// begun as well, without what was held.
    pub async fn commit(&mut self) -> Result<()> {
        let writes = std::mem::take(&mut self.writes);
        self.has_committed = true;
        for (done, write) in writes.in_order().iter().enumerate() {
            let stored = match write {
                Write::Put(entry) => self.mount.storage.put(entry.clone()).await,
                Write::Delete(key) => self.mount.storage.delete(key).await,
            };
            stored.map_err(|cause| match cause {
                Error::ReadOnly if done == 0 => cause,
                cause => Error::Partial(Box::new(cause)),
            })?;
        }
        Ok(())
    }

    /// Whether a commit of this request has stored something, or may have. The request must then not be run again.
    pub fn has_committed(&self) -> bool {
        self.has_committed
    }

    /// Waits until no other request commits, for the rest of this transaction, and checks that what it read still
    /// stands. For calls with an effect elsewhere: after it, a commit cannot conflict.
    pub async fn take_turn(&mut self) -> Result<()> {
        Ok(())
    }

    /// Ends an existence check, and keeps what it read for the request with the same id: used once, for a few seconds,
    /// never for an empty id.
    ///
    /// That request's transaction then *continues* this one ([`Mount::begin_with_reads`]): it need not read again what
    /// was read here, and conflicts if that has changed since, because Vault's decision rests on it.
    pub fn keep_reads(self, request_id: &str) -> Result<()> {
        let _ = request_id;
        Ok(())
    }

    /// Whether this transaction continues the request's existence check. If it does not and Vault decided between
    /// *create* and *update*, repeat the check in this transaction and compare.
    pub fn continues_check(&self) -> bool {
        false
    }

    /// What scratch holds under a key, as this transaction would leave it.
    pub async fn scratch_get(&mut self, key: &str) -> Result<Option<Bytes>> {
        let _ = key;
        Ok(None)
    }

    /// Holds a scratch value for the commit.
    pub async fn scratch_put(&mut self, key: &str, value: Bytes) -> Result<()> {
        let _ = (key, value);
        Err(Error::ScratchFull {
            limit: self.settings.scratch_bytes,
        })
    }

    /// Holds the removal of a scratch value for the commit.
    pub async fn scratch_delete(&mut self, key: &str) -> Result<()> {
        let _ = key;
        Ok(())
    }

    /// What this request has cost so far.
    pub fn usage(&self) -> Usage {
        self.usage
    }
}

fn check_size(what: &'static str, bytes: usize, limit: usize, setting: &'static str) -> Result<()> {
    if bytes > limit {
        return Err(Error::TooLarge {
            what,
            bytes,
            limit,
            setting,
        });
    }
    Ok(())
}

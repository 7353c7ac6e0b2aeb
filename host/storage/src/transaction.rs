//! The view that one request has of storage.

mod begin;
pub(crate) mod check;
pub(crate) mod kept;
pub(crate) mod listing;
pub(crate) mod reads;
pub(crate) mod writes;

use crate::access::{check_key, check_scratch_key};
use crate::calls::Calls;
use crate::commit::lock::Exclusive;
use crate::conflict::caches::Asked;
use crate::conflict::counters::Thing;
use crate::conflict::ledger::Generation;
use crate::conflict::protocol::{self, Found};
use crate::conflict::scratch::{Scratch, ScratchWrites, Value};
use crate::replay::answers::Lookup;
use crate::replay::{Replay, Trace};
use crate::succession::{Committed, Term};
use crate::transaction::check::Aside;
use crate::transaction::listing::Budget;
use crate::transaction::reads::Reads;
use crate::transaction::writes::{Write, Writes};
use crate::{Error, Mount, Result, Settings, StorageEntry, Usage};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A request's transaction, or rather its sequence of transactions: [`commit`](Self::commit) ends one and begins the
/// next. Dropping it discards what was not committed.
///
/// Reads see the transaction's own writes. Any call may fail with [`Error::Conflict`]: see [`commit`](Self::commit).
pub struct Transaction {
    pub(crate) mount: Arc<Mount>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) generation: Generation,
    pub(crate) calls: Arc<Calls>,
    pub(crate) budget: Option<Arc<dyn Budget>>,
    pub(crate) lock: Lock,
    pub(crate) reads: Reads,
    pub(crate) writes: Writes,
    pub(crate) scratch: ScratchWrites,
    /// Within an existence check: what was written before the check.
    pub(crate) around_check: Option<Aside>,
    /// True after a conflict: nothing that it reads can be relied on.
    pub(crate) stale: bool,
    /// True if the storage itself reads from a consistent snapshot.
    pub(crate) is_snapshot: bool,
    pub(crate) has_committed: bool,
    /// The term of the guest that began it.
    pub(crate) term: Term,
    /// Kept from the first commit or effect on, so that no other guest takes over before the request ends.
    pub(crate) committed: Option<Committed>,
    pub(crate) continues_check: bool,
    /// True if a commit is only acted out.
    pub(crate) is_trial: bool,
    /// The trace of this run, for a second one.
    pub(crate) traced: Option<Box<Trace>>,
    /// Set if this is the second run.
    pub(crate) replay: Option<Replay>,
}

/// The relation of a transaction to the commit lock.
pub(crate) enum Lock {
    /// The transaction shares the lock when it commits.
    None,
    /// The transaction must take the lock exclusively before it does anything, because the request has committed and
    /// cannot be run again.
    Due,
    /// The transaction holds the lock exclusively, unless its time is over.
    Held(Exclusive),
}

impl Transaction {
    pub(crate) fn new(
        mount: Arc<Mount>,
        settings: Arc<Settings>,
        generation: Generation,
        calls: Arc<Calls>,
        lock: Lock,
    ) -> Self {
        Self {
            mount,
            settings,
            generation,
            calls,
            budget: None,
            lock,
            reads: Reads::default(),
            writes: Writes::default(),
            scratch: ScratchWrites::default(),
            around_check: None,
            stale: false,
            is_snapshot: false,
            has_committed: false,
            term: Term::default(),
            committed: None,
            continues_check: false,
            is_trial: false,
            traced: None,
            replay: None,
        }
    }

    pub(crate) fn continue_check(&mut self, reads: Reads) {
        self.reads = reads;
        self.continues_check = true;
    }

    /// Returns true if this transaction continues the request's existence check ([`Mount::begin_with_reads`]). If it
    /// does not, and Vault chose between *create* and *update* by that check, repeat the check in this transaction
    /// before anything else and compare the answers.
    pub fn continues_check(&self) -> bool {
        self.continues_check
    }

    /// Returns true if a commit of this request has succeeded, or may have stored something. Then the request must not
    /// be run again.
    pub fn has_committed(&self) -> bool {
        self.has_committed
    }

    /// Returns true if it has written something, to storage or to scratch, that is not committed.
    pub fn has_writes(&self) -> bool {
        !self.writes.is_empty() || !self.scratch.is_empty()
    }

    /// Returns what this request has cost so far, flushes included.
    pub fn usage(&self) -> Usage {
        self.calls.usage()
    }

    /// Returns the entry under a key.
    pub async fn get(&mut self, key: &str) -> Result<Option<StorageEntry>> {
        check_key(key, &self.settings.storage)?;
        self.enter().await?;
        if let Some(own) = self.writes.get(key) {
            return Ok(own);
        }
        if let Some(earlier) = self.reads.get(key) {
            self.calls.count(|usage| usage.cached += 1);
            self.trace_get(key, &earlier);
            return Ok(earlier);
        }
        if let Some(entry) = self.replay.as_ref().and_then(|replay| replay.told(key)) {
            self.reads.found(key, &entry);
            return Ok(entry);
        }
        let entry = self.find(key, self.settings.cacheable.contain(key)).await?;
        self.reads.found(key, &entry);
        self.trace_get(key, &entry);
        Ok(entry)
    }

    /// Returns true if there is an entry under a key.
    ///
    /// Where the [settings](Settings::remembered) allow it, the mount remembers the answer, and what commits make of it. Then
    /// asking again costs no storage call. Of the value it keeps nothing.
    pub async fn exists(&mut self, key: &str) -> Result<bool> {
        // A trace, and a second run that is told what the first one read, have whole entries.
        if self.traced.is_some() || self.replay.is_some() || self.settings.cacheable.contain(key) {
            return Ok(self.get(key).await?.is_some());
        }
        check_key(key, &self.settings.storage)?;
        self.enter().await?;
        if let Some(own) = self.writes.get(key) {
            return Ok(own.is_some());
        }
        if let Some(existed) = self.reads.ask(key) {
            self.calls.count(|usage| usage.cached += 1);
            return Ok(existed);
        }
        let exists = self.find(key, self.settings.remember(key)).await?;
        self.reads.asked(key, exists);
        Ok(exists)
    }

    /// Asks the cache, if what is wanted of the key is cacheable, and otherwise storage.
    async fn find<T: Asked>(&mut self, key: &str, is_cacheable: bool) -> Result<T> {
        let cacheable = is_cacheable.then_some(self.generation);
        let found = loop {
            let get = || self.calls.get(key);
            match protocol::read(&self.mount.ledger, key, cacheable, get).await {
                Some(found) => break found?,
                None => {
                    self.mount
                        .until_written(Thing::Key(key), self.settings.wait)
                        .await?
                }
            }
        };
        self.calls.count(|usage| {
            usage.cached += u64::from(found.cached);
            if is_cacheable {
                usage.cache_hits += u64::from(found.cached);
                usage.cache_misses += u64::from(!found.cached);
            }
        });
        self.note(found)
    }

    fn trace_get(&mut self, key: &str, entry: &Option<StorageEntry>) {
        self.trace_lookup(|| Lookup::Get {
            key: key.to_owned(),
            entry: entry.clone(),
        });
    }

    /// Adds an entry to the commit. Fails with [`Error::Denied`] or [`Error::InvalidKey`] if it cannot be stored.
    pub async fn put(&mut self, entry: StorageEntry) -> Result<()> {
        check_key(&entry.key, &self.settings.storage)?;
        self.enter().await?;
        self.writes.push(Write::Put(entry));
        Ok(())
    }

    /// Adds a deletion to the commit. Deleting a missing key is not an error.
    pub async fn delete(&mut self, key: &str) -> Result<()> {
        check_key(key, &self.settings.storage)?;
        self.enter().await?;
        self.writes.push(Write::Delete(key.to_owned()));
        Ok(())
    }

    /// Sets the time at which the next calls look at scratch. Until then it is that of 1970, at which nothing has expired.
    pub fn at(&mut self, now: SystemTime) -> &mut Self {
        self.scratch.now = now;
        self
    }

    /// Returns the scratch value under a key: any text of at most [`MAX_KEY_BYTES`](crate::MAX_KEY_BYTES). The value
    /// may have vanished.
    pub async fn scratch_get(&mut self, key: &str) -> Result<Option<Bytes>> {
        check_scratch_key(key)?;
        self.enter().await?;
        if let Some(own) = self.scratch.get(key) {
            return Ok(own);
        }
        if self.is_aside() {
            // The scratch is that of the guest in office.
            return Ok(None);
        }
        let (ledger, now, generation) = (&self.mount.ledger, self.scratch.now, self.generation);
        let (value, sample) = self
            .mount
            .until(self.settings.wait, || ledger.scratch(key, now, generation))
            .await?;
        if value.is_some() {
            self.trace_scratch();
        }
        self.note(Found {
            value,
            sample,
            cached: true,
        })
    }

    /// Returns the scratch keys that begin with a prefix, in order. The commit conflicts if another request changes
    /// anything in scratch meanwhile.
    pub async fn scratch_list(&mut self, prefix: &str) -> Result<BTreeSet<Arc<str>>> {
        check_scratch_key(prefix)?;
        self.enter().await?;
        let mut keys = BTreeSet::new();
        if !self.is_aside() {
            let (ledger, now, generation) = (&self.mount.ledger, self.scratch.now, self.generation);
            let (value, sample) = self
                .mount
                .until(self.settings.wait, || {
                    ledger.scratch_keys(prefix, now, generation)
                })
                .await?;
            if !value.is_empty() {
                self.trace_scratch();
            }
            keys = self.note(Found {
                value,
                sample,
                cached: true,
            })?;
        }
        self.scratch.relist(prefix, &mut keys);
        Ok(keys)
    }

    /// Adds a scratch value to the commit. Fails with [`Error::ScratchFull`] if the value does not fit: an entry takes the bytes of
    /// its key and of its value, and 200 more.
    pub async fn scratch_put(&mut self, key: &str, bytes: Bytes) -> Result<()> {
        self.scratch_set(key, Value { bytes, until: None }).await
    }

    /// Does the same for a value that vanishes after a time to live, which begins at the time of [`at`](Self::at).
    pub async fn scratch_put_for(&mut self, key: &str, bytes: Bytes, ttl: Duration) -> Result<()> {
        // A time beyond what the clock can show is for ever.
        let until = self.scratch.now.checked_add(ttl);
        self.scratch_set(key, Value { bytes, until }).await
    }

    async fn scratch_set(&mut self, key: &str, value: Value) -> Result<()> {
        check_scratch_key(key)?;
        self.enter().await?;
        let before = self.scratch.set(key, Some(Some(value)));
        let limit = self.settings.scratch_bytes;
        let bytes = match self.is_aside() {
            true => Scratch::default().bytes_after(&self.scratch),
            false => self.mount.ledger.scratch_bytes_after(&self.scratch),
        };
        if bytes > limit {
            self.scratch.set(key, before);
            return Err(Error::ScratchFull { limit });
        }
        Ok(())
    }

    /// Adds the removal of a scratch value to the commit.
    pub async fn scratch_delete(&mut self, key: &str) -> Result<()> {
        check_scratch_key(key)?;
        self.enter().await?;
        self.scratch.set(key, Some(None));
        Ok(())
    }

    /// Returns true if its guest is not in office, so that the mount's scratch is not the guest's.
    fn is_aside(&self) -> bool {
        self.is_trial || self.replay.is_some()
    }

    /// Begins every call: takes the exclusive commit lock if that is due, and checks that the lock's time is not over.
    pub(crate) async fn enter(&mut self) -> Result<()> {
        if self.stale {
            return Err(Error::Conflict);
        }
        match &self.lock {
            Lock::None => Ok(()),
            Lock::Held(exclusive) => exclusive.check(),
            Lock::Due => self.hold_lock().await,
        }
    }

    /// Waits for the exclusive commit lock, and holds it until the transaction ends.
    pub(crate) async fn hold_lock(&mut self) -> Result<()> {
        let Settings { wait, lock_time, .. } = *self.settings;
        self.lock = Lock::Held(self.mount.commit_lock.take(wait, lock_time).await?);
        Ok(())
    }

    /// Returns true if everything that was read was true at the same time.
    pub(crate) fn reads_stand(&self, reads: &Reads) -> bool {
        self.is_snapshot || self.mount.ledger.stand(reads.samples())
    }

    /// Remembers when this was read, and fails at once if the transaction cannot commit any more.
    pub(crate) fn note<T>(&mut self, found: Found<T>) -> Result<T> {
        if let Some(replay) = &mut self.replay {
            replay.read(found.sample);
            return Ok(found.value);
        }
        let noted = self.reads.sampled(found.sample);
        if self.is_snapshot {
            return Ok(found.value);
        }
        self.stale |= noted.is_err();
        noted.map(|()| found.value)
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("usage", &self.calls.usage())
            .finish_non_exhaustive()
    }
}

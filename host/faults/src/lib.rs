//! Storage that fails on command, for tests.
//!
//! [`FaultyStorage`] wraps any other storage. It counts the calls and applies the faults that a test orders:
//!
//! ```
//! # use airlock_storage::{StorageEntry, MemoryStorage, Storage};
//! # use airlock_faults::{Call, Fault, FaultyStorage};
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let storage = FaultyStorage::new(MemoryStorage::new());
//! storage.nth(Call::Put, 2, Fault::Fail);
//! assert!(storage.put(StorageEntry::new("a", "1")).await.is_ok());
//! assert!(storage.put(StorageEntry::new("b", "2")).await.is_err());
//! assert_eq!(storage.calls(Call::Put), 2);
//! # });
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod gate;
mod rules;

pub use gate::Gate;

use airlock_storage::{Error, Rejection, Result, Storage, StorageEntry, StorageTransaction};
use async_trait::async_trait;
use rules::Rules;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A kind of storage call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// Any of them.
    Any,
    /// Reading an entry.
    Get,
    /// Storing an entry, within a transaction or not.
    Put,
    /// Removing a key, within a transaction or not.
    Delete,
    /// Listing a folder or a page of it.
    List,
    /// Beginning a transaction of the storage's own.
    Begin,
    /// Committing one.
    Commit,
    /// Giving one up.
    Rollback,
}

/// The effect of a fault on a call.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It fails and has no effect.
    Fail,
    /// It has its effect and fails.
    LoseAnswer,
    /// It fails as on a standby.
    ReadOnly,
    /// It fails without effect, as on a node that is no longer the leader of its cluster.
    NotLeader,
    /// It has its effect and fails, as on a node that loses the leadership of its cluster meanwhile.
    LoseLeadership,
    /// It fails because of a conflict, without effect; for commits.
    Conflict,
    /// It fails without effect, with the error of a call that storage will never make.
    Reject(Rejection),
    /// It takes this much longer: slow, and healthy. As in a server, the call continues if its caller gives it up,
    /// unless it is within a transaction.
    Delay(Duration),
    /// It fails, and has its effect when the gate is opened. Within a transaction it has no effect.
    ApplyLate(Gate),
    /// It waits at a gate, then has its effect.
    HoldBefore(Gate),
    /// It has its effect, then waits at a gate.
    HoldAfter(Gate),
    /// It fails without effect, and so do all calls that come after it, as if the server had died.
    Kill,
    /// It has its effect and fails; all calls that come after it fail without effect.
    KillAfter,
}

/// A storage and the faults that it is told to have. Clones share both.
#[derive(Clone)]
pub struct FaultyStorage {
    inner: Arc<dyn Storage>,
    rules: Rules,
}

impl FaultyStorage {
    /// Wraps a storage, without any faults yet.
    pub fn new(storage: impl Storage) -> Self {
        Self::over(Arc::new(storage))
    }

    /// Wraps a storage that is used elsewhere too.
    pub fn over(storage: Arc<dyn Storage>) -> Self {
        Self {
            inner: storage,
            rules: Rules::default(),
        }
    }

    /// Applies a fault to the `n`-th call of a kind, counted from now; 1 is the next call.
    pub fn nth(&self, call: Call, n: u64, fault: Fault) {
        self.rules.add(call, n.saturating_sub(1), true, fault);
    }

    /// Applies a fault to every call of a kind from now on.
    pub fn every(&self, call: Call, fault: Fault) {
        self.after(call, 0, fault);
    }

    /// Applies a fault to every call of a kind after the next `passes` ones.
    pub fn after(&self, call: Call, passes: u64, fault: Fault) {
        self.rules.add(call, passes, false, fault);
    }

    /// Holds the `n`-th call of a kind before it has its effect, until the gate is opened.
    pub fn hold(&self, call: Call, n: u64) -> Gate {
        let gate = Gate::new();
        self.nth(call, n, Fault::HoldBefore(gate.clone()));
        gate
    }

    /// Holds the `n`-th call of a kind after it has had its effect (a read: after it has read) until the gate is
    /// opened.
    pub fn hold_answer(&self, call: Call, n: u64) -> Gate {
        let gate = Gate::new();
        self.nth(call, n, Fault::HoldAfter(gate.clone()));
        gate
    }

    /// Sets whether puts, deletes and the beginning of transactions fail as on a standby.
    pub fn set_read_only(&self, read_only: bool) {
        self.rules.set_read_only(read_only);
    }

    /// Removes all faults.
    pub fn heal(&self) {
        self.rules.clear();
    }

    /// Returns whether each fault has met a call, in the order in which they were added since the last
    /// [`heal`](Self::heal). If several faults meet a call, the first one counts.
    pub fn applied(&self) -> Vec<bool> {
        self.rules.applied()
    }

    /// Returns the number of calls of a kind so far.
    pub fn calls(&self, call: Call) -> u64 {
        self.rules.count(call)
    }

    async fn through<T, F>(&self, call: Call, effect: impl FnOnce(Arc<dyn Storage>) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.rules.apply_or_detach(call, effect(self.inner.clone())).await
    }
}

fn broken<T>() -> Result<T> {
    Err(Error::Backend("storage is broken on purpose".into()))
}

impl fmt::Debug for FaultyStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultyStorage({} calls)", self.calls(Call::Any))
    }
}

#[async_trait]
impl Storage for FaultyStorage {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>> {
        let key = key.to_owned();
        self.through(Call::Get, move |inner| async move { inner.get(&key).await })
            .await
    }

    async fn put(&self, entry: StorageEntry) -> Result<()> {
        self.through(Call::Put, move |inner| async move { inner.put(entry).await })
            .await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let key = key.to_owned();
        self.through(Call::Delete, move |inner| async move { inner.delete(&key).await })
            .await
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>> {
        let folder = folder.to_owned();
        self.through(Call::List, move |inner| async move { inner.list(&folder).await })
            .await
    }

    async fn list_page(&self, folder: &str, after: &str, limit: usize) -> Result<Vec<String>> {
        let (folder, after) = (folder.to_owned(), after.to_owned());
        let page =
            move |inner: Arc<dyn Storage>| async move { inner.list_page(&folder, &after, limit).await };
        self.through(Call::List, page).await
    }

    async fn begin(&self) -> Result<Option<Box<dyn StorageTransaction>>> {
        if self.rules.is_dead() {
            return broken();
        }
        // Only the storage knows whether it has transactions. This counts as a call only if it has.
        let Some(inner) = self.inner.begin().await? else {
            return Ok(None);
        };
        let mut begun = FaultyTransaction {
            inner,
            rules: self.rules.clone(),
        };
        match self.rules.apply(Call::Begin, async { Ok(()) }).await {
            Ok(()) => Ok(Some(Box::new(begun))),
            Err(error) => {
                begun.inner.rollback().await?;
                Err(error)
            }
        }
    }
}

struct FaultyTransaction {
    inner: Box<dyn StorageTransaction>,
    rules: Rules,
}

#[async_trait]
impl StorageTransaction for FaultyTransaction {
    async fn put(&mut self, entry: StorageEntry) -> Result<()> {
        self.rules.apply(Call::Put, self.inner.put(entry)).await
    }

    async fn delete(&mut self, key: &str) -> Result<()> {
        self.rules.apply(Call::Delete, self.inner.delete(key)).await
    }

    async fn commit(&mut self) -> Result<()> {
        self.rules.apply(Call::Commit, self.inner.commit()).await
    }

    async fn rollback(&mut self) -> Result<()> {
        self.rules.apply(Call::Rollback, self.inner.rollback()).await
    }
}

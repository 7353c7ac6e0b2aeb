//! One mount, and the state that its requests share.

use crate::calls::Calls;
use crate::commit::lock::CommitLock;
use crate::commit::recovery::{self, Progress, Recovered};
use crate::commit::set_aside::SetAside;
use crate::conflict::counters::{Size, Thing};
use crate::conflict::ledger::{Generation, Ledger};
use crate::leadership::{Era, Leadership};
use crate::succession::Succession;
use crate::transaction::kept::KeptReads;
use crate::{Error, Result, Settings, Storage};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// The number of an attempt of a request. The first three attempts are optimistic; later ones wait for the exclusive
/// commit lock, and so cannot conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Attempt(u32);

impl Attempt {
    /// The first attempt.
    pub const FIRST: Self = Self(0);

    /// Returns the attempt after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Returns 1 for the first attempt.
    pub fn number(self) -> u32 {
        self.0.saturating_add(1)
    }

    /// Returns true if this attempt holds the commit lock exclusively.
    pub fn is_exclusive(self) -> bool {
        self.0 >= 3
    }
}

/// A mount's storage and what its requests share: conflict detection, the commit lock, cache and scratch.
///
/// Each mount has one while it is served; it outlives a change of guest. All methods need a tokio runtime
/// with its timers enabled.
pub struct Mount {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) settings: Mutex<(Arc<Settings>, Generation)>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) commit_lock: CommitLock,
    pub(crate) kept: KeptReads,
    pub(crate) succession: Succession,
    /// Notified whenever marks are removed.
    pub(crate) written: Notify,
    /// The flushes and recoveries that have begun.
    pub(crate) flushes: TaskTracker,
    pub(crate) draining: CancellationToken,
    leadership: Leadership,
    /// The losses of the leadership before the last era for which the mount was recovered.
    recovered: Mutex<Option<u64>>,
    recovering: tokio::sync::Mutex<Recovering>,
    set_aside: Mutex<Vec<SetAside>>,
    /// The runtime of all flushes, whatever thread a request is on.
    runtime: Option<Handle>,
}

/// The recovery of a mount, which may take several calls.
#[derive(Default)]
struct Recovering {
    /// The losses of the leadership before the era for which it is.
    losses: u64,
    progress: Progress,
}

impl Mount {
    /// Creates a mount over its storage. Reads nothing yet.
    ///
    /// Flushes run on the runtime on which this is called; if it is called outside a runtime, on the runtime of each
    /// commit.
    pub fn new(storage: Arc<dyn Storage>, settings: Settings) -> Arc<Self> {
        let mount = Self {
            storage,
            ledger: Arc::new(Ledger::new(
                Size::of_a_mount(),
                settings.cache_limits(),
                settings.scratch_bytes,
            )),
            settings: Mutex::new((Arc::new(settings), Generation::default())),
            commit_lock: CommitLock::default(),
            kept: KeptReads::new(Duration::from_secs(5)),
            succession: Succession::default(),
            written: Notify::new(),
            flushes: TaskTracker::new(),
            draining: CancellationToken::new(),
            leadership: Leadership::default(),
            recovered: Mutex::default(),
            recovering: tokio::sync::Mutex::default(),
            set_aside: Mutex::default(),
            runtime: Handle::try_current().ok(),
        };
        mount.allow_caching(true);
        Arc::new(mount)
    }

    /// Finishes what a crash interrupted: flushes the redo records that it left. [`begin`](Self::begin) does this by
    /// itself before the first transaction; call it to choose the time yourself. It costs one list.
    ///
    /// It continues while storage makes progress. After an error the next call continues where this one ended.
    /// [`Error::ReadOnly`]: another server has to do it. [`Error::Draining`]: the mount is being taken down, and the
    /// next mount over this storage does it.
    pub async fn recover(self: &Arc<Self>) -> Result<()> {
        self.recover_for_era().await.map(|_| ())
    }

    /// Recovers the mount for the present era, and returns that.
    pub(crate) async fn recover_for_era(self: &Arc<Self>) -> Result<Era> {
        if let Some(era) = self.recovered_era() {
            return Ok(era);
        }
        let begun = self.undrained()?;
        let mount = self.clone();
        // It runs in a task of its own, like a flush: nobody may begin while a recovery is half done because its caller
        // went away.
        let recovery = self.spawn(async move {
            // The mount's drain waits for it, so that it never writes at the same time as the next mount over this
            // storage.
            let _begun = begun;
            let mut recovering = mount.recovering.lock().await;
            if let Some(era) = mount.recovered_era() {
                return Ok(era);
            }
            let era = mount.leadership.era();
            if recovering.losses != era.losses() {
                mount.ledger.make_begun_conflict();
                mount.ledger.allow_caching(false);
                mount.forget();
                *recovering = Recovering {
                    losses: era.losses(),
                    progress: Progress::default(),
                };
            }
            let settings = mount.settings.lock().0.clone();
            let mut found = Recovered::default();
            let calls = Calls::new(mount.storage.clone(), era.clone());
            let recovery = recovery::recover(
                &calls,
                &settings,
                &mount.draining,
                &mut recovering.progress,
                &mut found,
            )
            .await;
            if let Some(fence) = mount.ledger.fence(mount.ledger.keys(&found.retried)) {
                mount.spawn(async move {
                    sleep(settings.late).await;
                    drop(fence);
                });
            }
            recovery?;
            found.set_aside.iter().for_each(SetAside::log);
            *mount.set_aside.lock() = found.set_aside;
            *mount.recovered.lock() = Some(era.losses());
            Ok(era)
        });
        recovery
            .await
            .unwrap_or_else(|_| Err(Error::Backend("the storage implementation panicked".into())))
    }

    /// Returns the present era, if the mount was recovered for it.
    fn recovered_era(&self) -> Option<Era> {
        let era = self.leadership.era();
        (*self.recovered.lock() == Some(era.losses())).then_some(era)
    }

    /// Returns the redo records that could not be flushed, at the start or since: their commits were acknowledged and
    /// are not stored completely. They stay until an operator removes their entries, and the mount serves without them.
    pub fn set_aside(&self) -> Vec<SetAside> {
        self.set_aside.lock().clone()
    }

    pub(crate) fn note_set_aside(&self, record: SetAside) {
        record.log();
        self.set_aside.lock().push(record);
    }

    /// Runs a task on the mount's runtime.
    pub(crate) fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        match &self.runtime {
            Some(runtime) => runtime.spawn(task),
            None => tokio::spawn(task),
        }
    }

    /// Records that storage changed beneath this mount (`InvalidateKey`): transactions that read this key, or listed a
    /// folder above it, conflict, and the cache drops it.
    pub fn invalidate(&self, key: &str) {
        self.ledger.invalidate(key);
    }

    /// Sets whether the server lets plugins cache (`SystemView.CachingDisabled`); initially it does. Forbidding it
    /// empties the cache. If the storage gives [snapshots](Storage::snapshot), nothing is ever cached: a cached entry
    /// could be of another moment. Nor is anything cached after a write that failed with [`Error::NotLeader`] or
    /// [`Error::LostLeadership`]: another node may be storing.
    pub fn allow_caching(&self, allowed: bool) {
        let leads = self.leadership.losses() == 0;
        self.ledger
            .allow_caching(allowed && leads && self.storage.snapshot().is_none());
    }

    /// Drops cache and scratch, and sets what the transactions that begin from now on may do. Those that have begun keep
    /// their settings, and leave nothing in the new cache and scratch. See [`replace_guest`](Self::replace_guest) for a mount that
    /// gets another guest while it serves.
    pub fn adopt(&self, settings: Settings) {
        let mut current = self.settings.lock();
        let generation = self.ledger.renew(settings.cache_limits(), settings.scratch_bytes);
        *current = (Arc::new(settings), generation);
    }

    /// Drops cache and scratch, because storage changed beneath the mount and nobody knows where.
    pub fn forget(&self) {
        let mut current = self.settings.lock();
        let (settings, generation) = &mut *current;
        *generation = self.ledger.renew(settings.cache_limits(), settings.scratch_bytes);
    }

    /// Begins something that writes to the storage: a [drain](Self::drain) waits for it.
    ///
    /// # Errors
    /// [`Error::Draining`].
    pub fn undrained(&self) -> Result<Undrained> {
        let begun = self.flushes.token();
        match self.flushes.is_closed() {
            true => Err(Error::Draining),
            false => Ok(Undrained(begun)),
        }
    }

    /// Starts no new flush or recovery, and returns when those that have begun have ended. Commits fail with
    /// [`Error::Draining`] from then on; reads continue, unless the mount has not been [recovered](Self::recover).
    ///
    /// A flush ends at the latest when storage has not taken one of its writes for [`Settings::flush`], and a recovery
    /// ends after the write that it is making.
    pub async fn drain(&self) {
        self.draining.cancel();
        self.flushes.close();
        self.flushes.wait().await;
    }

    /// Waits until nobody is writing a thing.
    pub(crate) async fn until_written(&self, thing: Thing<'_>, wait: Duration) -> Result<()> {
        self.until(wait, || self.ledger.is_free(thing).then_some(()))
            .await
    }

    /// Waits until `ready` returns a value, and calls it again each time that marks are removed.
    pub(crate) async fn until<T>(&self, wait: Duration, mut ready: impl FnMut() -> Option<T>) -> Result<T> {
        let asked = async {
            loop {
                let mut written = std::pin::pin!(self.written.notified());
                written.as_mut().enable();
                if let Some(value) = ready() {
                    return value;
                }
                written.await;
            }
        };
        timeout(wait, asked).await.map_err(|_| Error::Busy {
            what: "another request was writing the same key",
            limit: wait,
        })
    }
}

/// Something that writes and has begun before a [drain](Mount::drain), which waits until this is dropped.
#[derive(Debug)]
pub struct Undrained(#[allow(dead_code)] TaskTrackerToken);

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mount").finish_non_exhaustive()
    }
}

//! Counts what one request has used so far.
//!
//! An account is opened when a request arrives. Everything that works on the request shares it: all attempts and their
//! instances, the host's side of each import, and the task that polls them. The account outlives them, so that the
//! answer can report the usage even of a request that was given up midway. [`time`] charges the time.

mod time;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::limits::{Exceeded, Limit, Limits};
use crate::run::memory::{ProcessMemory, RequestMemory, Reservation};
use time::IDLE;

/// The resources that a request used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of the guest, and of the host on its behalf.
    pub cpu: Duration,
    /// Time from arrival to answer.
    pub wall: Duration,
    /// The most bytes that were held for the request at once: memory and tables of its instance, and what the host held.
    pub memory_bytes: u64,
    /// Number of calls of `storage`, `scratch` and `system`.
    pub storage_operations: u32,
    /// The cost of these calls in the mount's storage. Does not include an attempt that ran out of time.
    pub storage: airlock_storage::Usage,
    /// Bytes moved between guest and host.
    pub transfer_bytes: u64,
    /// Number of log lines.
    pub log_lines: u32,
    /// Number of times that the guest ran: more than one after a conflict, or if the guest handed over much data at
    /// once.
    pub attempts: u32,
    /// Number of attempts that another request's commit was in the way of.
    pub conflicts: u32,
}

pub(crate) struct Account {
    pub guest: Arc<str>,
    pub limits: Limits,
    /// All memory that is held for the request.
    pub memory: Arc<RequestMemory>,
    /// The parts of [`memory`](Self::memory) that the request and the answer take.
    messages: Mutex<Messages>,
    /// The limit that bounds the time: `Wall`, or `Start` for calls for which Vault waits.
    time: Limit,
    opened: Instant,
    pub deadline: Instant,
    cpu_budget: Duration,
    /// Nanoseconds of CPU time that are charged.
    cpu: AtomicU64,
    /// The time up to which the current poll is charged, by the clock that `by_thread` selects. `IDLE` between polls.
    polled_at: AtomicU64,
    /// True if polls are timed by the thread's CPU time. That is exact on a busy machine too, but reading it is a
    /// system call, which costs too much for a request of a few microseconds.
    by_thread: AtomicBool,
    /// True if the current poll has lasted for a tick, so the guest should yield.
    overdue: AtomicBool,
    /// True from the start of a poll until the guest's tick is renewed in it.
    may_renew: AtomicBool,
    /// Number of times that the guest yielded.
    yields: AtomicU32,
    /// True if the rest of the request counts as long, whatever the request has used so far.
    long: AtomicBool,
    /// True if the request runs in the slow lane.
    slow: AtomicBool,
    operations: AtomicU32,
    transferred: AtomicU64,
    log_lines: AtomicU32,
    attempts: AtomicU32,
    conflicts: AtomicU32,
    /// Cost of the transactions that have ended.
    storage: Mutex<airlock_storage::Usage>,
    /// True while a commit is under way. It must not be given up.
    committing: AtomicBool,
    /// True if something is stored, or may be. The request must then not run again.
    committed: AtomicBool,
    /// True if the guest has had an effect outside storage, or may have. The request must then not run again.
    effects: AtomicBool,
}

#[derive(Default)]
struct Messages {
    request: Option<Reservation>,
    answer: Option<Reservation>,
}

impl Account {
    /// Opens an account: with [`Limit::Wall`] for a request, with [`Limit::Start`] for a call for which Vault waits.
    pub fn open(guest: Arc<str>, limits: Limits, limit: Limit, memory: &ProcessMemory) -> Self {
        let opened = Instant::now();
        let (wall, cpu) = match limit {
            Limit::Start => (limits.start, limits.start),
            _ => (limits.wall, limits.cpu),
        };
        Self {
            guest,
            memory: memory.for_request(&limits),
            messages: Mutex::default(),
            limits,
            time: limit,
            opened,
            deadline: opened + wall,
            cpu_budget: cpu,
            cpu: AtomicU64::new(0),
            polled_at: AtomicU64::new(IDLE),
            by_thread: AtomicBool::new(false),
            overdue: AtomicBool::new(false),
            may_renew: AtomicBool::new(false),
            yields: AtomicU32::new(0),
            long: AtomicBool::new(false),
            slow: AtomicBool::new(false),
            operations: AtomicU32::new(0),
            transferred: AtomicU64::new(0),
            log_lines: AtomicU32::new(0),
            attempts: AtomicU32::new(0),
            conflicts: AtomicU32::new(0),
            storage: Mutex::default(),
            committing: AtomicBool::new(false),
            committed: AtomicBool::new(false),
            effects: AtomicBool::new(false),
        }
    }

    pub fn exceeded(&self, limit: Limit) -> Exceeded {
        Exceeded::new(limit, &self.limits)
    }

    /// Returns the error of a request whose time is up.
    pub fn too_late(&self) -> Exceeded {
        self.exceeded(self.time)
    }

    /// Charges one call of storage, scratch or system.
    pub fn operation(&self) -> Result<(), Exceeded> {
        if self.operations.fetch_add(1, Relaxed) >= self.limits.storage_operations {
            self.operations.store(self.limits.storage_operations, Relaxed);
            return Err(self.exceeded(Limit::StorageOperations));
        }
        Ok(())
    }

    /// Charges one call of storage, scratch or system that sends `bytes`.
    pub fn call(&self, bytes: usize) -> Result<(), Exceeded> {
        self.operation()?;
        self.transfer(bytes)
    }

    /// Charges bytes that move between guest and host.
    pub fn transfer(&self, bytes: usize) -> Result<(), Exceeded> {
        let bytes = bytes as u64;
        let before = self.transferred.fetch_add(bytes, Relaxed);
        if before.saturating_add(bytes) > self.limits.transfer_bytes {
            self.transferred.fetch_sub(bytes, Relaxed);
            return Err(self.exceeded(Limit::Transfer));
        }
        Ok(())
    }

    /// Returns the number of bytes that may still move.
    pub fn transfer_left(&self) -> u64 {
        self.limits
            .transfer_bytes
            .saturating_sub(self.transferred.load(Relaxed))
    }

    /// Counts a log line. Says whether the line may go out, and whether it is the first that may not.
    pub fn log_line(&self) -> LogLine {
        match self.log_lines.fetch_add(1, Relaxed) {
            before if before < self.limits.log_lines => LogLine::Pass,
            before if before == self.limits.log_lines => LogLine::FirstDropped,
            _ => {
                self.log_lines.store(self.limits.log_lines + 1, Relaxed);
                LogLine::Drop
            }
        }
    }

    /// Begins an attempt, and drops the answer of the previous one, if any.
    pub fn attempt(&self) {
        self.messages.lock().answer = None;
        self.attempts.fetch_add(1, Relaxed);
    }

    /// Returns the number of this attempt, 1 for the first.
    pub fn attempts(&self) -> u32 {
        self.attempts.load(Relaxed)
    }

    /// Notes that another request's commit was in the way of this attempt.
    pub fn conflict(&self) {
        self.conflicts.fetch_add(1, Relaxed);
    }

    /// Reserves the memory of the request itself, once for all its attempts.
    pub async fn hold_request(&self, bytes: u64) -> Result<(), Exceeded> {
        if self.messages.lock().request.is_some() {
            return Ok(());
        }
        let held = self.memory.reserve(bytes).await?;
        self.messages.lock().request = Some(held);
        Ok(())
    }

    /// Charges an answer, and reserves its memory until the next attempt begins or the account is dropped.
    pub async fn hold_answer(&self, bytes: usize) -> Result<(), Exceeded> {
        self.transfer(bytes)?;
        let held = self.memory.reserve(bytes as u64).await?;
        self.messages.lock().answer = Some(held);
        Ok(())
    }

    /// Gives back the memory of a request that has ended, except for its answer.
    pub fn ended(&self) {
        self.messages.lock().request = None;
        self.memory.shrink();
    }

    /// Adds the cost of a transaction that has ended.
    pub fn transaction_ended(&self, usage: airlock_storage::Usage) {
        *self.storage.lock() += usage;
    }

    pub fn commit_begins(&self) {
        self.committing.store(true, Relaxed);
    }

    /// Ends a commit. `committed` is true if something is stored, or may be.
    pub fn commit_ends(&self, committed: bool) {
        self.committing.store(false, Relaxed);
        self.committed.fetch_or(committed, Relaxed);
    }

    pub fn has_committed(&self) -> bool {
        self.committed.load(Relaxed)
    }

    /// Records that an effect outside storage follows.
    pub fn effect_begins(&self) {
        self.effects.store(true, Relaxed);
    }

    /// Returns true if running the request again would not repeat anything that has taken effect.
    pub fn may_run_again(&self) -> bool {
        !self.has_committed() && !self.effects.load(Relaxed)
    }

    pub fn is_committing(&self) -> bool {
        self.committing.load(Relaxed)
    }

    pub fn usage(&self) -> Usage {
        Usage {
            cpu: self.cpu_used(),
            wall: self.opened.elapsed(),
            memory_bytes: self.memory.peak(),
            storage_operations: self.operations.load(Relaxed),
            storage: *self.storage.lock(),
            transfer_bytes: self.transferred.load(Relaxed),
            log_lines: self.log_lines.load(Relaxed).min(self.limits.log_lines),
            attempts: self.attempts.load(Relaxed),
            conflicts: self.conflicts.load(Relaxed),
        }
    }
}

/// Charges each storage call of an operation that needs several, as a list may.
impl airlock_storage::Budget for Account {
    fn charge_call(&self) -> bool {
        self.operation().is_ok()
    }
}

/// The decision about a log line, see [`Account::log_line`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LogLine {
    Pass,
    FirstDropped,
    Drop,
}

#[cfg(test)]
mod tests;

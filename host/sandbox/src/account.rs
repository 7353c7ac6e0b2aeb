//! What one request has used so far.
//!
//! An account is opened when a request arrives and shared by everything that works on it: all attempts and their
//! instances, the host's side of each import, and the task that polls them. It outlives them, so that the answer can
//! say what was used also when the request was given up in the middle.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};

use crate::limits::{Exceeded, Limit, Limits};
use crate::memory::{ProcessMemory, RequestMemory, Reservation};
use crate::ticker::TICK;

/// What a request used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of the guest, and of the host on its behalf.
    pub cpu: Duration,
    /// From arrival to answer.
    pub wall: Duration,
    /// The most bytes that were held for the request at once: memory and tables of its instance, and what the host held.
    pub memory_bytes: u64,
    /// Calls of `storage`, `scratch` and `system`.
    pub storage_operations: u32,
    /// What they cost in the mount's storage; the attempt that ran out of time is not in it.
    pub storage: airlock_storage::Usage,
    /// Bytes moved between guest and host.
    pub transfer_bytes: u64,
    /// Log lines.
    pub log_lines: u32,
    /// How often the guest ran: more than once after conflicts, or if it handed over much at once.
    pub attempts: u32,
}

pub(crate) struct Account {
    pub guest: Arc<str>,
    pub limits: Limits,
    /// All memory that is held for the request.
    pub memory: Arc<RequestMemory>,
    /// The request and the answer, of [`memory`](Self::memory).
    messages: Mutex<Messages>,
    /// Which limit bounds the time: `Wall`, or `Start` for what Vault waits for.
    time: Limit,
    opened: Instant,
    pub deadline: Instant,
    cpu_budget: Duration,
    /// Nanoseconds that are charged.
    cpu: AtomicU64,
    /// From when on the current poll is not charged yet, by the clock that `by_thread` says; `IDLE` between polls.
    polled_at: AtomicU64,
    /// Whether polls are timed by the thread's CPU time. That is exact also on a busy machine, but asking for it is a
    /// system call, which a request of some microseconds should not pay for: see [`EXACT_AFTER`].
    by_thread: AtomicBool,
    /// The current poll has lasted for a tick: the guest should yield.
    overdue: AtomicBool,
    /// How often the guest yielded.
    yields: AtomicU32,
    /// The rest of the request is long, whatever it has used so far.
    long: AtomicBool,
    /// It runs in the slow lane.
    slow: AtomicBool,
    operations: AtomicU32,
    transferred: AtomicU64,
    log_lines: AtomicU32,
    attempts: AtomicU32,
    /// What the transactions that have ended cost.
    storage: Mutex<airlock_storage::Usage>,
    /// A commit is under way and must not be given up.
    committing: AtomicBool,
    /// Something is stored, so the request must not be run again.
    committed: AtomicBool,
    /// The guest has had an effect outside storage, or may have, so the request must not be run again.
    effects: AtomicBool,
}

#[derive(Default)]
struct Messages {
    request: Option<Reservation>,
    answer: Option<Reservation>,
}

const IDLE: u64 = u64::MAX;

/// CPU time after which a request is timed by its thread's clock.
const EXACT_AFTER: Duration = Duration::from_millis(2);

/// What a poll is charged at most by the other clock. Guests yield at every tick, so one that seems to have taken several
/// was suspended, by the kernel's scheduler or with the whole machine: that time is not the guest's.
///
/// Together with [`EXACT_AFTER`] it is less than what moves a request to the slow lane, so that a suspension moves none.
const MOST_INEXACT: Duration = Duration::from_millis(2);

impl Account {
    /// For a request: `limit` is [`Limit::Wall`]. For what Vault waits for: [`Limit::Start`].
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
            yields: AtomicU32::new(0),
            long: AtomicBool::new(false),
            slow: AtomicBool::new(false),
            operations: AtomicU32::new(0),
            transferred: AtomicU64::new(0),
            log_lines: AtomicU32::new(0),
            attempts: AtomicU32::new(0),
            storage: Mutex::default(),
            committing: AtomicBool::new(false),
            committed: AtomicBool::new(false),
            effects: AtomicBool::new(false),
        }
    }

    pub fn exceeded(&self, limit: Limit) -> Exceeded {
        Exceeded::new(limit, &self.limits)
    }

    /// The error of a request whose time is up.
    pub fn too_late(&self) -> Exceeded {
        self.exceeded(self.time)
    }

    /// Nanoseconds by the clock that times polls.
    fn now(&self) -> u64 {
        if self.by_thread.load(Relaxed) {
            thread_time()
        } else {
            nanoseconds(self.opened.elapsed())
        }
    }

    pub fn poll_begins(&self) {
        self.overdue.store(false, Relaxed);
        self.by_thread
            .store(self.cpu.load(Relaxed) >= nanoseconds(EXACT_AFTER), Relaxed);
        self.polled_at.store(self.now(), Relaxed);
    }

    /// Charges the poll.
    pub fn poll_ends(&self) {
        self.charge(self.now());
        self.polled_at.store(IDLE, Relaxed);
    }

    /// Charges what the current poll has used until now.
    fn charge(&self, now: u64) {
        self.cpu.fetch_add(self.uncharged(now), Relaxed);
        self.polled_at.store(now, Relaxed);
    }

    /// Nanoseconds that the current poll has used and is not charged for yet.
    fn uncharged(&self, now: u64) -> u64 {
        let since = match self.polled_at.load(Relaxed) {
            IDLE => return 0,
            since => since,
        };
        let used = now.saturating_sub(since);
        if self.by_thread.load(Relaxed) {
            used
        } else {
            used.min(nanoseconds(MOST_INEXACT))
        }
    }

    fn cpu_used(&self) -> Duration {
        Duration::from_nanos(self.cpu.load(Relaxed) + self.uncharged(self.now()))
    }

    /// CPU time of the polls that have ended.
    pub fn cpu_of_polls(&self) -> Duration {
        Duration::from_nanos(self.cpu.load(Relaxed))
    }

    /// Times the rest of the current poll exactly: what comes may take long without a look at the time.
    pub fn time_exactly(&self) {
        if self.by_thread.load(Relaxed) || self.polled_at.load(Relaxed) == IDLE {
            return;
        }
        self.charge(self.now());
        self.by_thread.store(true, Relaxed);
        self.polled_at.store(thread_time(), Relaxed);
    }

    /// Whether the request may go on: it has time and CPU time left. Asked before each call of the guest to the host, and
    /// at each tick, so that whatever the guest does, it is asked often.
    pub fn check_time(&self) -> Result<(), Exceeded> {
        let elapsed = nanoseconds(self.opened.elapsed());
        if elapsed >= nanoseconds(self.deadline - self.opened) {
            return Err(self.too_late());
        }
        let by_thread = self.by_thread.load(Relaxed);
        let now = if by_thread { thread_time() } else { elapsed };
        let poll = self.uncharged(now);
        let used = self.cpu.load(Relaxed) + poll;
        if poll >= nanoseconds(TICK) {
            self.overdue.store(true, Relaxed);
        }
        if !by_thread && poll >= nanoseconds(EXACT_AFTER) {
            self.time_exactly();
        }
        if used > nanoseconds(self.cpu_budget) {
            return Err(self.exceeded(match self.time {
                Limit::Start => Limit::Start,
                _ => Limit::Cpu,
            }));
        }
        Ok(())
    }

    /// Whether the guest should yield, in a call to the host. It then does, and this counts it.
    pub fn should_yield(&self) -> bool {
        let overdue = self.overdue.swap(false, Relaxed);
        if overdue {
            self.yielded();
        }
        overdue
    }

    /// The guest, or the host for it, has worked for some time and yields: checks whether it may go on, and counts it.
    pub fn tick(&self) -> Result<(), Exceeded> {
        self.yielded();
        self.check_time()
    }

    fn yielded(&self) {
        self.yields.fetch_add(1, Relaxed);
    }

    pub fn yields(&self) -> u32 {
        self.yields.load(Relaxed)
    }

    /// The rest of the request will take long, so it should not run where others wait for it.
    pub fn becomes_long(&self) {
        self.long.store(true, Relaxed);
    }

    pub fn is_long(&self) -> bool {
        self.long.load(Relaxed)
    }

    /// Whether it waits to be moved to the slow lane, which happens when it yields.
    pub fn should_move(&self) -> bool {
        self.is_long() && !self.is_slow()
    }

    /// From now on it runs in the slow lane.
    pub fn becomes_slow(&self) {
        self.slow.store(true, Relaxed);
    }

    pub fn is_slow(&self) -> bool {
        self.slow.load(Relaxed)
    }

    /// One call of storage, scratch or system.
    pub fn operation(&self) -> Result<(), Exceeded> {
        if self.operations.fetch_add(1, Relaxed) >= self.limits.storage_operations {
            self.operations.store(self.limits.storage_operations, Relaxed);
            return Err(self.exceeded(Limit::StorageOperations));
        }
        Ok(())
    }

    /// One call of storage, scratch or system, which sends `bytes`.
    pub fn call(&self, bytes: usize) -> Result<(), Exceeded> {
        self.operation()?;
        self.transfer(bytes)
    }

    /// Bytes that move between guest and host.
    pub fn transfer(&self, bytes: usize) -> Result<(), Exceeded> {
        let bytes = bytes as u64;
        let before = self.transferred.fetch_add(bytes, Relaxed);
        if before.saturating_add(bytes) > self.limits.transfer_bytes {
            self.transferred.fetch_sub(bytes, Relaxed);
            return Err(self.exceeded(Limit::Transfer));
        }
        Ok(())
    }

    /// How many more bytes may move.
    pub fn transfer_left(&self) -> u64 {
        self.limits
            .transfer_bytes
            .saturating_sub(self.transferred.load(Relaxed))
    }

    /// One log line: whether it may go out, and whether it is the first that may not.
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

    /// An attempt begins: the answer of the one before, if any, is gone.
    pub fn attempt(&self) {
        self.messages.lock().answer = None;
        self.attempts.fetch_add(1, Relaxed);
    }

    /// The number of this attempt, 1 for the first.
    pub fn attempts(&self) -> u32 {
        self.attempts.load(Relaxed)
    }

    /// Holds the memory of the request itself, once for all its attempts.
    pub async fn hold_request(&self, bytes: u64) -> Result<(), Exceeded> {
        if self.messages.lock().request.is_some() {
            return Ok(());
        }
        let held = self.memory.reserve(bytes).await?;
        self.messages.lock().request = Some(held);
        Ok(())
    }

    /// Charges an answer, and holds its memory until the request ends or is run again.
    pub async fn hold_answer(&self, bytes: usize) -> Result<(), Exceeded> {
        self.transfer(bytes)?;
        let held = self.memory.reserve(bytes as u64).await?;
        self.messages.lock().answer = Some(held);
        Ok(())
    }

    /// The request has ended, and only its answer is left.
    pub fn ended(&self) {
        self.messages.lock().request = None;
        self.memory.shrink();
    }

    /// What a transaction that has ended cost.
    pub fn transaction_ended(&self, usage: airlock_storage::Usage) {
        *self.storage.lock() += usage;
    }

    pub fn commit_begins(&self) {
        self.committing.store(true, Relaxed);
    }

    /// `committed`: something is stored, or may be.
    pub fn commit_ends(&self, committed: bool) {
        self.committing.store(false, Relaxed);
        self.committed.fetch_or(committed, Relaxed);
    }

    pub fn has_committed(&self) -> bool {
        self.committed.load(Relaxed)
    }

    /// An effect outside storage follows.
    pub fn effect_begins(&self) {
        self.effects.store(true, Relaxed);
    }

    /// Whether running the request again repeats nothing that has taken effect.
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
        }
    }
}

/// An operation that turns out to need several storage calls, as a list may, is charged for each.
impl airlock_storage::Budget for Account {
    fn charge_call(&self) -> bool {
        self.operation().is_ok()
    }
}

/// The CPU time of this thread, in nanoseconds.
fn thread_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// 584 years fit.
fn nanoseconds(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

/// See [`Account::log_line`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LogLine {
    Pass,
    FirstDropped,
    Drop,
}

#[cfg(test)]
mod tests;

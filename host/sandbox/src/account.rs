//! What one request has used so far.
//!
//! An account is opened when a request arrives and shared by everything that works on it: all attempts and their
//! instances, the host's side of each import, and the task that polls them. It outlives them, so that the answer can
//! say what was used also when the request was given up in the middle.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::limits::{Exceeded, Limit, Limits};
use crate::ticker::TICK;

/// What a request used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of the guest, and of the host on its behalf.
    pub cpu: Duration,
    /// From arrival to answer.
    pub wall: Duration,
    /// The most memory, tables included, that an instance had.
    pub memory_bytes: u64,
    /// Calls of `storage`, `scratch` and `system`.
    pub storage_operations: u32,
    /// What they cost in the mount's storage; the attempt that ran out of time is not in it.
    pub storage: airlock_storage::Usage,
    /// Bytes moved between guest and host.
    pub transfer_bytes: u64,
    /// Log lines.
    pub log_lines: u32,
    /// How often the guest ran: more than once after conflicts.
    pub attempts: u32,
}

pub(crate) struct Account {
    pub guest: std::sync::Arc<str>,
    pub limits: Limits,
    /// Which limit bounds the time: `Wall`, or `Start` for what Vault waits for.
    time: Limit,
    opened: Instant,
    pub deadline: Instant,
    cpu_budget: Duration,
    /// Nanoseconds used by polls that have ended.
    cpu: AtomicU64,
    /// When the poll that is going on began, by the clock that `by_thread` says; `IDLE` if none is.
    polled_at: AtomicU64,
    /// Whether polls are timed by the thread's CPU time. That is exact also on a busy machine, but asking for it is a
    /// system call, which a request of some microseconds should not pay for: so it is asked for once a request has run
    /// for some ticks.
    by_thread: AtomicBool,
    /// Epoch ticks that found the guest running.
    ticks: AtomicU32,
    memory: AtomicU64,
    operations: AtomicU32,
    transferred: AtomicU64,
    log_lines: AtomicU32,
    attempts: AtomicU32,
    /// What the transactions that have ended cost.
    storage: parking_lot::Mutex<airlock_storage::Usage>,
    /// A commit is under way and must not be given up.
    committing: AtomicBool,
    /// Something is stored, so the request must not be run again.
    committed: AtomicBool,
}

const IDLE: u64 = u64::MAX;

/// Ticks after which CPU time is taken exactly.
const EXACT_TICKS: u32 = 2;

impl Account {
    /// For a request: `limit` is [`Limit::Wall`]. For what Vault waits for: [`Limit::Start`].
    pub fn open(guest: std::sync::Arc<str>, limits: Limits, limit: Limit) -> Self {
        let opened = Instant::now();
        let (wall, cpu) = match limit {
            Limit::Start => (limits.start, limits.start),
            _ => (limits.wall, limits.cpu),
        };
        Self {
            guest,
            limits,
            time: limit,
            opened,
            deadline: opened + wall,
            cpu_budget: cpu,
            cpu: AtomicU64::new(0),
            polled_at: AtomicU64::new(IDLE),
            by_thread: AtomicBool::new(false),
            ticks: AtomicU32::new(0),
            memory: AtomicU64::new(0),
            operations: AtomicU32::new(0),
            transferred: AtomicU64::new(0),
            log_lines: AtomicU32::new(0),
            attempts: AtomicU32::new(0),
            storage: parking_lot::Mutex::default(),
            committing: AtomicBool::new(false),
            committed: AtomicBool::new(false),
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
            let time = clock_gettime(ClockId::ThreadCPUTime);
            return time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64;
        }
        // 584 years fit.
        self.opened.elapsed().as_nanos() as u64
    }

    pub fn poll_begins(&self) {
        self.by_thread.store(self.ticks() >= EXACT_TICKS, Relaxed);
        self.polled_at.store(self.now(), Relaxed);
    }

    /// Charges the poll.
    pub fn poll_ends(&self) {
        let charge = self.running();
        self.polled_at.store(IDLE, Relaxed);
        self.cpu.fetch_add(charge, Relaxed);
    }

    /// What the poll that is going on counts for so far.
    fn running(&self) -> u64 {
        match self.polled_at.load(Relaxed) {
            IDLE => 0,
            since => self.charge(since, self.now()),
        }
    }

    /// Guests yield at every tick, so one that seems to have taken several was suspended, by the kernel's scheduler or
    /// with the whole machine, if the clock is one that goes on then: that time is not the guest's.
    fn charge(&self, from: u64, to: u64) -> u64 {
        const MOST: u64 = 4 * TICK.as_nanos() as u64;
        let spent = to.saturating_sub(from);
        if self.by_thread.load(Relaxed) {
            spent
        } else {
            spent.min(MOST)
        }
    }

    fn cpu_used(&self) -> Duration {
        Duration::from_nanos(self.cpu.load(Relaxed) + self.running())
    }

    /// The epoch moved on while the guest ran. Says how often it has, or that the CPU budget is used up.
    pub fn tick(&self) -> Result<u32, Exceeded> {
        if self.cpu_used() > self.cpu_budget {
            return Err(self.exceeded(if self.time == Limit::Start {
                Limit::Start
            } else {
                Limit::Cpu
            }));
        }
        Ok(self.ticks.fetch_add(1, Relaxed) + 1)
    }

    pub fn ticks(&self) -> u32 {
        self.ticks.load(Relaxed)
    }

    /// One call of storage, scratch or system.
    pub fn operation(&self) -> Result<(), Exceeded> {
        if self.operations.fetch_add(1, Relaxed) >= self.limits.storage_operations {
            self.operations.store(self.limits.storage_operations, Relaxed);
            return Err(self.exceeded(Limit::StorageOperations));
        }
        Ok(())
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

    pub fn memory(&self, bytes: u64) {
        self.memory.fetch_max(bytes, Relaxed);
    }

    pub fn attempt(&self) {
        self.attempts.fetch_add(1, Relaxed);
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

    pub fn is_committing(&self) -> bool {
        self.committing.load(Relaxed)
    }

    pub fn usage(&self) -> Usage {
        Usage {
            cpu: self.cpu_used(),
            wall: self.opened.elapsed(),
            memory_bytes: self.memory.load(Relaxed),
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

/// See [`Account::log_line`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LogLine {
    Pass,
    FirstDropped,
    Drop,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(limits: Limits) -> Account {
        Account::open("test".into(), limits, Limit::Wall)
    }

    #[test]
    fn the_call_after_the_last_allowed_is_refused_and_not_counted() {
        let account = account(Limits {
            storage_operations: 2,
            ..Limits::default()
        });
        assert!(account.operation().is_ok() && account.operation().is_ok());
        for _ in 0..3 {
            assert_eq!(account.operation().unwrap_err().limit, Limit::StorageOperations);
        }
        assert_eq!(account.usage().storage_operations, 2);
    }

    #[test]
    fn bytes_that_do_not_fit_are_not_counted() {
        let account = account(Limits {
            transfer_bytes: 100,
            ..Limits::default()
        });
        assert!(account.transfer(60).is_ok());
        assert_eq!(account.transfer(60).unwrap_err().limit, Limit::Transfer);
        assert!(account.transfer(40).is_ok());
        assert_eq!(account.usage().transfer_bytes, 100);
        assert!(account.transfer(usize::MAX).is_err());
    }

    #[test]
    fn the_first_dropped_log_line_is_marked() {
        let account = account(Limits {
            log_lines: 1,
            ..Limits::default()
        });
        let lines: Vec<_> = (0..4).map(|_| account.log_line()).collect();
        assert_eq!(
            lines,
            [LogLine::Pass, LogLine::FirstDropped, LogLine::Drop, LogLine::Drop]
        );
        assert_eq!(account.usage().log_lines, 1);
    }

    #[test]
    fn a_suspended_machine_is_not_charged_to_the_guest() {
        let account = account(Limits::default());
        assert_eq!(account.charge(0, 3_000_000), 3_000_000);
        assert_eq!(account.charge(0, 60_000_000_000), 4 * TICK.as_nanos() as u64);
    }

    #[test]
    fn cpu_is_charged_while_it_is_used_and_then_refused() {
        let account = account(Limits {
            cpu: Duration::ZERO,
            ..Limits::default()
        });
        account.poll_begins();
        while account.cpu_used() == Duration::ZERO {}
        assert_eq!(account.tick().unwrap_err().limit, Limit::Cpu);
        account.poll_ends();
        assert!(account.usage().cpu > Duration::ZERO);
    }

    #[test]
    fn a_long_request_is_charged_by_its_thread_s_time() {
        let account = account(Limits::default());
        for _ in 0..EXACT_TICKS {
            account.tick().unwrap();
        }
        account.poll_begins();
        std::thread::sleep(Duration::from_millis(20));
        account.poll_ends();
        assert!(
            account.usage().cpu < Duration::from_millis(10),
            "sleeping was charged"
        );
        account.poll_begins();
        let before = account.usage().cpu;
        while account.usage().cpu == before {}
        account.poll_ends();
    }
}

//! The time of a request: what its polls are charged, when it has to yield, and in which lane it runs.
//!
//! Between [`poll_begins`](Account::poll_begins) and [`poll_ends`](Account::poll_ends), a request's task works for it, and is charged.
//! The first milliseconds are timed by the clock, because that costs nothing; the rest by the thread's CPU time.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::Account;
use crate::limits::{Exceeded, Limit};
use crate::run::ticker::TICK;

/// Stands for no poll, where the time of one would be.
pub(super) const IDLE: u64 = u64::MAX;

/// CPU time after which a request is timed by its thread's clock.
pub(super) const EXACT_AFTER: Duration = Duration::from_millis(2);

/// The most that a poll is charged by elapsed time. Guests yield at every tick, so a poll that seems to have lasted
/// several ticks was suspended, by the kernel's scheduler or with the whole machine. That time is not the guest's.
///
/// Together with [`EXACT_AFTER`] it is less than the CPU time that moves a request to the slow lane, so a suspension
/// does not move a request.
pub(super) const MOST_INEXACT: Duration = Duration::from_millis(2);

impl Account {
    /// Returns the nanoseconds of the clock that times polls.
    fn now(&self) -> u64 {
        if self.by_thread.load(Relaxed) {
            thread_time()
        } else {
            nanoseconds(self.opened.elapsed())
        }
    }

    pub fn poll_begins(&self) {
        self.overdue.store(false, Relaxed);
        self.may_renew.store(true, Relaxed);
        self.by_thread
            .store(self.cpu.load(Relaxed) >= nanoseconds(EXACT_AFTER), Relaxed);
        self.polled_at.store(self.now(), Relaxed);
    }

    /// Ends the current poll and charges it.
    pub fn poll_ends(&self) {
        self.charge(self.now());
        self.polled_at.store(IDLE, Relaxed);
    }

    /// Charges what the current poll has used up to `now`.
    pub(super) fn charge(&self, now: u64) {
        self.cpu.fetch_add(self.uncharged(now), Relaxed);
        self.polled_at.store(now, Relaxed);
    }

    /// Returns the nanoseconds that the current poll has used and that are not charged yet.
    pub(super) fn uncharged(&self, now: u64) -> u64 {
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

    /// Returns the CPU time that is used so far, also in the current poll.
    pub fn cpu_used(&self) -> Duration {
        Duration::from_nanos(self.cpu.load(Relaxed) + self.uncharged(self.now()))
    }

    /// Returns the CPU time of the polls that have ended.
    pub fn cpu_of_polls(&self) -> Duration {
        Duration::from_nanos(self.cpu.load(Relaxed))
    }

    /// Times the rest of the current poll exactly, for work that may take long without a check of the time.
    pub fn time_exactly(&self) {
        if self.by_thread.load(Relaxed) || self.polled_at.load(Relaxed) == IDLE {
            return;
        }
        self.charge(self.now());
        self.by_thread.store(true, Relaxed);
        self.polled_at.store(thread_time(), Relaxed);
    }

    /// Checks that the request may go on: it has time and CPU time left. The host calls this before each call of the
    /// guest to the host, and at each tick, so it happens often whatever the guest does.
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

    /// Returns true once in each poll: the ticks before it passed while the request waited, so the guest need not yield for
    /// them.
    pub fn renews_tick(&self) -> bool {
        self.may_renew.swap(false, Relaxed)
    }

    /// Returns true if the guest should yield in this call to the host. The guest then yields, and this counts it.
    pub fn should_yield(&self) -> bool {
        let overdue = self.overdue.swap(false, Relaxed);
        if overdue {
            self.yielded();
        }
        overdue
    }

    /// Counts a yield, after the guest or the host on its behalf has worked for some time, and checks that the request
    /// may go on.
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

    /// Marks the rest of the request as long, so that it does not run where others wait for it.
    pub fn becomes_long(&self) {
        self.long.store(true, Relaxed);
    }

    pub fn is_long(&self) -> bool {
        self.long.load(Relaxed)
    }

    /// Returns true if the request waits to be moved to the slow lane, which happens when it yields.
    pub fn should_move(&self) -> bool {
        self.is_long() && !self.is_slow()
    }

    /// Records that the request runs in the slow lane from now on.
    pub fn becomes_slow(&self) {
        self.slow.store(true, Relaxed);
    }

    pub fn is_slow(&self) -> bool {
        self.slow.load(Relaxed)
    }
}

/// Returns the CPU time of this thread, in nanoseconds.
pub(super) fn thread_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Converts a duration to nanoseconds. 584 years fit.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

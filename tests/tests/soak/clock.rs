//! The order of events, across all callers.

use std::sync::atomic::{AtomicU64, Ordering};

/// A moment. Later moments are greater.
pub type Tick = u64;

/// Hands out moments, and knows the earliest moment at which a request began that is still in flight.
pub struct Clock {
    now: AtomicU64,
    begun: Vec<AtomicU64>,
}

impl Clock {
    pub fn new(callers: usize) -> Self {
        Clock {
            now: AtomicU64::new(1),
            begun: (0..callers).map(|_| AtomicU64::new(Tick::MAX)).collect(),
        }
    }

    /// Returns the next moment.
    pub fn tick(&self) -> Tick {
        self.now.fetch_add(1, Ordering::SeqCst)
    }

    /// Notes that a caller begins a request. The caller calls [`Clock::end`] after it has processed the answer.
    pub fn begin(&self, caller: usize) {
        self.begun[caller].store(self.now.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    pub fn end(&self, caller: usize) {
        self.begun[caller].store(Tick::MAX, Ordering::SeqCst);
    }

    /// Returns a moment such that no request in flight reads anything from before it.
    pub fn oldest(&self) -> Tick {
        let begun = self.begun.iter().map(|begun| begun.load(Ordering::SeqCst));
        begun
            .min()
            .unwrap_or(Tick::MAX)
            .min(self.now.load(Ordering::SeqCst))
    }
}

//! The order of what happens, across all callers.

use std::sync::atomic::{AtomicU64, Ordering};

/// A moment: later ones are greater.
pub type Tick = u64;

/// Hands out moments, and knows the oldest one at which a request began that is still on its way.
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

    /// The next moment.
    pub fn tick(&self) -> Tick {
        self.now.fetch_add(1, Ordering::SeqCst)
    }

    /// A caller begins a request, and has looked at its answer when it calls [`Clock::end`].
    pub fn begin(&self, caller: usize) {
        self.begun[caller].store(self.now.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    pub fn end(&self, caller: usize) {
        self.begun[caller].store(Tick::MAX, Ordering::SeqCst);
    }

    /// Nobody who is still at work looks at anything before this.
    pub fn oldest(&self) -> Tick {
        let begun = self.begun.iter().map(|begun| begun.load(Ordering::SeqCst));
        begun
            .min()
            .unwrap_or(Tick::MAX)
            .min(self.now.load(Ordering::SeqCst))
    }
}

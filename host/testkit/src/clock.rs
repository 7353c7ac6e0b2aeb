//! A clock that stands still until it is moved.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

/// 2026-01-01T00:00:00Z, in seconds.
const START: u64 = 1_767_225_600;

/// What a guest takes for the time. Clones are the same clock.
///
/// It starts at 2026-01-01T00:00:00Z, as the SDK's does in native tests.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Mutex<SystemTime>>);

impl Clock {
    /// What it says.
    pub fn now(&self) -> SystemTime {
        *self.0.lock()
    }

    /// Moves it on, and no further than it can count.
    pub fn advance(&self, time: Duration) {
        let mut now = self.0.lock();
        *now = now.checked_add(time).unwrap_or(*now);
    }

    /// Sets it to a moment, which may be an earlier one.
    pub fn set(&self, moment: SystemTime) {
        *self.0.lock() = moment;
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(UNIX_EPOCH + Duration::from_secs(START))))
    }
}

impl airlock_sandbox::Clock for Clock {
    fn now(&self) -> SystemTime {
        Self::now(self)
    }
}

//! A clock that stands still until a test moves it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

/// 2026-01-01T00:00:00Z, in seconds.
const START: u64 = 1_767_225_600;

/// The clock that a guest sees. Clones share the same time.
///
/// It starts at 2026-01-01T00:00:00Z, like the SDK's clock in native tests.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Mutex<SystemTime>>);

impl Clock {
    /// Returns the current time of this clock.
    pub fn now(&self) -> SystemTime {
        *self.0.lock()
    }

    /// Moves the clock forward. It stays where it is if the new time would be out of range.
    pub fn advance(&self, time: Duration) {
        let mut now = self.0.lock();
        *now = now.checked_add(time).unwrap_or(*now);
    }

    /// Sets the clock to a moment, which may be earlier than the current one.
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

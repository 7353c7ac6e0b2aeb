//! Lengths of time and points in time, in the form that Vault's wire and the contract with guests share.

#![cfg_attr(feature = "component", allow(unsafe_code))] // the derives implement wasmtime's `unsafe` traits

use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[cfg(feature = "component")]
use wasmtime::component::{ComponentType, Lift, Lower};

/// A length of time in nanoseconds, like Go's `time.Duration`. Go allows a negative one.
pub type Nanoseconds = i64;

/// Converts a length of time. More than 292 years, which the type cannot hold, become 292 years.
pub fn nanoseconds(duration: Duration) -> Nanoseconds {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Converts a length of time. A negative one, which Rust does not know, becomes zero.
pub fn duration(nanoseconds: Nanoseconds) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0))
}

/// A point in time. [`moment::is_valid`](crate::moment::is_valid) says which ones Vault can decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "component", derive(ComponentType, Lift, Lower), component(record))]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Nanoseconds after these seconds, 0 to 999,999,999.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// Returns the point in time. Returns `None` if it is farther away than the system's clock can say.
    pub fn system_time(self) -> Option<SystemTime> {
        let seconds = Duration::from_secs(self.seconds.unsigned_abs());
        let second = match self.seconds < 0 {
            true => UNIX_EPOCH.checked_sub(seconds),
            false => UNIX_EPOCH.checked_add(seconds),
        };
        second?.checked_add(Duration::from_nanos(self.nanoseconds.into()))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let (seconds, nanoseconds) = match time.duration_since(UNIX_EPOCH) {
            Ok(since) => (whole_seconds(since), since.subsec_nanos()),
            // Nanoseconds count forwards before 1970, too.
            Err(error) => match (whole_seconds(error.duration()), error.duration().subsec_nanos()) {
                (seconds, 0) => (-seconds, 0),
                (seconds, nanoseconds) => (-seconds - 1, 1_000_000_000 - nanoseconds),
            },
        };
        Self { seconds, nanoseconds }
    }
}

fn whole_seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_do_not_fit_are_bounded_and_do_not_wrap() {
        assert_eq!(nanoseconds(Duration::MAX), i64::MAX);
        assert_eq!(nanoseconds(Duration::from_millis(1500)), 1_500_000_000);
        assert_eq!(duration(-1), Duration::ZERO);
        assert_eq!(duration(1_500_000_000), Duration::from_millis(1500));
    }

    #[test]
    fn points_in_time_survive_on_both_sides_of_1970() {
        for time in [
            UNIX_EPOCH,
            UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789),
            UNIX_EPOCH - Duration::from_millis(1500),
            UNIX_EPOCH - Duration::from_secs(2),
        ] {
            let timestamp = Timestamp::from(time);
            assert!(timestamp.nanoseconds < 1_000_000_000, "{timestamp:?}");
            assert_eq!(timestamp.system_time(), Some(time));
        }
        let early = Timestamp::from(UNIX_EPOCH - Duration::from_millis(1500));
        assert_eq!((early.seconds, early.nanoseconds), (-2, 500_000_000));
    }

    #[test]
    fn a_point_beyond_the_systems_clock_is_none() {
        let end = Timestamp {
            seconds: i64::MAX,
            nanoseconds: u32::MAX,
        };
        assert_eq!(end.system_time(), None);
    }
}

//! Durations and times as Go puts them on the wire: nanoseconds in an `int64`, and seconds since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use airlock_logical::moment::{FIRST_SECOND, is_valid};
use airlock_logical::{Nanoseconds, Timestamp};

/// The value with which Go writes a time that was never set.
const GO_ZERO_SECONDS: i64 = FIRST_SECOND;

/// Returns a length of time as a plugin reads and sends it. A negative one, which Go allows, becomes zero.
pub(crate) fn non_negative(nanoseconds: Nanoseconds) -> Nanoseconds {
    nanoseconds.max(0)
}

pub(crate) fn from_seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

pub(crate) fn to_seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// Reads a time. Returns `None` if Vault never set it, or sent an impossible one.
pub(crate) fn from_timestamp(timestamp: Option<prost_types::Timestamp>) -> Option<Timestamp> {
    // Nanoseconds of more than a second may carry it over a limit.
    let time = Timestamp::from(SystemTime::try_from(timestamp?).ok()?);
    let is_set = time.seconds > GO_ZERO_SECONDS && is_valid(time.seconds, time.nanoseconds);
    is_set.then_some(time)
}

/// Writes a time. `None` becomes Go's zero time, because Vault refuses a missing one. Fails for a time outside the
/// years 1 to 9999.
pub(crate) fn to_timestamp(time: Option<Timestamp>) -> Result<prost_types::Timestamp, OutOfRange> {
    let Some(Timestamp { seconds, nanoseconds }) = time else {
        return Ok(prost_types::Timestamp {
            seconds: GO_ZERO_SECONDS,
            nanos: 0,
        });
    };
    match (is_valid(seconds, nanoseconds), i32::try_from(nanoseconds)) {
        (true, Ok(nanos)) => Ok(prost_types::Timestamp { seconds, nanos }),
        _ => Err(OutOfRange),
    }
}

/// The error for a time that Vault would refuse.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time outside the years 1 to 9999")]
pub struct OutOfRange;

/// Reads a time in whole seconds. Zero, which Vault sends for "never", becomes `None`.
pub(crate) fn from_unix_seconds(seconds: i64) -> Option<SystemTime> {
    match u64::try_from(seconds) {
        Ok(0) | Err(_) => None,
        Ok(seconds) => UNIX_EPOCH.checked_add(Duration::from_secs(seconds)),
    }
}

/// Writes a time in whole seconds. `None` becomes zero, as [`from_unix_seconds`] reads it.
pub(crate) fn to_unix_seconds(moment: Option<SystemTime>) -> i64 {
    let since = moment.and_then(|moment| moment.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, to_seconds)
}

#[cfg(test)]
mod tests {
    use airlock_logical::moment::LAST_SECOND;

    use super::*;

    fn at(seconds: i64, nanoseconds: u32) -> Timestamp {
        Timestamp { seconds, nanoseconds }
    }

    #[test]
    fn a_negative_length_of_time_becomes_zero() {
        assert_eq!(non_negative(-1), 0);
        assert_eq!(non_negative(1_500_000_000), 1_500_000_000);
    }

    #[test]
    fn an_unset_moment_is_gos_zero_both_ways() {
        let zero = to_timestamp(None).unwrap();
        assert_eq!(zero.seconds, GO_ZERO_SECONDS);
        assert_eq!(from_timestamp(Some(zero)), None);
        assert_eq!(from_timestamp(None), None);
    }

    #[test]
    fn a_moment_keeps_its_nanoseconds_also_before_1970() {
        for moment in [at(1_700_000_000, 123_456_789), at(-2, 500_000_000)] {
            let sent = to_timestamp(Some(moment)).unwrap();
            assert_eq!(from_timestamp(Some(sent)), Some(moment));
        }
    }

    #[test]
    fn a_moment_that_its_nanoseconds_carry_past_9999_is_none() {
        let carried = prost_types::Timestamp {
            seconds: LAST_SECOND,
            nanos: 1_000_000_000,
        };
        assert_eq!(from_timestamp(Some(carried)), None);
    }

    #[test]
    fn a_moment_that_vault_refuses_is_an_error() {
        for moment in [
            at(LAST_SECOND + 1, 0),
            at(FIRST_SECOND - 1, 0),
            at(0, 1_000_000_000),
        ] {
            assert_eq!(to_timestamp(Some(moment)), Err(OutOfRange), "{moment:?}");
        }
    }
}

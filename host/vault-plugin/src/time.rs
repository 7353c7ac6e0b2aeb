//! Durations and times as Go puts them on the wire: nanoseconds in an `int64`, and seconds since 1970.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use airlock_logical::moment::{FIRST_SECOND, LAST_SECOND};
use prost_types::Timestamp;

/// The value with which Go writes a time that was never set.
const GO_ZERO_SECONDS: i64 = FIRST_SECOND;

/// Reads a duration. A negative one, which Go allows, becomes zero.
pub(crate) fn from_nanoseconds(nanoseconds: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0))
}

/// Writes a duration. More than 292 years, which an `int64` cannot hold, becomes 292 years.
pub(crate) fn to_nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

pub(crate) fn from_seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

pub(crate) fn to_seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// Reads a time. Returns `None` if Vault never set it, or sent an impossible one.
pub(crate) fn from_timestamp(timestamp: Option<Timestamp>) -> Option<SystemTime> {
    let moment = SystemTime::try_from(timestamp?).ok()?;
    // It is checked as it will be sent: nanoseconds of more than a second may carry it over a limit.
    match to_timestamp(Some(moment)) {
        Ok(sent) if sent.seconds > GO_ZERO_SECONDS => Some(moment),
        _ => None,
    }
}

/// Writes a time. `None` becomes Go's zero time, because Vault refuses a missing one. Fails for a time outside the
/// years 1 to 9999.
pub(crate) fn to_timestamp(moment: Option<SystemTime>) -> Result<Timestamp, OutOfRange> {
    let Some(moment) = moment else {
        return Ok(Timestamp {
            seconds: GO_ZERO_SECONDS,
            nanos: 0,
        });
    };
    let timestamp = Timestamp::from(moment);
    match timestamp.seconds {
        GO_ZERO_SECONDS..=LAST_SECOND => Ok(timestamp),
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
    use super::*;

    #[test]
    fn durations_that_go_allows_and_rust_does_not_are_clamped() {
        assert_eq!(from_nanoseconds(-1), Duration::ZERO);
        assert_eq!(from_nanoseconds(1_500_000_000), Duration::from_millis(1500));
        assert_eq!(to_nanoseconds(Duration::MAX), i64::MAX);
        assert_eq!(to_nanoseconds(Duration::from_millis(1500)), 1_500_000_000);
    }

    #[test]
    fn an_unset_moment_is_gos_zero_both_ways() {
        let zero = to_timestamp(None).unwrap();
        assert_eq!(zero.seconds, GO_ZERO_SECONDS);
        assert_eq!(from_timestamp(Some(zero)), None);
        assert_eq!(from_timestamp(None), None);
    }

    #[test]
    fn a_moment_keeps_its_nanoseconds() {
        let moment = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        let timestamp = to_timestamp(Some(moment)).unwrap();
        assert_eq!((timestamp.seconds, timestamp.nanos), (1_700_000_000, 123_456_789));
        assert_eq!(from_timestamp(Some(timestamp)), Some(moment));
    }

    #[test]
    fn a_moment_before_1970_survives() {
        let moment = UNIX_EPOCH - Duration::from_millis(1500);
        assert_eq!(
            from_timestamp(Some(to_timestamp(Some(moment)).unwrap())),
            Some(moment)
        );
    }

    #[test]
    fn a_moment_that_its_nanoseconds_carry_past_9999_is_none() {
        let carried = Timestamp {
            seconds: LAST_SECOND,
            nanos: 1_000_000_000,
        };
        assert_eq!(from_timestamp(Some(carried)), None);
    }

    #[test]
    fn a_moment_after_9999_is_refused() {
        let moment = UNIX_EPOCH + Duration::from_secs(253_402_300_800);
        assert_eq!(to_timestamp(Some(moment)), Err(OutOfRange));
    }
}

//! Moments in Go's format: RFC 3339 in UTC, with the fraction of a second without trailing zeros.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

/// Formats a moment, such as `2026-11-22T21:30:32.636553634Z`. A moment after the year 9999 is shown as the end of that
/// year, the last that RFC 3339 can express.
pub(crate) fn moment(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at.min(UNIX_EPOCH + LAST));
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second) = at.to_hms();
    let nanoseconds = format!(".{:09}", at.nanosecond());
    let fraction = nanoseconds.trim_end_matches('0').trim_end_matches('.');
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// The last second of the year 9999, in seconds since 1970.
const LAST: Duration = Duration::from_secs(253_402_300_799);

/// Returns whole seconds since 1970, or 0 for an earlier moment.
pub(crate) fn unix_seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_zeros_of_a_second_are_left_out() {
        let at = UNIX_EPOCH + Duration::new(1_700_000_000, 120_000_000);
        assert_eq!(moment(at), "2023-11-14T22:13:20.12Z");
        assert_eq!(moment(UNIX_EPOCH), "1970-01-01T00:00:00Z");
        let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert_eq!(moment(far), "9999-12-31T23:59:59Z");
    }
}

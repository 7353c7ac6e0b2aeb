//! Durations as Vault's users write them.

use std::time::Duration;

use vault_core::parse_units;

/// A text that is not a valid duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid duration; write 90s, 1h30m, 200ms or 7d")]
pub struct InvalidDuration(String);

/// Reads `90` (seconds), `90s`, `1h30m`, `1.5h`, `200ms` or `7d`.
///
/// # Errors
/// Returns [`InvalidDuration`] for any other text and for a duration that is out of range.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    // Unlike Vault, scenarios refuse an empty text and a sign, and allow more than 292 years.
    let seconds = text.parse().ok().map(Duration::from_secs);
    seconds
        .or_else(|| parse_units(text))
        .ok_or_else(|| InvalidDuration(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_units_are_read_and_nothing_else() {
        for (text, milliseconds) in [
            ("90", 90_000),
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("1.5s", 1_500),
            ("200ms", 200),
            ("7d", 604_800_000),
            ("300000d", 25_920_000_000_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for bad in [
            "",
            "s",
            "1x",
            "-1s",
            "+1s",
            "1 h",
            "1h3",
            "1..5s",
            "99999999999999999999h",
        ] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}

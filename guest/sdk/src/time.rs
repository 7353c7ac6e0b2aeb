//! Reads, writes and compares points in time.

use std::fmt;
use std::ops::Add;
use std::str::FromStr;
use std::time::Duration;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::field::{FieldType, Kind};

const DAY: i64 = 86_400;

/// A point in time, in UTC. Its text and its JSON are RFC 3339 as Vault writes it: `2026-01-02T03:04:05.5Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Nanoseconds after the seconds, 0 to 999,999,999.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// Returns the time that is whole seconds after the start of 1970.
    pub const fn from_seconds(seconds: i64) -> Timestamp {
        Timestamp {
            seconds,
            nanoseconds: 0,
        }
    }

    /// Returns the time since an earlier moment; zero if that moment is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        let nanoseconds = i128::from(self.seconds - earlier.seconds) * 1_000_000_000
            + i128::from(self.nanoseconds)
            - i128::from(earlier.nanoseconds);
        Duration::from_nanos(u64::try_from(nanoseconds.max(0)).unwrap_or(u64::MAX))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, after: Duration) -> Timestamp {
        let nanoseconds = self.nanoseconds + after.subsec_nanos();
        let seconds = i64::try_from(after.as_secs()).unwrap_or(i64::MAX);
        Timestamp {
            seconds: self
                .seconds
                .saturating_add(seconds)
                .saturating_add((nanoseconds / 1_000_000_000).into()),
            nanoseconds: nanoseconds % 1_000_000_000,
        }
    }
}

impl Timestamp {
    /// Returns its text. A stored entry can hold dozens of timestamps, so this avoids the formatting machinery, which is
    /// slower.
    fn text(self) -> String {
        let (year, month, day) = date(self.seconds.div_euclid(DAY));
        // A second of the day has five digits.
        let second = self.seconds.rem_euclid(DAY) as u32;
        let mut text = match u32::try_from(year) {
            Ok(year @ ..10_000) => {
                let mut text = String::with_capacity("2026-01-02T03:04:05.123456789Z".len());
                text.extend(digits::<4>(year));
                text
            }
            _ => format!("{year:04}"),
        };
        let rest = [
            ('-', month),
            ('-', day),
            ('T', second / 3600),
            (':', second / 60 % 60),
            (':', second % 60),
        ];
        for (separator, number) in rest {
            text.push(separator);
            text.extend(digits::<2>(number));
        }
        if self.nanoseconds > 0 {
            text.push('.');
            text.extend(digits::<9>(self.nanoseconds));
            text.truncate(text.trim_end_matches('0').len());
        }
        text.push('Z');
        text
    }
}

/// Returns the last `N` digits of a number.
fn digits<const N: usize>(mut number: u32) -> [char; N] {
    let mut digits = ['0'; N];
    for digit in digits.iter_mut().rev() {
        *digit = char::from(b'0' + (number % 10) as u8);
        number /= 10;
    }
    digits
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// The error for a text that is not RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not parse string as date and time")]
pub struct NotATime;

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        parse(text).ok_or(NotATime)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText)
    }
}

/// Reads a time from a text that it does not copy.
struct FromText;

impl Visitor<'_> for FromText {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Timestamp, E> {
        text.parse().map_err(E::custom)
    }
}

impl FieldType for Timestamp {
    const KIND: Kind = Kind::Time;

    fn from_json(value: Value) -> Result<Option<Self>, String> {
        let seconds = match value {
            Value::Null => return Ok(None),
            Value::String(text) => match text.parse::<i64>() {
                Ok(seconds) => seconds,
                Err(_) => {
                    return text
                        .parse()
                        .map(Some)
                        .map_err(|error: NotATime| error.to_string());
                }
            },
            Value::Number(number) => number.to_string().parse::<i64>().map_err(|error| {
                let out_of_range = matches!(
                    error.kind(),
                    std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow
                );
                let why = if out_of_range {
                    "value out of range"
                } else {
                    "invalid syntax"
                };
                format!("strconv.ParseInt: parsing {:?}: {why}", number.to_string())
            })?,
            _ => return Err("could not parse time from input type".into()),
        };
        Ok(Some(Timestamp::from_seconds(seconds)))
    }

    fn to_json(&self) -> Value {
        self.to_string().into()
    }
}

/// Returns the date that is `days` after 1970-01-01. Years begin in March here, so that the leap day is the last day.
pub(crate) fn date(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    // A month and a day have two digits.
    (
        era * 400 + year_of_era + i64::from(month <= 2),
        month as u32,
        day as u32,
    )
}

/// Returns the number of days between 1970-01-01 and a date.
fn days(year: i64, month: u32, day: u32) -> i64 {
    let (month, day) = (i64::from(month), i64::from(day));
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn parse(text: &str) -> Option<Timestamp> {
    let (fixed, rest) = text.as_bytes().split_at_checked("2026-01-02T03:04:05".len())?;
    let separators = [4, 7, 10, 13, 16].map(|at| fixed[at]);
    if separators != *b"--T::" {
        return None;
    }
    let two = |at: usize| number(&fixed[at..at + 2]);
    let (year, month, day) = (number(&fixed[..4])?.into(), two(5)?, two(8)?);
    let (hour, minute, second) = (two(11)?, two(14)?, two(17)?);
    let (nanoseconds, zone) = match rest.strip_prefix(b".") {
        Some(rest) => fraction(rest)?,
        None => (0, rest),
    };
    let offset = match *zone {
        [b'Z'] => 0,
        [sign @ (b'+' | b'-'), h, hh, b':', m, mm] => {
            let (hours, minutes) = (number(&[h, hh])?, number(&[m, mm])?);
            if hours > 24 || minutes > 60 {
                return None;
            }
            let offset = i64::from(hours * 3600 + minutes * 60);
            if sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    let at = days(year, month, day);
    // A date that does not exist would come back as another one.
    if hour > 23 || minute > 59 || second > 59 || !(1..=12).contains(&month) || date(at) != (year, month, day)
    {
        return None;
    }
    Some(Timestamp {
        seconds: at * DAY + i64::from(hour * 3600 + minute * 60 + second) - offset,
        nanoseconds,
    })
}

/// Reads a number that has only digits, at most nine.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u32::from(digit - b'0'))
    })
}

/// Reads the digits after the point, and returns them as nanoseconds with the bytes after them. Digits beyond
/// nanoseconds are dropped.
fn fraction(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let length = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = bytes.split_at(length);
    let kept = &digits[..length.min(9)];
    let missing = u32::try_from(9 - kept.len()).ok()?;
    (length > 0)
        .then(|| number(kept))
        .flatten()
        .map(|number| (number * 10_u32.pow(missing), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_vault_writes_it() {
        let at = Timestamp {
            seconds: 1_767_323_045,
            nanoseconds: 120_000_000,
        };
        assert_eq!(at.to_string(), "2026-01-02T03:04:05.12Z");
        assert_eq!(Timestamp::from_seconds(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp::from_seconds(-1).to_string(), "1969-12-31T23:59:59Z");
        let year = |year| Timestamp::from_seconds(days(year, 1, 1) * DAY).to_string();
        assert_eq!(year(10_000), "10000-01-01T00:00:00Z");
        assert_eq!(year(-1), "-001-01-01T00:00:00Z");
    }

    #[test]
    fn every_day_of_four_centuries_comes_back_from_its_text() {
        for day in -100_000..100_000 {
            let at = Timestamp::from_seconds(day * DAY + 3_661);
            assert_eq!(at.to_string().parse(), Ok(at));
        }
    }

    #[test]
    fn applies_zones_and_refuses_dates_that_do_not_exist() {
        let at = |text: &str| text.parse::<Timestamp>();
        assert_eq!(at("2026-01-02T03:04:05+02:00"), at("2026-01-02T01:04:05Z"));
        assert_eq!(at("2026-01-02T03:04:05-02:30"), at("2026-01-02T05:34:05Z"));
        let nanoseconds = |text| at(text).map(|at| at.nanoseconds);
        assert_eq!(nanoseconds("2026-01-02T03:04:05.05Z"), Ok(50_000_000));
        assert_eq!(
            nanoseconds("2026-01-02T03:04:05.1234567899+00:00"),
            Ok(123_456_789)
        );
        for wrong in [
            "2026-02-29T00:00:00Z",
            "2026-01-02",
            "2026-01-02T24:00:00Z",
            "2026-1-02T03:04:05Z",
            "2026-01-02 03:04:05Z",
            "2026-01-02T03:04:05",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05.5",
            "2026-01-02T03:04:05Z0",
            "2026-01-02T03:04:05+2:00",
            "2026-01-02T03:04:05+02:00Z",
            "2026-01-02T03:04:é5Z",
            "x",
            "",
        ] {
            assert_eq!(at(wrong), Err(NotATime), "{wrong}");
        }
    }

    #[test]
    fn time_that_passed_is_never_negative() {
        let (early, late) = (Timestamp::from_seconds(10), Timestamp::from_seconds(12));
        assert_eq!(late.since(early), Duration::from_secs(2));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(
            early + Duration::from_millis(2_500),
            Timestamp {
                seconds: 12,
                nanoseconds: 500_000_000
            }
        );
    }
}

//! Durations as Vault's API reads and shows them.

use std::time::Duration;

use serde_json::Value;

/// The longest duration that Go can express: some 292 years.
const LONGEST: Duration = Duration::from_nanos(i64::MAX.cast_unsigned());

/// Parses a number of seconds or a text such as `90`, `1h30m`, `2d`. Negative durations are refused.
///
/// # Errors
/// Returns Go's error for a text that is not a duration.
pub fn parse_duration(value: &Value) -> Result<Duration, String> {
    let text = match value {
        Value::Null => return Ok(Duration::ZERO),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return Err("could not parse duration from input".to_owned()),
    };
    if text.is_empty() {
        return Ok(Duration::ZERO);
    }
    let invalid = || format!("time: invalid duration {text:?}");
    let total = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => with_units(text.strip_prefix('+').unwrap_or(&text)).map_err(|wrong| match wrong {
            Wrong::Invalid => invalid(),
            Wrong::NoUnit => format!("time: missing unit in duration {text:?}"),
            Wrong::Unit(unit) => format!("time: unknown unit {unit:?} in duration {text:?}"),
        })?,
    };
    if total > LONGEST {
        return Err(invalid());
    }
    Ok(total)
}

/// Parses a sum of numbers with units, such as `1h30m` or `1.5s`, without a sign. Returns `None` for any other text.
pub fn parse_units(text: &str) -> Option<Duration> {
    with_units(text).ok()
}

enum Wrong {
    Invalid,
    NoUnit,
    Unit(String),
}

fn with_units(text: &str) -> Result<Duration, Wrong> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    if rest.is_empty() {
        return Err(Wrong::Invalid);
    }
    let is_digit = |character: char| character.is_ascii_digit() || character == '.';
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c| !is_digit(c)).unwrap_or(rest.len()));
        let whole = number.split('.').next().unwrap_or_default();
        if !whole.is_empty() && whole.parse::<i64>().is_err() {
            return Err(Wrong::Invalid);
        }
        let number: f64 = number.parse().map_err(|_| Wrong::Invalid)?;
        let (unit, after) = after.split_at(after.find(is_digit).unwrap_or(after.len()));
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            "" => return Err(Wrong::NoUnit),
            unit => return Err(Wrong::Unit(unit.to_owned())),
        };
        let part = Duration::try_from_secs_f64(number * seconds).map_err(|_| Wrong::Invalid)?;
        total = total.checked_add(part).ok_or(Wrong::Invalid)?;
        rest = after;
    }
    Ok(total)
}

/// Formats a duration without its zero parts, as in Vault's warnings: `1h`, `1h30m`; `90.5s` becomes `1m30.5s`.
pub fn human_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = format!("{:.9}", f64::from(duration.subsec_nanos()) / 1e9);
    let fraction = fraction
        .trim_start_matches('0')
        .trim_end_matches('0')
        .trim_end_matches('.');
    let parts = [
        (hours > 0, format!("{hours}h")),
        (minutes > 0, format!("{minutes}m")),
    ];
    let mut text: String = parts
        .into_iter()
        .filter(|(shown, _)| *shown)
        .map(|(_, part)| part)
        .collect();
    if rest > 0 || !fraction.is_empty() || text.is_empty() {
        text.push_str(&format!("{rest}{fraction}s"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn seconds_and_go_durations_are_read() {
        for (value, seconds) in [
            (json!(90), 90.0),
            (json!("90"), 90.0),
            (json!("1h30m"), 5_400.0),
            (json!("1.5s"), 1.5),
            (json!("2d"), 172_800.0),
            (json!("+60s"), 60.0),
            (json!(""), 0.0),
            (json!(null), 0.0),
        ] {
            assert_eq!(
                parse_duration(&value),
                Ok(Duration::from_secs_f64(seconds)),
                "{value}"
            );
        }
        assert_eq!(
            parse_duration(&json!("abc")).unwrap_err(),
            "time: invalid duration \"abc\""
        );
        for (text, why) in [
            ("0.5", "time: missing unit in duration \"0.5\""),
            ("1y", "time: unknown unit \"y\" in duration \"1y\""),
            ("-5", "time: invalid duration \"-5\""),
            (
                "999999999999999999999",
                "time: invalid duration \"999999999999999999999\"",
            ),
            ("+", "time: invalid duration \"+\""),
            ("9999999999999h", "time: invalid duration \"9999999999999h\""),
        ] {
            assert_eq!(parse_duration(&json!(text)).unwrap_err(), why);
        }
        assert!(parse_duration(&json!(u64::MAX)).is_err());
        assert!(parse_duration(&json!([1])).is_err());
    }

    #[test]
    fn a_sum_of_numbers_with_units_needs_units_and_no_sign() {
        assert_eq!(parse_units("1h30m"), Some(Duration::from_secs(5_400)));
        assert_eq!(
            parse_units("300000d"),
            Some(Duration::from_secs(300_000 * 86_400))
        );
        for text in ["", "90", "+1s", "-1s", "1 h", "1h3", "1..5s", "s"] {
            assert_eq!(parse_units(text), None, "{text}");
        }
    }

    #[test]
    fn zero_parts_are_left_out() {
        for (seconds, text) in [
            (0.0, "0s"),
            (3600.0, "1h"),
            (5400.0, "1h30m"),
            (61.0, "1m1s"),
            (0.5, "0.5s"),
            (3601.0, "1h1s"),
        ] {
            assert_eq!(human_duration(Duration::from_secs_f64(seconds)), text);
        }
    }
}

//! Durations as Vault's API takes and shows them.

use std::time::Duration;

use serde_json::Value;

/// A number of seconds or a text such as `90`, `1h30m`, `2d`; negative ones are `None` inside the result's error text.
///
/// # Errors
/// Go's own words about a text that is not a duration.
pub(crate) fn parse_duration(value: &Value) -> Result<Duration, String> {
    let text = match value {
        Value::Null => return Ok(Duration::ZERO),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return Err("could not parse duration from input".to_owned()),
    };
    if text.is_empty() {
        return Ok(Duration::ZERO);
    }
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    let invalid = || format!("time: invalid duration {text:?}");
    let mut total = Duration::ZERO;
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(invalid)?;
        let (number, after) = rest.split_at(digits);
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let unit_length = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_length);
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return Err(invalid()),
        };
        let part = Duration::try_from_secs_f64(number * seconds).map_err(|_| invalid())?;
        total = total.checked_add(part).ok_or_else(invalid)?;
        rest = after;
    }
    Ok(total)
}

/// A duration without its zero parts, as in Vault's warnings: `1h`, `1h30m`, `90.5s` is `1m30.5s`.
pub(crate) fn human_duration(duration: Duration) -> String {
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
        assert!(parse_duration(&json!("5x")).is_err());
        assert!(parse_duration(&json!([1])).is_err());
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

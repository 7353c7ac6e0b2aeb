//! Decodes fields that are lengths of time.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FieldType, Kind};

/// A length of time in seconds that may be negative, for a field where `-1` has a meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignedSeconds(pub i64);

impl FieldType for Duration {
    const KIND: Kind = Kind::Duration;

    fn from_json(value: Value) -> Result<Option<Self>, String> {
        let Some(seconds) = whole_seconds(value)? else {
            return Ok(None);
        };
        match u64::try_from(seconds) {
            Ok(seconds) => Ok(Some(Duration::from_secs(seconds))),
            Err(_) => Err(format!("cannot provide negative value '{seconds}'")),
        }
    }

    fn to_json(&self) -> Value {
        self.as_secs().into()
    }
}

impl FieldType for SignedSeconds {
    const KIND: Kind = Kind::Duration;

    fn from_json(value: Value) -> Result<Option<Self>, String> {
        Ok(whole_seconds(value)?.map(SignedSeconds))
    }

    fn to_json(&self) -> Value {
        self.0.into()
    }
}

/// Keeps a `Duration` as whole seconds in JSON: `#[serde(with = "seconds")]`.
pub mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the length.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(duration.as_secs())
    }

    /// Reads the length.
    ///
    /// # Errors
    /// The deserializer's own, and an error for anything that is not a whole number of seconds.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_secs)
    }
}

/// Reads seconds without a unit, days such as `2d`, or a duration in Go's format. Drops a fraction of a second.
// Not shared with `vault_core`, which guests do not contain. Fields may also be negative, and take days only alone.
fn whole_seconds(value: Value) -> Result<Option<i64>, String> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        _ => return Err("could not parse duration from input".into()),
    };
    if text.is_empty() {
        return Ok(Some(0));
    }
    let (count, seconds) = match (text.parse::<i64>(), text.strip_suffix('d')) {
        (Ok(count), _) => (count, 1),
        (_, Some(days)) => (days.parse().map_err(|_| invalid_number(days))?, 86_400),
        _ => return nanoseconds(&text).map(|nanoseconds| Some(nanoseconds / 1_000_000_000)),
    };
    let seconds = count
        .checked_mul(seconds)
        .filter(|seconds| seconds.checked_mul(1_000_000_000).is_some());
    seconds.map(Some).ok_or_else(|| {
        "multiplication of durations resulted in overflow, one operand may be too large".to_string()
    })
}

fn invalid_number(text: &str) -> String {
    format!("strconv.ParseInt: parsing {text:?}: invalid syntax")
}

/// Reads a duration in Go's format: `1h30m`, `1.5h`, `-5s`, `300ms`.
fn nanoseconds(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return Err(invalid());
    }
    if rest == "0" {
        return Ok(0);
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let whole = digits(&mut rest);
        let fraction = rest.strip_prefix('.').map(|after| {
            rest = after;
            digits(&mut rest)
        });
        if whole.is_empty() && fraction.is_none_or(str::is_empty) {
            return Err(invalid());
        }
        let end = rest
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (unit, after) = rest.split_at(end);
        rest = after;
        let scale: u64 = match unit {
            // The error for a number that is too large takes precedence.
            "" if whole.parse::<i64>().is_err() && !whole.is_empty() => return Err(invalid()),
            "" => return Err(format!("time: missing unit in duration {}", quote(text))),
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => {
                let (unit, text) = (quote(unit), quote(text));
                return Err(format!("time: unknown unit {unit} in duration {text}"));
            }
        };
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().map_err(|_| invalid())?
        };
        total = whole
            .checked_mul(scale)
            .and_then(|part| part.checked_add(fraction_of(fraction.unwrap_or(""), scale)))
            .and_then(|part| part.checked_add(total))
            .filter(|total| *total <= i64::MAX.unsigned_abs())
            .ok_or_else(invalid)?;
    }
    let total = i64::try_from(total).map_err(|_| invalid())?;
    Ok(if negative { -total } else { total })
}

/// Quotes a text as Go's durations do: every byte that is not printable ASCII is escaped.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=0x7f => quoted.push(char::from(byte)),
            _ => quoted.push_str(&format!("\\x{byte:02x}")),
        }
    }
    quoted.push('"');
    quoted
}

/// Takes the digits at the start of a text.
fn digits<'t>(text: &mut &'t str) -> &'t str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    digits
}

/// Returns the fraction of a unit, such as `.5`. Ignores digits that no longer matter.
fn fraction_of(digits: &str, scale: u64) -> u64 {
    let mut value = 0;
    let mut part = scale;
    for digit in digits.bytes() {
        part /= 10;
        value += u64::from(digit - b'0') * part;
    }
    value
}

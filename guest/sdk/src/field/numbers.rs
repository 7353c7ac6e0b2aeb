//! Decodes fields that are numbers or booleans.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::{FieldType, Kind, coerce};

/// Reads an integer with Go's rules: `0x1f`, `0o17`, `017`, `0b1`, `1_000`.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits, prefixed) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..], true),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..], true),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..], true),
        [b'0', _, ..] => (8, &digits[1..], true),
        _ => (10, digits, false),
    };
    // An underscore may only stand between digits, or between a prefix and digits.
    let mut value: i128 = 0;
    let mut after_digit = prefixed;
    let mut ends_well = false;
    for c in digits.chars() {
        if c == '_' {
            if !after_digit {
                return None;
            }
            (after_digit, ends_well) = (false, false);
            continue;
        }
        let digit = c.to_digit(radix)?;
        value = value.saturating_mul(radix.into()).saturating_add(digit.into());
        (after_digit, ends_well) = (true, true);
    }
    ends_well.then_some(if negative { -value } else { value })
}

/// Converts any input that Vault accepts as an integer, to a type of any width.
pub(super) fn int<T: TryFrom<i128>>(at: &str, value: Value, wanted: &str) -> Result<T, String> {
    let (text, value) = match value {
        Value::Null => (String::new(), Some(0)),
        Value::Bool(bool) => (String::new(), Some(bool.into())),
        Value::Number(number) => parsed(number.to_string()),
        Value::String(text) if text.is_empty() => (text, Some(0)),
        Value::String(text) => parsed(text),
        other => return Err(coerce::unconvertible(at, wanted, &other)),
    };
    let fail = |why: &str| format!("cannot parse '{at}' as int: strconv.ParseInt: parsing {text:?}: {why}");
    let value = value.ok_or_else(|| fail("invalid syntax"))?;
    T::try_from(value).map_err(|_| fail("value out of range"))
}

fn parsed(text: String) -> (String, Option<i128>) {
    let value = integer(&text);
    (text, value)
}

macro_rules! int_type {
    ($($type:ty => $kind:ident $name:literal),*) => { $(
        impl FieldType for $type {
            const KIND: Kind = Kind::$kind;

            fn from_json(value: Value) -> Result<Option<Self>, String> {
                int("", value, $name).map(Some)
            }

            fn to_json(&self) -> Value {
                (*self).into()
            }
        }
    )* };
}

int_type! {
    i64 => Int64 "int64", u64 => Int64 "int64", i32 => Int "int", u32 => Int "int",
    i16 => Int "int", u16 => Int "int", i8 => Int "int", u8 => Int "int"
}

/// A whole number of 64 bits that may be negative: the type of most numbers in Vault's own engines. Errors call it
/// `int`, whereas those of `i64` call it `int64`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Int(pub i64);

impl FieldType for Int {
    const KIND: Kind = Kind::Int;

    fn from_json(value: Value) -> Result<Option<Self>, String> {
        int("", value, "int").map(|number| Some(Int(number)))
    }

    fn to_json(&self) -> Value {
        self.0.into()
    }
}

impl FieldType for f64 {
    const KIND: Kind = Kind::Float;

    fn from_json(value: Value) -> Result<Option<Self>, String> {
        let text = match value {
            Value::Null => return Ok(Some(0.0)),
            Value::Bool(bool) => return Ok(Some(if bool { 1.0 } else { 0.0 })),
            Value::Number(number) => number.to_string(),
            Value::String(text) if text.is_empty() => return Ok(Some(0.0)),
            Value::String(text) => text,
            other => return Err(coerce::unconvertible("", "float64", &other)),
        };
        let fail = |why| {
            Err(format!(
                "cannot parse '' as float: strconv.ParseFloat: parsing {text:?}: {why}"
            ))
        };
        match digits_joined(&text).parse::<f64>() {
            Ok(float) if float.is_finite() => Ok(Some(float)),
            Ok(_) => fail("value out of range"),
            Err(_) => fail("invalid syntax"),
        }
    }

    fn to_json(&self) -> Value {
        Number::from_f64(*self).map_or(Value::Null, Value::Number)
    }
}

/// Removes underscores between digits. Returns the text unchanged if an underscore is anywhere else.
fn digits_joined(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    let joins = |i: usize| i > 0 && digit(i - 1) && digit(i + 1);
    if !text.contains('_') || text.match_indices('_').any(|(i, _)| !joins(i)) {
        return text.into();
    }
    text.replace('_', "").into()
}

impl FieldType for bool {
    const KIND: Kind = Kind::Bool;

    fn from_json(value: Value) -> Result<Option<Self>, String> {
        let text = match value {
            Value::Null => return Ok(Some(false)),
            Value::Bool(bool) => return Ok(Some(bool)),
            Value::Number(number) => number.to_string(),
            Value::String(text) => text,
            other => return Err(coerce::unconvertible("", "bool", &other)),
        };
        match text.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Some(true)),
            "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Some(false)),
            _ => Err(format!(
                "cannot parse '' as bool: strconv.ParseBool: parsing {text:?}: invalid syntax"
            )),
        }
    }

    fn to_json(&self) -> Value {
        (*self).into()
    }
}

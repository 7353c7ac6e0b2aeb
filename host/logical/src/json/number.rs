//! Checks numbers: their grammar, and that they fit a 64-bit float.

use super::Flaw;

/// Most digits of an integer that fits a 64-bit float whatever the digits are: the largest float has 309.
const SAFE_DIGITS: usize = 308;

/// Finds the end of the number that begins at `begin`, with a digit or a minus.
///
/// # Errors
/// The text is not a JSON number, or the number is too large for a 64-bit float. A number that is too small counts as
/// zero.
pub(super) fn end(text: &[u8], begin: usize) -> Result<usize, Flaw> {
    let mut at = begin;
    if text.get(at) == Some(&b'-') {
        at += 1;
    }
    let integer = at;
    at = digits(text, at)?;
    let integer_digits = at - integer;
    if integer_digits > 1 && text[integer] == b'0' {
        return Err(Flaw::Syntax { at: integer + 1 });
    }
    if text.get(at) == Some(&b'.') {
        at = digits(text, at + 1)?;
    }
    let exponent = matches!(text.get(at), Some(b'e' | b'E'));
    if exponent {
        at += 1;
        if matches!(text.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        at = digits(text, at)?;
    }
    let fits = (!exponent && integer_digits <= SAFE_DIGITS) || is_finite(&text[begin..at]);
    if fits { Ok(at) } else { Err(Flaw::Number) }
}

/// Returns the end of one digit or more.
fn digits(text: &[u8], begin: usize) -> Result<usize, Flaw> {
    let rest = text.get(begin..).unwrap_or_default();
    let count = rest
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(rest.len());
    match (count, rest.is_empty()) {
        (0, true) => Err(Flaw::Incomplete),
        (0, false) => Err(Flaw::Syntax { at: begin }),
        _ => Ok(begin + count),
    }
}

fn is_finite(number: &[u8]) -> bool {
    str::from_utf8(number).is_ok_and(|text| text.parse::<f64>().is_ok_and(f64::is_finite))
}

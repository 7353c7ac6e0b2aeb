//! `printf` with the verbs that names need.

use super::MAX_OUTPUT;
use super::evaluate::Value;
use super::parse::{Expr, Kind};

/// A part of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Verb {
        verb: char,
        left: bool,
        zeros: bool,
        width: usize,
        precision: Option<usize>,
    },
}

/// Reads a format, and checks that it fits the arguments.
pub(super) fn parse(format: &str, arguments: &[Expr]) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = format;
    let mut left_over = arguments.iter();
    while let Some(start) = rest.find('%') {
        pieces.push(Piece::Text(rest[..start].into()));
        rest = &rest[start + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            pieces.push(Piece::Text("%".into()));
            rest = after;
            continue;
        }
        let flags = rest.len() - rest.trim_start_matches(['-', '0']).len();
        let (left, zeros) = (rest[..flags].contains('-'), rest[..flags].contains('0'));
        rest = &rest[flags..];
        let width = number(&mut rest)?.unwrap_or_default();
        let mut precision = None;
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            precision = Some(number(&mut rest)?.unwrap_or_default());
        }
        let verb = rest
            .chars()
            .next()
            .ok_or("the format ends after `%`; write `%%`")?;
        rest = &rest[verb.len_utf8()..];
        let Some(argument) = left_over.next() else {
            return Err("`printf` has fewer arguments than its format has verbs".into());
        };
        check(verb, zeros, precision, argument.kind())?;
        pieces.push(Piece::Verb {
            verb,
            left,
            zeros,
            width,
            precision,
        });
    }
    pieces.push(Piece::Text(rest.into()));
    match left_over.next() {
        Some(_) => Err("`printf` has more arguments than its format has verbs".into()),
        None => Ok(pieces),
    }
}

fn number(rest: &mut &str) -> Result<Option<usize>, String> {
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, after) = rest.split_at(digits);
    *rest = after;
    match number.parse() {
        _ if number.is_empty() => Ok(None),
        Ok(number) if number <= MAX_OUTPUT => Ok(Some(number)),
        _ => Err(format!("`printf` makes texts of {MAX_OUTPUT} bytes at most")),
    }
}

fn check(verb: char, zeros: bool, precision: Option<usize>, kind: Kind) -> Result<(), String> {
    let fits = match verb {
        's' => kind == Kind::Text,
        'd' => kind == Kind::Number,
        't' => kind == Kind::Truth,
        'v' => true,
        'x' | 'X' => kind != Kind::Truth,
        _ => return Err("`printf` supports %s, %d, %v, %t, %x and %X".into()),
    };
    if !fits {
        return Err(format!("`%{verb}` does not fit {}", kind.name()));
    }
    if zeros && kind != Kind::Number {
        return Err("`printf` fills only numbers with zeros".into());
    }
    if precision.is_some() && (kind != Kind::Text || !matches!(verb, 's' | 'v')) {
        return Err("`printf` supports a precision for `%s` alone".into());
    }
    Ok(())
}

pub(super) fn print(pieces: &[Piece], arguments: &[Value]) -> Result<String, String> {
    let mut output = String::new();
    let mut arguments = arguments.iter();
    for piece in pieces {
        match piece {
            Piece::Text(text) => output.push_str(text),
            Piece::Verb {
                verb,
                left,
                zeros,
                width,
                precision,
            } => {
                let argument = arguments.next().ok_or("`printf` has too few arguments")?;
                let mut text = shown(*verb, argument);
                if let Some(precision) = precision {
                    text = text.chars().take(*precision).collect();
                }
                let fill = width.saturating_sub(text.chars().count());
                pad(&mut output, &text, fill, *left, *zeros);
            }
        }
        if output.len() > MAX_OUTPUT {
            return Err(format!("a text becomes longer than {MAX_OUTPUT} bytes"));
        }
    }
    Ok(output)
}

fn shown(verb: char, value: &Value) -> String {
    match (verb, value) {
        ('x' | 'X', Value::Text(text)) => {
            let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            if verb == 'X' {
                hex.to_ascii_uppercase()
            } else {
                hex
            }
        }
        ('x' | 'X', Value::Number(number)) => {
            let sign = if *number < 0 { "-" } else { "" };
            let hex = format!("{sign}{:x}", number.unsigned_abs());
            if verb == 'X' {
                hex.to_ascii_uppercase()
            } else {
                hex
            }
        }
        (_, value) => value.shown(),
    }
}

fn pad(output: &mut String, text: &str, fill: usize, left: bool, zeros: bool) {
    // Zeros stand behind the sign, and never behind the number.
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) if zeros && !left => ("-", digits),
        _ => ("", text),
    };
    let filler = if zeros && !left { "0" } else { " " }.repeat(fill);
    let parts = if left {
        [text, &filler, ""]
    } else {
        [sign, &filler, digits]
    };
    match (left, zeros) {
        (false, false) => output.extend([filler.as_str(), text]),
        _ => output.extend(parts),
    }
}

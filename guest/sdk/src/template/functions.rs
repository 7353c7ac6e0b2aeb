//! The functions of templates: what they take, and what they do.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2_digest_0_11::Digest as _;

use super::MAX_OUTPUT;
use super::evaluate::Value;
use super::layout;
use super::parse::{Expr, Kind};
use crate::Context;

/// The length of the hash that `truncate_sha256` appends.
const HASH: usize = 8;

/// The characters of `random`, in Vault's order.
const BASE62: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Random,
    Truncate,
    TruncateSha256,
    Uppercase,
    Lowercase,
    Replace,
    Sha256,
    Base64,
    UnixTime,
    UnixTimeMillis,
    Timestamp,
    Uuid,
    Print,
    Len,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
    Not,
}

use Function::*;

/// The names of the functions, and what they take. `None` is checked elsewhere.
const FUNCTIONS: [(&str, Function, Option<&[Kind]>); 23] = [
    ("random", Random, Some(&[Kind::Number])),
    ("truncate", Truncate, Some(&[Kind::Number, Kind::Text])),
    (
        "truncate_sha256",
        TruncateSha256,
        Some(&[Kind::Number, Kind::Text]),
    ),
    ("uppercase", Uppercase, Some(&[Kind::Text])),
    ("lowercase", Lowercase, Some(&[Kind::Text])),
    ("replace", Replace, Some(&[Kind::Text, Kind::Text, Kind::Text])),
    ("sha256", Sha256, Some(&[Kind::Text])),
    ("base64", Base64, Some(&[Kind::Text])),
    ("unix_time", UnixTime, Some(&[])),
    ("unix_time_millis", UnixTimeMillis, Some(&[])),
    ("timestamp", Timestamp, Some(&[Kind::Text])),
    ("uuid", Uuid, Some(&[])),
    ("print", Print, None),
    ("len", Len, Some(&[Kind::Text])),
    ("eq", Eq, None),
    ("ne", Ne, None),
    ("lt", Lt, None),
    ("le", Le, None),
    ("gt", Gt, None),
    ("ge", Ge, None),
    ("and", And, None),
    ("or", Or, None),
    ("not", Not, None),
];

/// Returns the names of all functions.
pub(super) fn names() -> Vec<&'static str> {
    FUNCTIONS.iter().map(|(name, ..)| *name).collect()
}

impl Function {
    pub(super) fn of(name: &str) -> Option<Function> {
        let found = FUNCTIONS.iter().find(|(known, ..)| *known == name);
        found.map(|(_, function, _)| *function)
    }

    pub(super) fn kind(self, arguments: &[Expr]) -> Kind {
        match self {
            Len => Kind::Number,
            Eq | Ne | Lt | Le | Gt | Ge | Not => Kind::Truth,
            // All their arguments are of one kind.
            And | Or => arguments.first().map_or(Kind::Truth, Expr::kind),
            _ => Kind::Text,
        }
    }

    /// Says which argument is wrong, if one is, and why.
    pub(super) fn check(self, arguments: &[(usize, Expr)]) -> Result<(), (Option<usize>, String)> {
        let known = FUNCTIONS.iter().find(|(_, function, _)| *function == self);
        let Some((name, _, kinds)) = known else {
            return Ok(());
        };
        if let Some(kinds) = kinds {
            if kinds.len() != arguments.len() {
                let what = format!(
                    "`{name}` takes {} arguments, and got {}",
                    kinds.len(),
                    arguments.len()
                );
                return Err((None, what));
            }
            let wrong = kinds
                .iter()
                .zip(arguments)
                .find(|(kind, (_, argument))| argument.kind() != **kind);
            if let Some((kind, (at, argument))) = wrong {
                let got = argument.kind().name();
                return Err((
                    Some(*at),
                    format!("`{name}` takes {} here, and not {got}", kind.name()),
                ));
            }
        }
        let count = match self {
            Not => Some(1..=1),
            Ne | Lt | Le | Gt | Ge => Some(2..=2),
            Eq => Some(2..=usize::MAX),
            And | Or => Some(1..=usize::MAX),
            _ => None,
        };
        if let Some(count) = count {
            if !count.contains(&arguments.len()) {
                let what = format!(
                    "`{name}` takes {} or more arguments, and got {}",
                    count.start(),
                    arguments.len()
                );
                return Err((None, what));
            }
            let first = arguments[0].1.kind();
            if let Some((at, _)) = arguments.iter().find(|(_, argument)| argument.kind() != first) {
                return Err((Some(*at), format!("`{name}` takes values of one kind")));
            }
            if matches!(self, Lt | Le | Gt | Ge) && first == Kind::Truth {
                return Err((None, format!("`{name}` takes numbers or texts")));
            }
        }
        match arguments.first() {
            Some((at, Expr::Number(number))) => self.check_number(*number).map_err(|what| (Some(*at), what)),
            _ => Ok(()),
        }
    }

    fn check_number(self, number: i64) -> Result<(), String> {
        let (least, name) = match self {
            Random => (0, "random"),
            Truncate => (1, "truncate"),
            TruncateSha256 => (HASH as i64 + 1, "truncate_sha256"),
            _ => return Ok(()),
        };
        match number < least || number > MAX_OUTPUT as i64 {
            true => Err(format!(
                "`{name}` takes a number from {least} to {MAX_OUTPUT}, and got {number}"
            )),
            false => Ok(()),
        }
    }

    /// Calls a function that evaluates all its arguments.
    pub(super) fn call(self, cx: &Context, arguments: &[Value]) -> Result<Value, String> {
        let number = match arguments.first() {
            Some(Value::Number(number)) => {
                self.check_number(*number)?;
                usize::try_from(*number).unwrap_or_default()
            }
            _ => 0,
        };
        let text = match arguments.last() {
            Some(Value::Text(text)) => text.as_str(),
            _ => "",
        };
        Ok(Value::Text(match self {
            Random => random(cx, number),
            Truncate => beginning(text, number).to_owned(),
            TruncateSha256 => truncate_sha256(number, text),
            Uppercase => text.chars().map(upper).collect(),
            Lowercase => text.chars().map(lower).collect(),
            Replace => replace(arguments)?,
            Sha256 => hash(text.as_bytes()),
            Base64 => STANDARD.encode(text),
            UnixTime => cx.clock.now().seconds.to_string(),
            UnixTimeMillis => {
                let now = cx.clock.now();
                let milliseconds = i64::from(now.nanoseconds / 1_000_000);
                now.seconds
                    .saturating_mul(1000)
                    .saturating_add(milliseconds)
                    .to_string()
            }
            Timestamp => layout::format(text, cx.clock.now()),
            Uuid => cx.random.uuid(),
            Print => print(arguments),
            Len => return Ok(Value::Number(i64::try_from(text.len()).unwrap_or(i64::MAX))),
            Not => return Ok(Value::Truth(!arguments[0].is_true())),
            Eq => return Ok(Value::Truth(arguments[1..].contains(&arguments[0]))),
            Ne => return Ok(Value::Truth(arguments[0] != arguments[1])),
            Lt => return Ok(Value::Truth(arguments[0] < arguments[1])),
            Le => return Ok(Value::Truth(arguments[0] <= arguments[1])),
            Gt => return Ok(Value::Truth(arguments[0] > arguments[1])),
            Ge => return Ok(Value::Truth(arguments[0] >= arguments[1])),
            // They are evaluated one by one.
            And | Or => return Err("`and` and `or` have no call".into()),
        }))
    }
}

fn random(cx: &Context, length: usize) -> String {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        // A quarter more, because bytes beyond the last multiple of 62 would make some characters more likely.
        let missing = length - text.len();
        let bytes = cx.random.bytes((missing + missing / 4 + 1) as u32);
        let fair = bytes.into_iter().filter(|byte| *byte < 62 * 4);
        text.extend(
            fair.take(missing)
                .map(|byte| char::from(BASE62[usize::from(byte % 62)])),
        );
    }
    text
}

/// Returns at most this number of bytes, and only whole characters.
fn beginning(text: &str, length: usize) -> &str {
    &text[..text.floor_char_boundary(length)]
}

fn truncate_sha256(length: usize, text: &str) -> String {
    if text.len() <= length {
        return text.to_owned();
    }
    let kept = length - HASH;
    let hash = hash(&text.as_bytes()[kept..]);
    format!("{}{}", beginning(text, kept), &hash[..HASH])
}

fn hash(bytes: &[u8]) -> String {
    let digest = sha2_digest_0_11::Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Go maps each character to one other.
fn upper(c: char) -> char {
    let mut all = c.to_uppercase();
    match (all.next(), all.next()) {
        (Some(upper), None) => upper,
        _ => c,
    }
}

fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

fn replace(arguments: &[Value]) -> Result<String, String> {
    let [Value::Text(find), Value::Text(with), Value::Text(text)] = arguments else {
        return Err("`replace` takes three texts".into());
    };
    // The length before the text, because an empty `find` is everywhere.
    let count = text.matches(find.as_str()).count();
    let length = text.len().saturating_add(count.saturating_mul(with.len()));
    if length - count * find.len() > MAX_OUTPUT {
        return Err(format!("a text becomes longer than {MAX_OUTPUT} bytes"));
    }
    Ok(text.replace(find.as_str(), with))
}

/// Writes a space between two values if neither is a text, as Go does.
fn print(arguments: &[Value]) -> String {
    let mut printed = String::new();
    let mut was_text = true;
    for argument in arguments {
        let is_text = matches!(argument, Value::Text(_));
        if !was_text && !is_text {
            printed.push(' ');
        }
        printed.push_str(&argument.shown());
        was_text = is_text;
    }
    printed
}

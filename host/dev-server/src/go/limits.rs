//! Limits that Vault's listener checks in a JSON body before it decodes it: size, depth, and duplicate keys. Its errors
//! have status 500 and these texts.

use std::borrow::Cow;
use std::collections::HashSet;

const MAX_DEPTH: usize = 300;
const MAX_STRING: usize = 1 << 20;
const MAX_ENTRIES: usize = 10_000;
const MAX_TOKENS: usize = 500_000;

/// An object or array that is being read.
struct Container {
    closing: u8,
    /// The keys so far, if it is an object.
    keys: HashSet<Vec<u8>>,
    count: usize,
    expects_key: bool,
}

impl Container {
    fn is_object(&self) -> bool {
        self.closing == b'}'
    }

    fn count(&mut self) -> Result<(), String> {
        self.count += 1;
        if self.count <= MAX_ENTRIES {
            return Ok(());
        }
        let (kind, what) = if self.is_object() {
            ("object", "entry")
        } else {
            ("array", "element")
        };
        Err(format!("JSON {kind} exceeds allowed {what} count"))
    }
}

/// Returns the text without JSON's white space at its ends. A form feed is not white space in JSON.
pub(crate) fn without_space(text: &[u8]) -> &[u8] {
    let is_other = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
    let begin = text.iter().position(is_other).unwrap_or(text.len());
    let end = text.iter().rposition(is_other).map_or(begin, |last| last + 1);
    text.get(begin..end).unwrap_or_default()
}

/// Checks a body that is an object or an array. Any other body is left to the decoder.
///
/// # Errors
/// Returns Vault's text.
pub(crate) fn check_limits(body: &[u8]) -> Result<(), String> {
    let mut rest = without_space(body);
    if !rest.starts_with(b"{") && !rest.starts_with(b"[") {
        return Ok(());
    }
    let mut open: Vec<Container> = Vec::new();
    let mut tokens = 0;
    let mut begun = false;
    let mut after_comma = false;
    while let Some(&first) = rest.first() {
        if after_comma && first == b'}' {
            return Err("invalid character '}' after object key-value pair".to_owned());
        }
        if after_comma && first == b']' {
            return Err("invalid character ']' after array element".to_owned());
        }
        if open.is_empty() && begun {
            return Err(format!(
                "invalid character '{}' after top-level value",
                char::from(first)
            ));
        }
        tokens += 1;
        if tokens > MAX_TOKENS {
            return Err("JSON payload exceeds allowed token count".to_owned());
        }
        after_comma = first == b',';
        begun = true;
        rest = without_space(match first {
            b'{' | b'[' => {
                value(&mut open)?;
                if open.len() == MAX_DEPTH {
                    return Err("JSON input exceeds allowed nesting depth".to_owned());
                }
                let closing = if first == b'{' { b'}' } else { b']' };
                open.push(Container {
                    closing,
                    keys: HashSet::new(),
                    count: 0,
                    expects_key: first == b'{',
                });
                &rest[1..]
            }
            b'}' | b']' => {
                close(&mut open, first)?;
                &rest[1..]
            }
            b'"' => {
                let (string, after) = string(&rest[1..])?;
                match open.last_mut() {
                    Some(container) if container.is_object() && container.expects_key => {
                        let key = String::from_utf8_lossy(&string);
                        if !container.keys.insert(string.to_vec()) {
                            return Err(format!("duplicate key '{key}' in object"));
                        }
                        container.count()?;
                        container.expects_key = false;
                    }
                    _ => value(&mut open)?,
                }
                after
            }
            b',' => {
                if let Some(container) = open.last_mut().filter(|container| container.is_object()) {
                    container.expects_key = true;
                }
                &rest[1..]
            }
            b':' => &rest[1..],
            b'-' | b'0'..=b'9' => {
                value(&mut open)?;
                number(rest)?
            }
            b't' | b'f' | b'n' => {
                value(&mut open)?;
                let end = rest
                    .iter()
                    .position(|byte| b",:]} \t\r\n".contains(byte))
                    .unwrap_or(rest.len());
                &rest[end..]
            }
            other => {
                return Err(format!(
                    "invalid character '{}' looking for beginning of value",
                    char::from(other)
                ));
            }
        });
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err("malformed JSON, unclosed containers".to_owned())
    }
}

/// Notes that a value begins, and counts it if it is an element of an array.
fn value(open: &mut [Container]) -> Result<(), String> {
    match open.last_mut() {
        Some(container) if container.is_object() => container.expects_key = true,
        Some(container) => container.count()?,
        None => {}
    }
    Ok(())
}

fn close(open: &mut Vec<Container>, closing: u8) -> Result<(), String> {
    let closing_text = char::from(closing);
    let Some(container) = open.pop() else {
        return Err(format!(
            "malformed JSON: unmatched closing delimiter '{closing_text}'"
        ));
    };
    if container.is_object() && !container.expects_key {
        return Err("invalid character '}' after object key".to_owned());
    }
    if container.closing != closing {
        return Err(format!(
            "malformed JSON: mismatched closing delimiter '{closing_text}'"
        ));
    }
    Ok(())
}

/// Returns the text after a number. The number must be one that Go can parse.
fn number(rest: &[u8]) -> Result<&[u8], String> {
    if let [b'0', digit @ b'0'..=b'9', ..] = rest {
        return Err(format!(
            "invalid character '{}' after top-level value",
            char::from(*digit)
        ));
    }
    let end = rest.iter().position(|byte| !b"0123456789+-.eE".contains(byte));
    let (number, after) = rest.split_at(end.unwrap_or(rest.len()));
    let number = String::from_utf8_lossy(number);
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(after),
        _ => Err(format!("malformed JSON, invalid number syntax for '{number}'")),
    }
}

/// Returns the bytes up to the closing quote, with escapes decoded, and the text after the quote.
fn string(rest: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), String> {
    let mut decoded = Cow::Borrowed(&rest[..0]);
    let mut at = 0;
    loop {
        let plain = rest[at..].iter().position(|byte| matches!(byte, b'"' | b'\\'));
        let end = at + plain.ok_or("malformed JSON, unclosed string")?;
        if decoded.is_empty() && at == 0 {
            decoded = Cow::Borrowed(&rest[..end]);
        } else {
            decoded.to_mut().extend_from_slice(&rest[at..end]);
        }
        if rest[end] == b'"' {
            return match end > MAX_STRING {
                true => Err("JSON string value exceeds allowed length".to_owned()),
                false => Ok((decoded, &rest[end + 1..])),
            };
        }
        let (character, length) = escape(&rest[end..])?;
        let mut buffer = [0; 4];
        decoded
            .to_mut()
            .extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        at = end + length;
    }
}

/// Returns the character of an escape sequence, and the length of the sequence. Half of a surrogate pair becomes
/// U+FFFD.
fn escape(rest: &[u8]) -> Result<(char, usize), String> {
    let unterminated = || "malformed JSON, unterminated escape sequence in string".to_owned();
    let unknown = |byte: u8| format!("invalid character '{}' in string escape code", char::from(byte));
    let plain = match rest.get(1).ok_or_else(unterminated)? {
        byte @ (b'"' | b'\\' | b'/') => char::from(*byte),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let digits = rest.get(2..6).ok_or_else(unterminated)?;
            if let Some(wrong) = digits.iter().find(|digit| !digit.is_ascii_hexdigit()) {
                return Err(unknown(*wrong));
            }
            let high = unit(rest).unwrap_or_default();
            if !(0xd800..0xdc00).contains(&high) {
                return Ok((
                    char::from_u32(high.into()).unwrap_or(char::REPLACEMENT_CHARACTER),
                    6,
                ));
            }
            if rest.get(6) == Some(&b'"') {
                return Err("malformed JSON, unterminated surrogate pair in string".to_owned());
            }
            let low = rest.get(6..).and_then(unit);
            let pair = low.and_then(|low| char::decode_utf16([high, low]).next()?.ok());
            return Ok(pair.map_or((char::REPLACEMENT_CHARACTER, 6), |pair| (pair, 12)));
        }
        other => return Err(unknown(*other)),
    };
    Ok((plain, 2))
}

/// Returns the UTF-16 unit of an escape such as `\u00e9` at the beginning.
fn unit(rest: &[u8]) -> Option<u16> {
    let digits = rest.get(..6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_refused_in_vaults_words() {
        let deep = "[".repeat(301);
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_STRING + 1));
        let escaped = format!(r#"{{"a":"{}"}}"#, r"\n".repeat(MAX_STRING / 2 + 1));
        let wide = format!("[{}1]", "1,".repeat(MAX_ENTRIES));
        for (body, text) in [
            ("{", "malformed JSON, unclosed containers"),
            ("{} {}", "invalid character '{' after top-level value"),
            (r#"{"a":1}x"#, "invalid character 'x' after top-level value"),
            (r#"{"a":1,"a":2}"#, "duplicate key 'a' in object"),
            (r#"{"a":1,}"#, "invalid character '}' after object key-value pair"),
            ("[1,]", "invalid character ']' after array element"),
            (r#"{"a"}"#, "invalid character '}' after object key"),
            ("[}", "malformed JSON: mismatched closing delimiter '}'"),
            (r#"{"a":"#, "malformed JSON, unclosed containers"),
            (r#"{"a":"b"#, "malformed JSON, unclosed string"),
            (r#"{x:1}"#, "invalid character 'x' looking for beginning of value"),
            (r#"{"a":1,"\u0061":2}"#, "duplicate key 'a' in object"),
            (r#"{"a":"\q"}"#, "invalid character 'q' in string escape code"),
            (r#"{"a":"\u12zz"}"#, "invalid character 'z' in string escape code"),
            (
                r#"{"a":"\"#,
                "malformed JSON, unterminated escape sequence in string",
            ),
            (
                r#"{"a":"\ud800"}"#,
                "malformed JSON, unterminated surrogate pair in string",
            ),
            (
                r#"{"a":1e400}"#,
                "malformed JSON, invalid number syntax for '1e400'",
            ),
            (r#"{"a":-}"#, "malformed JSON, invalid number syntax for '-'"),
            ("[01]", "invalid character '1' after top-level value"),
            (
                r#"{"a":1x}"#,
                "invalid character 'x' looking for beginning of value",
            ),
            (&escaped, "JSON string value exceeds allowed length"),
            (&deep, "JSON input exceeds allowed nesting depth"),
            (&long, "JSON string value exceeds allowed length"),
            (&wide, "JSON array exceeds allowed element count"),
        ] {
            assert_eq!(check_limits(body.as_bytes()).unwrap_err(), text);
        }
    }

    #[test]
    fn what_is_fine_or_no_container_passes() {
        for body in [
            "",
            "null",
            "x",
            r#" {"a":{"a":[1,"\"",null,-1.5e3,{}]},"b":true} "#,
            r#"{"a":"\ud800x\ud83d\ude00\udc00"}"#,
            "[]",
        ] {
            assert_eq!(check_limits(body.as_bytes()), Ok(()), "{body}");
        }
    }
}

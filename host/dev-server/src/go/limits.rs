//! What Vault's listener refuses in a JSON body before it decodes it: too much, too deep, or a key twice. Its errors
//! are 500 with these texts.

use std::collections::HashSet;

const MAX_DEPTH: usize = 300;
const MAX_STRING: usize = 1 << 20;
const MAX_ENTRIES: usize = 10_000;
const MAX_TOKENS: usize = 500_000;

/// An object or array that is being read.
struct Container {
    closing: u8,
    /// Only an object's.
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

/// Checks a body that is an object or an array; anything else is left to the decoder.
///
/// # Errors
/// Vault's text.
pub(crate) fn check_limits(body: &[u8]) -> Result<(), String> {
    let mut rest = body
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(body)
        .trim_ascii_start();
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
        rest = match first {
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
                        if !container.keys.insert(string.to_vec()) {
                            return Err(format!(
                                "duplicate key '{}' in object",
                                String::from_utf8_lossy(string)
                            ));
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
            b't' | b'f' | b'n' | b'-' | b'0'..=b'9' => {
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
        }
        .trim_ascii_start();
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err("malformed JSON, unclosed containers".to_owned())
    }
}

/// A value begins: counted where it is an array's.
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

/// The bytes up to the closing quote, escapes as they are, and what follows it.
fn string(rest: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let mut end = 0;
    while let Some(&byte) = rest.get(end) {
        match byte {
            b'"' if end > MAX_STRING => return Err("JSON string value exceeds allowed length".to_owned()),
            b'"' => return Ok((&rest[..end], &rest[end + 1..])),
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
    Err("malformed JSON, unclosed string".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_refused_in_vaults_words() {
        let deep = "[".repeat(301);
        let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_STRING + 1));
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
            "\u{feff}{}",
            "[]",
        ] {
            assert_eq!(check_limits(body.as_bytes()), Ok(()), "{body}");
        }
    }
}

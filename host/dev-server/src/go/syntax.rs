//! Checks JSON's syntax as Go's decoder does, and reports errors in Go's words.

/// Go's text for a byte with which no JSON value can begin.
const VALUE: &str = "looking for beginning of value";
const KEY: &str = "looking for beginning of object key string";

/// Checks the first value of a text. As in Go, the text after a value other than an object or an array is not checked.
/// The caller must have limited the depth before.
///
/// # Errors
/// Returns Go's text, which quotes at most one character of the input.
pub(crate) fn check_syntax(text: &[u8]) -> Result<()> {
    Scanner { text, at: 0 }.value()
}

type Result<T> = std::result::Result<T, String>;

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Result<u8> {
        let byte = self.peek().ok_or("unexpected EOF")?;
        self.at += 1;
        Ok(byte)
    }

    /// Returns the next byte that is not white space.
    fn next_token(&mut self) -> Result<u8> {
        loop {
            match self.next()? {
                b' ' | b'\t' | b'\r' | b'\n' => {}
                byte => return Ok(byte),
            }
        }
    }

    fn value(&mut self) -> Result<()> {
        match self.next_token()? {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => self.string(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            byte @ (b'-' | b'0'..=b'9') => self.number(byte),
            byte => invalid(byte, VALUE),
        }
    }

    fn object(&mut self) -> Result<()> {
        let mut first = true;
        loop {
            match self.next_token()? {
                b'"' => self.string()?,
                b'}' if first => return Ok(()),
                byte => return invalid(byte, KEY),
            }
            match self.next_token()? {
                b':' => self.value()?,
                byte => return invalid(byte, "after object key"),
            }
            match self.next_token()? {
                b',' => first = false,
                b'}' => return Ok(()),
                byte => return invalid(byte, "after object key:value pair"),
            }
        }
    }

    fn array(&mut self) -> Result<()> {
        let begin = self.at;
        if self.next_token()? == b']' {
            return Ok(());
        }
        self.at = begin;
        loop {
            self.value()?;
            match self.next_token()? {
                b',' => {}
                b']' => return Ok(()),
                byte => return invalid(byte, "after array element"),
            }
        }
    }

    fn string(&mut self) -> Result<()> {
        loop {
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => match self.next()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        for _ in 0..4 {
                            let digit = self.next()?;
                            if !digit.is_ascii_hexdigit() {
                                return invalid(digit, "in \\u hexadecimal character escape");
                            }
                        }
                    }
                    byte => return invalid(byte, "in string escape code"),
                },
                byte @ ..b' ' => return invalid(byte, "in string literal"),
                _ => {}
            }
        }
    }

    fn literal(&mut self, literal: &str) -> Result<()> {
        for expected in literal.bytes().skip(1) {
            let byte = self.next()?;
            if byte != expected {
                let place = format!("in literal {literal} (expecting {})", quoted(expected));
                return invalid(byte, &place);
            }
        }
        Ok(())
    }

    fn number(&mut self, first: u8) -> Result<()> {
        let mut digit = first;
        if first == b'-' {
            digit = self.next()?;
            if !digit.is_ascii_digit() {
                return invalid(digit, "in numeric literal");
            }
        }
        if digit != b'0' {
            self.skip_digits();
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn digits(&mut self, place: &str) -> Result<()> {
        let byte = self.next()?;
        if !byte.is_ascii_digit() {
            return invalid(byte, place);
        }
        self.skip_digits();
        Ok(())
    }

    fn skip_digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }
}

fn invalid<T>(byte: u8, place: &str) -> Result<T> {
    Err(format!("invalid character {} {place}", quoted(byte)))
}

/// Quotes a byte as Go does, which treats it as a character of Latin-1.
fn quoted(byte: u8) -> String {
    let inner = match byte {
        b'\'' => "\\'".to_owned(),
        b'\\' => "\\\\".to_owned(),
        0x07 => "\\a".to_owned(),
        0x08 => "\\b".to_owned(),
        b'\t' => "\\t".to_owned(),
        b'\n' => "\\n".to_owned(),
        0x0b => "\\v".to_owned(),
        0x0c => "\\f".to_owned(),
        b'\r' => "\\r".to_owned(),
        0..b' ' | 0x7f => format!("\\x{byte:02x}"),
        0x80..=0xa0 | 0xad => format!("\\u{byte:04x}"),
        byte => char::from(byte).to_string(),
    };
    format!("'{inner}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_json_passes_and_what_follows_a_plain_value_is_not_looked_at() {
        for text in [
            "{}",
            " [ ] ",
            r#"{"a":{"b":[1,-0.5e+3,0,true,false,null,"\u00e9\n"]},"":"é"}"#,
            "true x",
            "12x",
            r#""a" "b""#,
        ] {
            assert_eq!(check_syntax(text.as_bytes()), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_not_is_told_in_gos_words() {
        for (text, why) in [
            (
                r#"{"a":tru}"#,
                "invalid character '}' in literal true (expecting 'e')",
            ),
            (
                r#"{"a":1 "b":2}"#,
                "invalid character '\"' after object key:value pair",
            ),
            (r#"{"a" 1}"#, "invalid character '1' after object key"),
            (
                "{1:2}",
                "invalid character '1' looking for beginning of object key string",
            ),
            (
                r#"{"a":1,}"#,
                "invalid character '}' looking for beginning of object key string",
            ),
            ("[1 2]", "invalid character '2' after array element"),
            ("[,1]", "invalid character ',' looking for beginning of value"),
            (
                r#"{"a":-01}"#,
                "invalid character '1' after object key:value pair",
            ),
            (
                r#"{"a":1.}"#,
                "invalid character '}' after decimal point in numeric literal",
            ),
            (
                r#"{"a":1e}"#,
                "invalid character '}' in exponent of numeric literal",
            ),
            ("-x", "invalid character 'x' in numeric literal"),
            ("\"\u{1}\"", "invalid character '\\x01' in string literal"),
            (r#""\q""#, "invalid character 'q' in string escape code"),
            (
                r#""\u12""#,
                "invalid character '\"' in \\u hexadecimal character escape",
            ),
            ("\"abc", "unexpected EOF"),
            ("nul", "unexpected EOF"),
            ("'", "invalid character '\\'' looking for beginning of value"),
            (
                "\u{feff}{}",
                "invalid character 'ï' looking for beginning of value",
            ),
        ] {
            assert_eq!(check_syntax(text.as_bytes()).unwrap_err(), why, "{text}");
        }
        let broken = check_syntax(b"\x80").unwrap_err();
        assert_eq!(
            broken,
            "invalid character '\\u0080' looking for beginning of value"
        );
    }
}

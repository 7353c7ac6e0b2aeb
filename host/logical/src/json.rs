//! Checks that a text is a JSON object that Vault can decode.
//!
//! Vault decodes with Go's `encoding/json`: into a map, numbers into 64-bit floats, at most 10,000 levels deep.
//! [`check_object`] checks all of a text at once. [`ObjectCheck`] does it in steps of bounded length, for texts that
//! may be large, and notes what some fields of the object hold. Neither recurses, copies or builds anything. [`Json`] is a
//! text that is passed on unchanged.

mod number;
mod text;

pub use text::{Json, JsonError};

/// The levels of nested objects and arrays that Go's decoder follows.
pub const MAX_DEPTH: usize = 10_000;

/// The reason why Vault cannot decode a text. It does not quote the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// The text does not begin with `{`.
    #[error("not a JSON object")]
    NotAnObject,
    /// The text breaks JSON's grammar.
    #[error("not valid JSON at byte {at}")]
    Syntax {
        /// Bytes of the text before the flaw.
        at: usize,
    },
    /// The text ends inside the object.
    #[error("JSON that ends too soon")]
    Incomplete,
    /// Objects and arrays are nested more deeply than [`MAX_DEPTH`].
    #[error("nested deeper than {MAX_DEPTH} levels")]
    Depth,
    /// A number is larger than a 64-bit float can be.
    #[error("a number that does not fit a 64-bit float")]
    Number,
}

/// Checks that Vault can decode a text as a JSON object.
///
/// # Errors
/// The first [`Flaw`] of the text.
pub fn check_object(text: &str) -> Result<(), Flaw> {
    ObjectCheck::new(text, &[]).step(usize::MAX).map(|_| ())
}

/// The kind of value in a field, as far as Vault cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number, with the text that writes it.
    Number(&'a str),
    /// A string.
    String,
    /// An array of nothing but strings.
    Strings,
    /// Another array.
    Array,
    /// An object.
    Object,
}

/// A check in steps, for a text that may be large.
///
/// ```
/// use airlock_logical::json::{FieldKind, ObjectCheck};
///
/// let mut check = ObjectCheck::new(r#"{"keys": ["a", "b/"], "other": 1}"#, &["keys"]);
/// while !check.step(4)? {
///     // let others work
/// }
/// assert_eq!(check.field("keys"), Some(FieldKind::Strings));
/// # Ok::<(), airlock_logical::json::Flaw>(())
/// ```
pub struct ObjectCheck<'a> {
    text: &'a str,
    at: usize,
    next: Next,
    /// One entry for each object and array that is open, the outermost first: true if it is an object.
    open: Vec<bool>,
    names: &'static [&'static str],
    /// The kinds of value in the fields with these names.
    fields: Vec<Option<FieldKind<'a>>>,
    /// The field of the outermost object that is being read, if it is one of `names`.
    field: Option<usize>,
}

/// The part of the text that may come next.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    Object,
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    CommaOrEnd,
    /// The rest of a key that began at this byte.
    RestOfKey(usize),
    RestOfString,
    /// Nothing but white space.
    Nothing,
}

impl<'a> ObjectCheck<'a> {
    /// Begins a check that notes what the object's fields with these `names` hold.
    pub fn new(text: &'a str, names: &'static [&'static str]) -> Self {
        Self {
            text,
            at: 0,
            next: Next::Object,
            open: Vec::new(),
            names,
            fields: vec![None; names.len()],
            field: None,
        }
    }

    /// Checks some more of the text: at least `bytes` of it, and at most those and one number. Returns true if all of
    /// it has been checked.
    ///
    /// # Errors
    /// The first [`Flaw`] of the text. The check is over then.
    pub fn step(&mut self, bytes: usize) -> Result<bool, Flaw> {
        let end = self.text.len().min(self.at.saturating_add(bytes));
        while self.at < end {
            self.take(end)?;
        }
        match self.next {
            _ if self.at < self.text.len() => Ok(false),
            Next::Nothing => Ok(true),
            _ => Err(Flaw::Incomplete),
        }
    }

    /// Returns what a field of the object holds, if the object has the field and the check was begun with its name. If
    /// the object has a field twice, the last one counts, as it does for Go.
    pub fn field(&self, name: &str) -> Option<FieldKind<'a>> {
        let index = self.names.iter().position(|known| *known == name)?;
        self.fields.get(index).copied().flatten()
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn wrong<T>(&self) -> Result<T, Flaw> {
        Err(Flaw::Syntax { at: self.at })
    }

    /// Takes the next token, or the part of a string that lies before `end`.
    fn take(&mut self, end: usize) -> Result<(), Flaw> {
        match self.next {
            Next::RestOfKey(_) | Next::RestOfString => return self.rest_of_string(end),
            _ => {}
        }
        let byte = self.bytes()[self.at];
        if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
            return Ok(());
        }
        match (self.next, byte) {
            (Next::Object, b'{') | (Next::Value | Next::ValueOrEnd, _) if byte != b']' => self.value(byte),
            (Next::Object, _) => Err(Flaw::NotAnObject),
            (Next::ValueOrEnd, b']') | (Next::KeyOrEnd, b'}') => self.close(byte),
            (Next::CommaOrEnd, b']' | b'}') => self.close(byte),
            (Next::CommaOrEnd, b',') => {
                let in_object = self.open.last().copied().unwrap_or_default();
                self.pass(if in_object { Next::Key } else { Next::Value })
            }
            (Next::Key | Next::KeyOrEnd, b'"') => self.pass(Next::RestOfKey(self.at + 1)),
            (Next::Colon, b':') => self.pass(Next::Value),
            _ => self.wrong(),
        }
    }

    fn pass(&mut self, next: Next) -> Result<(), Flaw> {
        self.at += 1;
        self.next = next;
        Ok(())
    }

    fn value(&mut self, first: u8) -> Result<(), Flaw> {
        let begin = self.at;
        match first {
            b'{' | b'[' => {
                if self.open.len() == MAX_DEPTH {
                    return Err(Flaw::Depth);
                }
                let is_object = first == b'{';
                self.note(if is_object {
                    FieldKind::Object
                } else {
                    FieldKind::Strings
                });
                self.open.push(is_object);
                return self.pass(if is_object {
                    Next::KeyOrEnd
                } else {
                    Next::ValueOrEnd
                });
            }
            b'"' => {
                self.note(FieldKind::String);
                return self.pass(Next::RestOfString);
            }
            b'n' => self.word("null")?,
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'-' | b'0'..=b'9' => self.at = number::end(self.bytes(), begin)?,
            _ => return self.wrong(),
        }
        self.note(match first {
            b'n' => FieldKind::Null,
            b't' | b'f' => FieldKind::Bool,
            _ => FieldKind::Number(&self.text[begin..self.at]),
        });
        self.next = Next::CommaOrEnd;
        Ok(())
    }

    /// Notes what a field holds, or that its array holds something other than strings.
    fn note(&mut self, kind: FieldKind<'a>) {
        let Some(field) = self.field.and_then(|field| self.fields.get_mut(field)) else {
            return;
        };
        match self.open.len() {
            1 => *field = Some(kind),
            2 if *field == Some(FieldKind::Strings) && kind != FieldKind::String => {
                *field = Some(FieldKind::Array)
            }
            _ => {}
        }
    }

    fn word(&mut self, word: &str) -> Result<(), Flaw> {
        let rest = &self.bytes()[self.at..];
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(());
        }
        match word.as_bytes().starts_with(rest) {
            true => Err(Flaw::Incomplete),
            false => self.wrong(),
        }
    }

    fn close(&mut self, byte: u8) -> Result<(), Flaw> {
        if self.open.pop() != Some(byte == b'}') {
            return self.wrong();
        }
        self.pass(match self.open.is_empty() {
            true => Next::Nothing,
            false => Next::CommaOrEnd,
        })
    }

    fn rest_of_string(&mut self, end: usize) -> Result<(), Flaw> {
        let bytes = self.bytes();
        while self.at < end {
            match bytes[self.at] {
                b'"' => {
                    let begin = match self.next {
                        Next::RestOfKey(begin) => begin,
                        _ => return self.pass(Next::CommaOrEnd),
                    };
                    if self.open.len() == 1 {
                        let key = &self.text[begin..self.at];
                        self.field = self.names.iter().position(|name| is_named(key, name));
                    }
                    return self.pass(Next::Colon);
                }
                b'\\' => self.escape()?,
                0..=0x1f => return self.wrong(),
                _ => self.at += 1,
            }
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Flaw> {
        let rest = &self.bytes()[self.at + 1..];
        let length = match rest.first() {
            None => return Err(Flaw::Incomplete),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 1,
            Some(b'u') => match rest.get(1..5) {
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => 5,
                Some(_) => return self.wrong(),
                None => return Err(Flaw::Incomplete),
            },
            Some(_) => return self.wrong(),
        };
        self.at += 1 + length;
        Ok(())
    }
}

/// Returns true if a key in a JSON text is this name of printable ASCII. The key may write any character as an escape.
fn is_named(key: &str, name: &str) -> bool {
    let mut rest = key.as_bytes();
    for letter in name.bytes() {
        rest = match rest {
            [b'\\', b'u', code @ ..] if code.len() >= 4 => {
                let (code, after) = code.split_at(4);
                let code = str::from_utf8(code)
                    .ok()
                    .and_then(|code| u32::from_str_radix(code, 16).ok());
                if code != Some(letter.into()) {
                    return false;
                }
                after
            }
            [first, after @ ..] if *first == letter => after,
            _ => return false,
        };
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests;

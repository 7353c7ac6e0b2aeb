//! Splits a template into text and the parts of its actions.

use super::TemplateError;

/// A part of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Field(String),
    Word(String),
    Text(String),
    Number(i64),
    Open,
    Close,
    Pipe,
}

/// A part of a template: text, or an action with the byte of each of its tokens and that of its end.
#[derive(Debug)]
pub(super) enum Part {
    Text(String),
    Action {
        tokens: Vec<(usize, Token)>,
        at: usize,
        end: usize,
    },
}

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

type Result<T> = std::result::Result<T, TemplateError>;

/// Splits a template.
pub(super) fn split(text: &str) -> Result<Vec<Part>> {
    let mut lexer = Lexer { text, at: 0 };
    let mut parts = Vec::new();
    let mut trims = false;
    loop {
        let rest = lexer.rest();
        let (plain, action) = match rest.find("{{") {
            Some(start) => (&rest[..start], true),
            None => (rest, false),
        };
        lexer.at += plain.len();
        let mut plain = plain;
        if trims {
            plain = plain.trim_start_matches(SPACES);
        }
        let opened = lexer.at;
        if action {
            lexer.at += 2;
            if lexer.rest().starts_with('-') && lexer.rest()[1..].starts_with(SPACES) {
                plain = plain.trim_end_matches(SPACES);
                lexer.at += 2;
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain.into()));
        }
        if !action {
            return Ok(parts);
        }
        let (part, trims_after) = lexer.action(opened)?;
        parts.extend(part);
        trims = trims_after;
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn fail<T>(&self, at: usize, what: impl Into<String>) -> Result<T> {
        Err(TemplateError::at(self.text, at, what))
    }

    /// Reads the end of an action, if it is here. Returns whether it trims the text that follows.
    fn close(&mut self) -> Option<bool> {
        let rest = self.rest();
        if rest.starts_with("}}") {
            self.at += 2;
            return Some(false);
        }
        let trims = rest.starts_with(SPACES) && rest[1..].starts_with("-}}");
        self.at += if trims { 4 } else { 0 };
        trims.then_some(true)
    }

    /// Reads an action after its `{{`. Returns no part for a comment.
    fn action(&mut self, opened: usize) -> Result<(Option<Part>, bool)> {
        if self.rest().starts_with("/*") {
            // The star of `/*` does not end it.
            let Some(end) = self.rest()[2..].find("*/") else {
                return self.fail(opened, "the comment has no end: `*/}}`");
            };
            self.at += end + 4;
            return match self.close() {
                Some(trims) => Ok((None, trims)),
                None => self.fail(self.at, "a comment ends with `*/}}`"),
            };
        }
        let mut tokens = Vec::new();
        loop {
            let end = self.at;
            if let Some(trims) = self.close() {
                let at = opened;
                return Ok((Some(Part::Action { tokens, at, end }), trims));
            }
            let Some(next) = self.rest().chars().next() else {
                return self.fail(opened, "the action has no end: `}}`");
            };
            if SPACES.contains(&next) {
                self.at += 1;
                continue;
            }
            let at = self.at;
            let token = self.token(next)?;
            let is_operand = !matches!(token, Token::Open | Token::Pipe);
            tokens.push((at, token));
            let follows = self.rest().chars().next();
            let is_end = self.rest().starts_with("}}");
            let separates = follows.is_none_or(|next| SPACES.contains(&next) || [')', '|'].contains(&next));
            if is_operand && !separates && !is_end {
                return self.fail(self.at, "put a space between the parts of an action");
            }
        }
    }

    fn token(&mut self, first: char) -> Result<Token> {
        let at = self.at;
        let punctuation = match first {
            '(' => Some(Token::Open),
            ')' => Some(Token::Close),
            '|' => Some(Token::Pipe),
            _ => None,
        };
        if let Some(token) = punctuation {
            self.at += 1;
            return Ok(token);
        }
        match first {
            '"' => self.quoted(),
            '`' => {
                let raw = self.rest()[1..].split_once('`').map(|(raw, _)| raw.to_owned());
                let Some(raw) = raw else {
                    return self.fail(at, "the text in backticks has no end");
                };
                self.at += raw.len() + 2;
                Ok(Token::Text(raw.replace('\r', "")))
            }
            '.' => {
                self.at += 1;
                let name = self.word();
                if name.is_empty() {
                    return self.fail(at, "a field has a name: `.Name`");
                }
                Ok(Token::Field(name))
            }
            '0'..='9' | '+' | '-' => self.number(),
            c if c.is_alphabetic() || c == '_' => Ok(Token::Word(self.word())),
            '$' => self.fail(at, "variables are not supported"),
            c => self.fail(at, format!("{c:?} is not expected here")),
        }
    }

    fn word(&mut self) -> String {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        let word = rest[..end.unwrap_or(rest.len())].to_owned();
        self.at += word.len();
        word
    }

    fn number(&mut self) -> Result<Token> {
        let at = self.at;
        let sign = self.rest().starts_with(['+', '-']);
        self.at += usize::from(sign);
        let digits = self.word();
        let number = self.text[at..self.at].parse();
        // Go reads a number that begins with 0 in another base.
        let is_octal = digits.len() > 1 && digits.starts_with('0');
        match number {
            Ok(number) if !is_octal => Ok(Token::Number(number)),
            _ => self.fail(at, "a number has decimal digits only, and does not begin with 0"),
        }
    }

    /// Reads a text in quotes, with Go's escapes.
    fn quoted(&mut self) -> Result<Token> {
        let opened = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let at = self.at;
            let Some(next) = self.rest().chars().next().filter(|next| *next != '\n') else {
                return self.fail(opened, "the text in quotes has no end in its line");
            };
            self.at += next.len_utf8();
            match next {
                '"' => return Ok(Token::Text(text)),
                '\\' => match self.escape() {
                    Some(c) => text.push(c),
                    None => return self.fail(at, "this escape is not one of Go's"),
                },
                c => text.push(c),
            }
        }
    }

    /// Reads an escape after its backslash. Those that are not a whole character are refused.
    fn escape(&mut self) -> Option<char> {
        let kind = self.rest().chars().next()?;
        self.at += kind.len_utf8();
        let (length, base, most) = match kind {
            'a' => return Some('\x07'),
            'b' => return Some('\x08'),
            'f' => return Some('\x0c'),
            'n' => return Some('\n'),
            'r' => return Some('\r'),
            't' => return Some('\t'),
            'v' => return Some('\x0b'),
            '\\' | '"' => return Some(kind),
            'x' => (2, 16, 0x7f),
            'u' => (4, 16, u32::MAX),
            'U' => (8, 16, u32::MAX),
            '0'..='7' => {
                self.at -= 1;
                (3, 8, 0x7f)
            }
            _ => return None,
        };
        let digits = self.text.get(self.at..self.at + length)?;
        let all = digits.chars().all(|digit| digit.is_digit(base));
        let number = u32::from_str_radix(digits, base)
            .ok()
            .filter(|n| all && *n <= most)?;
        self.at += length;
        char::from_u32(number)
    }
}

//! Makes text that somebody else wrote safe to show to a person, on a terminal or in a log.
//!
//! Such text can hold a line end that begins a forged log line, an escape sequence that clears the screen or renames the
//! window, and a bidirectional control that makes a terminal show words in another order. [`escape`] and [`Printable`]
//! replace each of these characters with its escape, and leave every other character unchanged:
//!
//! ```
//! assert_eq!(printable::escape("saved\n[ERROR] core: sealed"), "saved\\n[ERROR] core: sealed");
//! assert_eq!(format!("{}", printable::Printable("\u{1b}[2Jok")), "\\u{1b}[2Jok");
//! ```
//!
//! [`Report`] shows an error with its causes, and does not escape them.
//!
//! Rules for its use:
//! - Escape text where it enters a message of the host's own, and where a message leaves for a person. Escaping twice
//!   changes nothing, because a backslash is not escaped. For the same reason, the text cannot be recovered from the
//!   result.
//! - Do not escape what a program reads, such as the JSON that answers a request.
//! - Line ends are escaped too. Split text that has lines of its own before you escape it.

#![deny(missing_docs)]

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod report;

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

pub use report::Report;

/// Returns the text on one line, with every character escaped that could mislead its reader.
pub fn escape(text: &str) -> Cow<'_, str> {
    match text.find(is_unsafe) {
        None => Cow::Borrowed(text),
        Some(_) => Cow::Owned(Printable(text).to_string()),
    }
}

/// Displays its content in the form that [`escape`] returns.
#[derive(Debug, Clone, Copy)]
pub struct Printable<T>(pub T);

impl<T: Display> Display for Printable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// Escapes what is written through it.
///
/// ```
/// use std::fmt::Write as _;
///
/// let mut line = String::new();
/// write!(printable::Escaping(&mut line), "mount {}", "a\nb")?;
/// assert_eq!(line, "mount a\\nb");
/// # Ok::<(), std::fmt::Error>(())
/// ```
#[derive(Debug)]
pub struct Escaping<W>(pub W);

impl<W: Write> Write for Escaping<W> {
    fn write_str(&mut self, mut text: &str) -> fmt::Result {
        while let Some(at) = text.find(is_unsafe) {
            let (plain, rest) = text.split_at(at);
            let mut rest = rest.chars();
            self.0.write_str(plain)?;
            if let Some(character) = rest.next() {
                write!(self.0, "{}", character.escape_default())?;
            }
            text = rest.as_str();
        }
        self.0.write_str(text)
    }
}

/// Returns true if a character does something other than show itself. These are Unicode's control and format characters
/// (`Cc` and `Cf`) and its separators of lines and paragraphs (`Zl` and `Zp`).
pub fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_moves_a_terminal_or_begins_a_line() {
        assert_eq!(escape("a\nb\r\tc\0d"), "a\\nb\\r\\tc\\u{0}d");
        assert_eq!(
            escape("\u{1b}]0;title\u{7}\u{7f}\u{9b}2J"),
            "\\u{1b}]0;title\\u{7}\\u{7f}\\u{9b}2J"
        );
        assert_eq!(
            escape("line\u{2028}line\u{85}line"),
            "line\\u{2028}line\\u{85}line"
        );
    }

    #[test]
    fn escapes_what_hides_or_reorders_text() {
        for character in [
            '\u{202e}',
            '\u{2066}',
            '\u{200b}',
            '\u{200f}',
            '\u{feff}',
            '\u{ad}',
            '\u{e0041}',
        ] {
            let shown = escape(&format!("a{character}b")).into_owned();
            assert_eq!(shown, format!("a\\u{{{:x}}}b", u32::from(character)));
        }
    }

    #[test]
    fn leaves_other_text_as_it_is() {
        for text in ["", "plain \\n 'quoted' \"text\"", "größe 秘密 हिन्दी 🔑 e\u{301}"] {
            assert!(
                matches!(escape(text), Cow::Borrowed(same) if same == text),
                "{text}"
            );
        }
    }

    #[test]
    fn escaping_twice_changes_nothing() {
        let once = escape("\u{1b}[31m\n\u{202e}").into_owned();
        assert_eq!(escape(&once), once);
    }

    #[test]
    fn text_that_is_written_in_pieces_is_escaped() {
        assert_eq!(
            Printable(format_args!("{}-{}\n", '\u{7}', 1)).to_string(),
            "\\u{7}-1\\n"
        );
    }
}

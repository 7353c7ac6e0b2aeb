//! Says what is wrong with a template, and where.

use crate::Error;

/// A mistake in a template. Lines and characters count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("template, line {line}, character {character}: {what}")]
pub struct TemplateError {
    /// The line of the mistake.
    pub line: usize,
    /// The character in this line.
    pub character: usize,
    /// The description of the mistake.
    pub what: String,
}

impl TemplateError {
    /// Makes an error at a byte of the text.
    pub(super) fn at(text: &str, byte: usize, what: impl Into<String>) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line = before.rfind('\n').map_or(0, |end| end + 1);
        Self {
            line: before.matches('\n').count() + 1,
            character: before[line..].chars().count() + 1,
            what: what.into(),
        }
    }
}

impl From<TemplateError> for Error {
    fn from(error: TemplateError) -> Error {
        Error::User(error.to_string())
    }
}

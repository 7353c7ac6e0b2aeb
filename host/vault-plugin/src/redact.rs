//! The text that `Debug` shows in place of a value that may be secret.

use std::fmt;

/// Shows the length of a value, never the value.
pub(crate) struct Hidden(pub(crate) usize);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0)
    }
}

/// Shows the length of a text, never the text.
pub(crate) fn hidden(text: &str) -> Hidden {
    Hidden(text.len())
}

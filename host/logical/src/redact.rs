//! The text that `Debug` shows in place of a value that may be secret.

use std::fmt;

/// Shows the length of a value, never the value.
#[derive(Clone, Copy)]
pub struct Hidden(pub usize);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0)
    }
}

/// Returns what `Debug` shows of a text: its length, never the text.
pub fn hidden(text: &str) -> Hidden {
    Hidden(text.len())
}

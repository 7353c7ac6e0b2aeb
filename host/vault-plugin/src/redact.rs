//! What `Debug` shows in place of a value that may be secret.

use std::fmt;

/// Shows how long something is, never what it is.
pub(crate) struct Hidden(pub(crate) usize);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0)
    }
}

/// Shows whether a text is set, never what it is.
pub(crate) fn hidden(text: &str) -> Hidden {
    Hidden(text.len())
}

//! What storage holds.

use bytes::Bytes;
use std::fmt;

/// A key and its value, as Vault's `logical.StorageEntry`.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the mount's storage: no leading slash, segments separated by single slashes.
    pub key: String,
    /// Any bytes; Vault encrypts them.
    pub value: Bytes,
    /// Wrap the value with the seal's key too, where the server has one.
    pub seal_wrap: bool,
}

impl Entry {
    /// An entry without seal wrapping.
    pub fn new(key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
            seal_wrap: false,
        }
    }
}

/// Neither key nor value: both may be secrets.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({} + {} bytes)", self.key.len(), self.value.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_key_nor_value() {
        let shown = format!("{:?}", Entry::new("alpha", "bravo"));
        assert_eq!(shown, "Entry(5 + 5 bytes)");
    }
}

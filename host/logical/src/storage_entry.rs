//! The entries of storage.

use std::fmt;

use bytes::Bytes;

/// A key and its value, like Vault's `logical.StorageEntry`.
///
/// ```
/// use airlock_logical::StorageEntry;
///
/// let entry = StorageEntry::new("roles/reader", r#"{"ttl": 60}"#);
/// let sealed = StorageEntry { seal_wrap: true, ..entry };
/// assert_eq!(sealed.key, "roles/reader");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StorageEntry {
    /// Relative to the mount's storage: no leading slash, segments separated by single slashes.
    pub key: String,
    /// Any bytes, which Vault encrypts. Servers on integrated storage refuse more than 1 MiB by default.
    pub value: Bytes,
    /// Asks the server to wrap the value with the seal's key too, if the server has one.
    pub seal_wrap: bool,
}

impl StorageEntry {
    /// Creates an entry without seal wrapping.
    pub fn new(key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
            seal_wrap: false,
        }
    }
}

/// Shows sizes only, because both key and value may be secrets.
impl fmt::Debug for StorageEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorageEntry({} + {} bytes)", self.key.len(), self.value.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_key_nor_value() {
        let shown = format!("{:?}", StorageEntry::new("alpha", "bravo"));
        assert_eq!(shown, "StorageEntry(5 + 5 bytes)");
    }
}

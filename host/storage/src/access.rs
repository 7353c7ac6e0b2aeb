//! Which keys a guest may name.

use crate::{Error, Result};

/// Where this crate keeps its own records, in the same storage. No guest sees it.
pub(crate) const HIDDEN: &str = ".airlock/";

/// A set of key prefixes. The empty prefix is every key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prefixes(Vec<String>);

impl Prefixes {
    /// Every key.
    pub fn all() -> Self {
        Self::from_iter([""])
    }

    /// No key.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether a key begins with one of them.
    pub fn contain(&self, key: &str) -> bool {
        self.0.iter().any(|prefix| key.starts_with(prefix.as_str()))
    }

    /// What both sets contain, such as what a guest asks for and what its operator grants.
    pub fn and(&self, other: &Self) -> Self {
        let within = |these: &Self, those: &Self| -> Vec<String> {
            these
                .0
                .iter()
                .filter(|prefix| those.contain(prefix))
                .cloned()
                .collect()
        };
        let mut both = within(self, other);
        both.extend(within(other, self));
        both.sort();
        both.dedup();
        Self(both)
    }
}

impl<S: Into<String>> FromIterator<S> for Prefixes {
    fn from_iter<I: IntoIterator<Item = S>>(prefixes: I) -> Self {
        Self(prefixes.into_iter().map(Into::into).collect())
    }
}

/// Checks a key that a guest wants to read or write.
pub(crate) fn check_key(key: &str, declared: &Prefixes) -> Result<()> {
    if key.is_empty() {
        return Err(Error::InvalidKey("the key is empty"));
    }
    if key.ends_with('/') {
        return Err(Error::InvalidKey("a key must not end in `/`: that is a folder"));
    }
    check_path(key, declared)
}

/// Checks a folder that a guest wants to list.
pub(crate) fn check_folder(folder: &str, declared: &Prefixes) -> Result<()> {
    if !folder.is_empty() && !folder.ends_with('/') {
        return Err(Error::InvalidKey("a folder must be empty or end in `/`"));
    }
    check_path(folder, declared)
}

fn check_path(path: &str, declared: &Prefixes) -> Result<()> {
    if path.starts_with('/') || path.contains("//") {
        return Err(Error::InvalidKey("keys have no leading and no doubled `/`"));
    }
    // Vault refuses these two dots anywhere in a key, not only as a segment.
    if path.contains("..") {
        return Err(Error::InvalidKey(
            "relative paths not supported: a key must not contain `..`",
        ));
    }
    if path.starts_with(HIDDEN) {
        return Err(Error::Denied("keys below `.airlock/` belong to the host"));
    }
    if !declared.contain(path) {
        return Err(Error::Denied(
            "outside the prefixes that the guest declares; add one to its `description.storage`",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_in_common_are_the_narrower_ones() {
        let declared = Prefixes::from_iter(["meta/", "keys/", "a/b/"]);
        let granted = Prefixes::from_iter(["meta/", "a/", "other/"]);
        assert_eq!(declared.and(&granted), Prefixes::from_iter(["a/b/", "meta/"]));
        assert_eq!(
            declared.and(&Prefixes::all()).and(&granted),
            declared.and(&granted)
        );
        assert_eq!(declared.and(&Prefixes::none()), Prefixes::none());
    }

    #[test]
    fn keys_that_storage_cannot_hold_are_invalid_and_the_hosts_are_denied() {
        assert!(matches!(
            check_key(".airlock/redo/1", &Prefixes::all()),
            Err(Error::Denied(_))
        ));
        for key in ["", "/a", "a//b", "a/", "../a", "a/..", "a..b"] {
            assert!(
                matches!(check_key(key, &Prefixes::all()), Err(Error::InvalidKey(_))),
                "{key:?}"
            );
        }
        for key in ["a", "a/b", ".a", "ü/ö", "a b", ".airlock", ".airlock2/x"] {
            assert_eq!(check_key(key, &Prefixes::all()), Ok(()), "{key:?}");
        }
    }

    #[test]
    fn only_declared_prefixes_are_open() {
        let declared = Prefixes::from_iter(["kv/", "config"]);
        assert!(check_key("kv/a", &declared).is_ok() && check_key("config", &declared).is_ok());
        assert!(check_folder("kv/", &declared).is_ok());
        assert!(check_key("other", &declared).is_err() && check_folder("", &declared).is_err());
        assert!(check_folder("kv", &declared).is_err());
    }
}

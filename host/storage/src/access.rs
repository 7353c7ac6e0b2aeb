//! The keys that a guest may name.

use crate::{Error, Result};

/// The folder of this crate's own records, in the same storage. Guests cannot see it.
pub(crate) const HIDDEN: &str = ".airlock/";

/// A set of key prefixes. The empty prefix matches every key.
///
/// They are sorted, and none begins with another, so a key is looked up in logarithmic time.
///
/// ```
/// use airlock_storage::Prefixes;
///
/// let asked = Prefixes::from_iter(["keys/", "config"]);
/// let granted = Prefixes::from_iter(["keys/public/", "config"]);
/// let both = asked.and(&granted);
/// assert!(both.contain("keys/public/a") && both.contain("config"));
/// assert!(!both.contain("keys/private/a"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prefixes(Vec<String>);

impl Prefixes {
    /// Returns the set that contains every key.
    pub fn all() -> Self {
        Self::from_iter([""])
    }

    /// Returns the set that contains no key.
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns true if a key begins with one of the prefixes.
    pub fn contain(&self, key: &str) -> bool {
        // Any string that sorts between the key and a prefix of it begins with that prefix, so it cannot be in this
        // set.
        let after = self.0.partition_point(|prefix| prefix.as_str() <= key);
        let nearest = after.checked_sub(1).and_then(|at| self.0.get(at));
        nearest.is_some_and(|prefix| key.starts_with(prefix.as_str()))
    }

    /// Returns the keys that are in both sets, for example those that a guest asks for and its operator grants.
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
        Self::from_iter(both)
    }
}

impl<S: Into<String>> FromIterator<S> for Prefixes {
    fn from_iter<I: IntoIterator<Item = S>>(prefixes: I) -> Self {
        let mut prefixes: Vec<String> = prefixes.into_iter().map(Into::into).collect();
        prefixes.sort_unstable();
        // Prefixes that begin with another follow it directly.
        prefixes.dedup_by(|later, kept| later.starts_with(kept.as_str()));
        Self(prefixes)
    }
}

/// The longest key or folder, in bytes. No storage takes a longer key: bbolt, below the raft storage of Vault and
/// OpenBao, takes 32,768 with the mount's own prefix, and all others take less.
pub const MAX_KEY_BYTES: usize = 32_768;

/// The largest number of segments of a key or folder. File storage cannot hold more, because a path on Linux has at
/// most 4,096 bytes. Raft storage could, if nearly all segments had one byte.
pub const MAX_KEY_SEGMENTS: usize = 2_048;

/// Checks a key that a guest wants to read, write or delete.
pub(crate) fn check_key(key: &str, declared: &Prefixes) -> Result<()> {
    if key.is_empty() {
        return Err(Error::InvalidKey("the key is empty"));
    }
    if key.ends_with('/') {
        return Err(Error::InvalidKey("a key must not end in `/`: that is a folder"));
    }
    check_path(key, key, declared)
}

/// Checks a folder that a guest wants to list.
pub(crate) fn check_folder(folder: &str, declared: &Prefixes) -> Result<()> {
    if folder.is_empty() {
        return check_granted(folder, declared);
    }
    let Some(path) = folder.strip_suffix('/') else {
        return Err(Error::InvalidKey("a folder must be empty or end in `/`"));
    };
    check_path(folder, path, declared)
}

/// Checks a scratch key. Scratch has no folders, so any text is valid.
pub(crate) fn check_scratch_key(key: &str) -> Result<()> {
    check_length(key)
}

/// Checks a key or folder. `path` is `whole` without a slash at its end.
fn check_path(whole: &str, path: &str, declared: &Prefixes) -> Result<()> {
    check_length(whole)?;
    let mut segments = 0;
    for segment in path.split('/') {
        segments += 1;
        if segment.is_empty() {
            return Err(Error::InvalidKey("keys have no leading and no doubled `/`"));
        }
        // File storage would take this segment for its parent folder: `./.airlock/` for `.airlock/`.
        if segment == "." {
            return Err(Error::InvalidKey("a key must not have `.` as a segment"));
        }
        // Vault refuses two dots anywhere in a key, not only as a segment.
        if segment.contains("..") {
            return Err(Error::InvalidKey(
                "relative paths not supported: a key must not contain `..`",
            ));
        }
    }
    if segments > MAX_KEY_SEGMENTS {
        return Err(Error::InvalidKey("a key has at most 2,048 segments"));
    }
    if whole.starts_with(HIDDEN) {
        return Err(Error::Denied("keys below `.airlock/` belong to the host"));
    }
    check_granted(whole, declared)
}

fn check_length(key: &str) -> Result<()> {
    if key.len() > MAX_KEY_BYTES {
        return Err(Error::InvalidKey("a key has at most 32,768 bytes"));
    }
    Ok(())
}

fn check_granted(path: &str, declared: &Prefixes) -> Result<()> {
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
    fn a_key_is_found_among_many_prefixes_and_their_neighbours() {
        let prefixes = Prefixes::from_iter(["b/", "b", "b/c/", "a/", "d", "a/"]);
        assert_eq!(prefixes, Prefixes::from_iter(["a/", "b", "d"]));
        for (key, is_in) in [
            ("a/x", true),
            ("a", false),
            ("a0", false),
            ("b", true),
            ("b/c/d", true),
            ("bz", true),
            ("c", false),
            ("dz", true),
            ("e", false),
            ("", false),
        ] {
            assert_eq!(prefixes.contain(key), is_in, "{key:?}");
        }
        assert!(Prefixes::all().contain("") && Prefixes::all().contain("x"));
        assert!(!Prefixes::none().contain("") && !Prefixes::none().contain("x"));
    }

    #[test]
    fn keys_that_storage_cannot_hold_are_invalid_and_the_hosts_are_denied() {
        assert!(matches!(
            check_key(".airlock/redo/1", &Prefixes::all()),
            Err(Error::Denied(_))
        ));
        let dots = [
            "../a",
            "a/..",
            "a..b",
            ".",
            "./a",
            "a/.",
            "a/./b",
            "./.airlock/redo/1",
        ];
        for key in [
            "",
            "/",
            "/a",
            "a//b",
            "a/",
            "/.airlock/redo/1",
            "//.airlock/redo/1",
        ]
        .iter()
        .chain(&dots)
        {
            assert!(
                matches!(check_key(key, &Prefixes::all()), Err(Error::InvalidKey(_))),
                "{key:?}"
            );
            let folder = format!("{key}/");
            assert!(
                matches!(check_folder(&folder, &Prefixes::all()), Err(Error::InvalidKey(_))),
                "{folder:?}"
            );
        }
        assert!(matches!(
            check_folder(".airlock/", &Prefixes::all()),
            Err(Error::Denied(_))
        ));
        for key in ["a", "a/b", ".a", "ü/ö", "a b", ".airlock", ".airlock2/x"] {
            assert_eq!(check_key(key, &Prefixes::all()), Ok(()), "{key:?}");
        }
    }

    #[test]
    fn keys_and_folders_have_the_same_limits() {
        let all = Prefixes::all();
        let longest = "k".repeat(MAX_KEY_BYTES);
        let deepest = "k/".repeat(MAX_KEY_SEGMENTS);
        assert!(check_key(&longest, &all).is_ok() && check_scratch_key(&longest).is_ok());
        assert!(check_folder(&format!("{}/", &longest[1..]), &all).is_ok());
        assert!(
            check_folder(&deepest, &all).is_ok() && check_key(&deepest[..deepest.len() - 1], &all).is_ok()
        );
        for refused in [
            check_key(&format!("{longest}k"), &all),
            check_folder(&format!("{longest}/"), &all),
            check_scratch_key(&format!("{longest}k")),
            check_key(&format!("{deepest}k"), &all),
            check_folder(&format!("{deepest}k/"), &all),
        ] {
            assert!(matches!(refused, Err(Error::InvalidKey(text)) if text.contains("at most")));
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

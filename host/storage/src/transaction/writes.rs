//! A transaction's writes, buffered until it commits.

use crate::{StorageEntry, names};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// One write.
#[derive(Clone)]
pub(crate) enum Write {
    Put(StorageEntry),
    Delete(String),
}

impl Write {
    pub(crate) fn key(&self) -> &str {
        match self {
            Write::Put(entry) => &entry.key,
            Write::Delete(key) => key,
        }
    }

    /// Returns true if it leaves an entry under its key.
    pub(crate) fn is_put(&self) -> bool {
        matches!(self, Write::Put(_))
    }
}

/// The writes in the guest's order, and the latest write to each key.
#[derive(Default)]
pub(crate) struct Writes {
    log: Vec<Write>,
    /// The index of each key's last write in the log.
    latest: BTreeMap<String, usize>,
}

/// The changes that the buffered writes make to a folder's list.
#[derive(Default)]
pub(crate) struct Changes {
    /// Names that the writes add to the folder.
    pub(crate) added: BTreeSet<String>,
    /// Names of keys that the writes remove from the folder.
    pub(crate) removed: BTreeSet<String>,
    /// Folders in it that lost a key and gained none, and so may be empty.
    pub(crate) thinned: BTreeSet<String>,
}

impl Writes {
    /// Adds a write after the others.
    ///
    /// The order is kept exactly, because a guest without a redo record relies on it: a write replaces the one before
    /// it only if both have the same key.
    pub(crate) fn push(&mut self, write: Write) {
        match self.log.last_mut() {
            Some(last) if last.key() == write.key() => *last = write,
            _ => {
                self.latest.insert(write.key().to_owned(), self.log.len());
                self.log.push(write);
            }
        }
    }

    /// Returns what the transaction itself wrote under a key: an entry, a deletion, or nothing.
    pub(crate) fn get(&self, key: &str) -> Option<Option<StorageEntry>> {
        match &self.log[*self.latest.get(key)?] {
            Write::Put(entry) => Some(Some(entry.clone())),
            Write::Delete(_) => Some(None),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// Returns the writes in the guest's order.
    pub(crate) fn in_order(&self) -> &[Write] {
        &self.log
    }

    /// Returns only each key's last write, which is enough if all are stored together.
    pub(crate) fn outcome(&self) -> impl Iterator<Item = &Write> {
        let is_last = |at: usize, write: &Write| self.latest.get(write.key()) == Some(&at);
        self.log
            .iter()
            .enumerate()
            .filter(move |(at, write)| is_last(*at, write))
            .map(|(_, write)| write)
    }

    /// Returns the changes that the writes make to a folder's names after `after`.
    pub(crate) fn changes_in(&self, folder: &str, after: &str) -> Changes {
        let mut changes = Changes::default();
        for (name, at) in names::children(&self.latest, folder, after) {
            let names = match name.ends_with('/') {
                true if self.puts_below(&format!("{folder}{name}")) => &mut changes.added,
                true => &mut changes.thinned,
                false if self.log[*at].is_put() => &mut changes.added,
                false => &mut changes.removed,
            };
            names.insert(name.to_owned());
        }
        changes
    }

    fn puts_below(&self, folder: &str) -> bool {
        self.latest
            .range::<str, _>((Bound::Included(folder), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(folder))
            .any(|(_, at)| self.log[*at].is_put())
    }

    /// Returns the names in a folder below which keys were deleted and none was put.
    pub(crate) fn deleted_in(&self, folder: &str) -> BTreeSet<String> {
        names::children(&self.latest, folder, "")
            .map(|(name, _)| name.to_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(keys: &[(&str, bool)]) -> Writes {
        let mut writes = Writes::default();
        for (key, put) in keys {
            let key = key.to_string();
            writes.push(if *put {
                Write::Put(StorageEntry::new(key, ""))
            } else {
                Write::Delete(key)
            });
        }
        writes
    }

    fn shown<'w>(writes: impl IntoIterator<Item = &'w Write>) -> Vec<(&'w str, bool)> {
        writes
            .into_iter()
            .map(|write| (write.key(), write.is_put()))
            .collect()
    }

    #[test]
    fn order_is_kept_and_only_neighbours_of_one_key_are_joined() {
        let writes = writes(&[("a", true), ("a", false), ("b", true), ("a", true)]);
        assert_eq!(shown(writes.in_order()), [("a", false), ("b", true), ("a", true)]);
        assert_eq!(shown(writes.outcome()), [("b", true), ("a", true)]);
        assert!(matches!(writes.get("a"), Some(Some(_))) && writes.get("c").is_none());
    }

    #[test]
    fn changes_of_a_folder_are_its_own_names() {
        let log = [
            ("f/x", true),
            ("f/y", false),
            ("f/g/1", false),
            ("f/h/1", false),
            ("f/h/2", true),
            ("e", true),
        ];
        let changes = writes(&log).changes_in("f/", "");
        assert_eq!(changes.added, BTreeSet::from(["h/".into(), "x".into()]));
        assert_eq!(changes.removed, BTreeSet::from(["y".into()]));
        assert_eq!(changes.thinned, BTreeSet::from(["g/".into()]));
        let later = writes(&log).changes_in("f/", "h/");
        assert_eq!(later.added, BTreeSet::from(["x".into()]));
        assert!(later.thinned.is_empty() && later.removed.len() == 1);
    }
}

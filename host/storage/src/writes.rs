//! A transaction's writes, held until it commits.

use crate::{Entry, names};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// One write.
#[derive(Clone)]
pub(crate) enum Write {
    Put(Entry),
    Delete(String),
}

impl Write {
    pub(crate) fn key(&self) -> &str {
        match self {
            Write::Put(entry) => &entry.key,
            Write::Delete(key) => key,
        }
    }

    fn value(&self) -> Option<Value> {
        match self {
            Write::Put(entry) => Some((entry.value.clone(), entry.seal_wrap)),
            Write::Delete(_) => None,
        }
    }
}

type Value = (Bytes, bool);

/// The writes in the guest's order, and what they make of each key.
#[derive(Default)]
pub(crate) struct Writes {
    log: Vec<Write>,
    latest: BTreeMap<String, Option<Value>>,
}

/// What the held writes make of a folder's list.
#[derive(Default)]
pub(crate) struct Changes {
    /// Names that are in it now.
    pub(crate) added: BTreeSet<String>,
    /// Names of keys that are no longer in it.
    pub(crate) removed: BTreeSet<String>,
    /// Folders in it that lost a key and got none, and so may be empty.
    pub(crate) thinned: BTreeSet<String>,
}

impl Writes {
    /// Adds a write behind the others.
    ///
    /// The order is kept to the letter, because a guest without a redo record relies on it: only a write that follows
    /// directly on one of the same key takes its place.
    pub(crate) fn push(&mut self, write: Write) {
        self.latest.insert(write.key().to_owned(), write.value());
        match self.log.last_mut() {
            Some(last) if last.key() == write.key() => *last = write,
            _ => self.log.push(write),
        }
    }

    /// What the transaction itself wrote under a key: an entry, a deletion, or nothing.
    pub(crate) fn get(&self, key: &str) -> Option<Option<Entry>> {
        let value = self.latest.get(key)?.clone();
        Some(value.map(|(value, seal_wrap)| Entry {
            key: key.to_owned(),
            value,
            seal_wrap,
        }))
    }

    #[allow(dead_code)]
    pub(crate) fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// In the guest's order.
    pub(crate) fn in_order(&self) -> &[Write] {
        &self.log
    }

    pub(crate) fn changes_in(&self, folder: &str) -> Changes {
        let mut changes = Changes::default();
        let below = self
            .latest
            .range(folder.to_owned()..)
            .take_while(|(key, _)| key.starts_with(folder));
        for (key, value) in below {
            let Some(name) = names::name_in(folder, key).map(str::to_owned) else {
                continue;
            };
            match (value, name.ends_with('/')) {
                (Some(_), _) => changes.added.insert(name),
                (None, true) => changes.thinned.insert(name),
                (None, false) => changes.removed.insert(name),
            };
        }
        changes.thinned.retain(|folder| !changes.added.contains(folder));
        changes
    }
}

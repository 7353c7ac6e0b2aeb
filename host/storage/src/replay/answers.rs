//! The reads of one run, in its order, and a second run that is told them instead of what is stored.
//!
//! [`Transaction::trace`](crate::Transaction::trace) collects the [`Lookup`]s of a run. [`Trace::told`](crate::Trace::told) makes a
//! trace of such lookups, wherever they come from: a second run with it never reaches storage. What it is told depends on
//! [`Told`]:
//!
//! - [`Told::InOrder`]: the next lookup, whatever key the run asks for. For a run of the same guest whose request was changed so
//!   that it asks for other keys in the same places.
//! - [`Told::ByKey`]: the lookup of the same key or folder. For a run of another guest.
//!
//! A key or folder without a lookup is answered with nothing, and makes the run not comparable.

use std::collections::VecDeque;

use crate::StorageEntry;

/// A read of storage, and what was found.
#[derive(Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The entry under a key.
    Get {
        /// The key.
        key: String,
        /// The entry, or `None` if there was none.
        entry: Option<StorageEntry>,
    },
    /// Names in a folder.
    List {
        /// The folder: empty, or ending in `/`.
        folder: String,
        /// The name after which the names begin, and the most names that were asked for. `None` for the whole folder.
        page: Option<(String, u64)>,
        /// The names, in order.
        names: Vec<String>,
    },
}

/// Prints no key and no value.
impl std::fmt::Debug for Lookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Get { .. } => "Get { .. }",
            Self::List { .. } => "List { .. }",
        })
    }
}

impl Lookup {
    /// Returns the bytes that it holds.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Get { key, entry } => key.len() + entry.as_ref().map_or(0, |entry| entry.value.len()),
            Self::List { folder, names, .. } => folder.len() + names.iter().map(String::len).sum::<usize>(),
        }
    }
}

/// The lookup that answers a question of a second run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The next one.
    InOrder,
    /// That of the same key or folder.
    ByKey,
}

/// The lookups that a second run is told, and those that it has asked for.
#[derive(Debug)]
pub(crate) struct Answers {
    told: Told,
    left: VecDeque<Lookup>,
    /// The lookups by the keys that the run asked for.
    asked: Vec<Lookup>,
    has_missed: bool,
}

impl Answers {
    pub fn new(lookups: Vec<Lookup>, told: Told) -> Self {
        Self {
            told,
            left: lookups.into(),
            asked: Vec::new(),
            has_missed: false,
        }
    }

    pub fn get(&mut self, asked: &str) -> Option<StorageEntry> {
        let known = self.asked.iter().find_map(|lookup| match lookup {
            Lookup::Get { key, entry } if key == asked => Some(entry.clone()),
            _ => None,
        });
        if let Some(entry) = known {
            return entry;
        }
        let is_it = |lookup: &Lookup| matches!(lookup, Lookup::Get { key, .. } if key == asked);
        let Some(Lookup::Get { entry, .. }) = self.next(is_it, |lookup| matches!(lookup, Lookup::Get { .. }))
        else {
            self.has_missed = true;
            return None;
        };
        let entry = entry.map(|entry| StorageEntry {
            key: asked.to_owned(),
            ..entry
        });
        self.asked.push(Lookup::Get {
            key: asked.to_owned(),
            entry: entry.clone(),
        });
        entry
    }

    pub fn list(&mut self, asked: &str, page: Option<(&str, u64)>) -> Vec<String> {
        let page = page.map(|(after, limit)| (after.to_owned(), limit));
        let is_it = |lookup: &Lookup| matches!(lookup, Lookup::List { folder, page: of, .. } if folder == asked && *of == page);
        if let Some(Lookup::List { names, .. }) = self.asked.iter().find(|lookup| is_it(lookup)) {
            return names.clone();
        }
        let Some(Lookup::List { names, .. }) =
            self.next(is_it, |lookup| matches!(lookup, Lookup::List { .. }))
        else {
            self.has_missed = true;
            return Vec::new();
        };
        self.asked.push(Lookup::List {
            folder: asked.to_owned(),
            page,
            names: names.clone(),
        });
        names
    }

    /// Takes the lookup that answers: the next one if it is of the right kind, or the one that is asked for.
    fn next(
        &mut self,
        is_it: impl Fn(&Lookup) -> bool,
        is_of_kind: impl Fn(&Lookup) -> bool,
    ) -> Option<Lookup> {
        match self.told {
            Told::InOrder => self.left.pop_front_if(|lookup| is_of_kind(lookup)),
            Told::ByKey => {
                let at = self.left.iter().position(is_it)?;
                self.left.remove(at)
            }
        }
    }

    /// Returns true if the run was told all that it asked for.
    pub fn told_all(&self) -> bool {
        !self.has_missed
    }

    /// Returns what the run asked for, with the answers.
    pub fn asked(&self) -> &[Lookup] {
        &self.asked
    }

    /// Returns how many lookups nobody asked for.
    pub fn left(&self) -> usize {
        self.left.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookups() -> Vec<Lookup> {
        vec![
            Lookup::Get {
                key: "a".into(),
                entry: Some(StorageEntry::new("a", "1")),
            },
            Lookup::List {
                folder: "f/".into(),
                page: None,
                names: vec!["x".into()],
            },
            Lookup::Get {
                key: "b".into(),
                entry: None,
            },
        ]
    }

    fn value(entry: Option<StorageEntry>) -> Option<Vec<u8>> {
        entry.map(|entry| entry.value.to_vec())
    }

    #[test]
    fn in_order_other_keys_get_the_answers_in_their_places() {
        let mut answers = Answers::new(lookups(), Told::InOrder);
        assert_eq!(value(answers.get("A")), Some(b"1".to_vec()));
        // What was asked for before has the same answer, and takes none of the others.
        assert_eq!(value(answers.get("A")), Some(b"1".to_vec()));
        assert_eq!(answers.list("F/", None), ["x"]);
        assert_eq!(value(answers.get("B")), None);
        assert!(answers.told_all() && answers.left() == 0);
        assert_eq!(answers.asked().len(), 3);
        assert_eq!(value(answers.get("C")), None);
        assert!(!answers.told_all());
    }

    #[test]
    fn in_order_another_kind_of_read_is_a_miss() {
        let mut answers = Answers::new(lookups(), Told::InOrder);
        assert!(answers.list("a", None).is_empty());
        assert!(!answers.told_all());
    }

    #[test]
    fn by_key_the_order_does_not_matter_and_other_keys_miss() {
        let mut answers = Answers::new(lookups(), Told::ByKey);
        assert_eq!(value(answers.get("b")), None);
        assert_eq!(value(answers.get("a")), Some(b"1".to_vec()));
        assert_eq!(answers.list("f/", None), ["x"]);
        assert!(answers.told_all());
        assert!(answers.list("f/", Some(("", 1))).is_empty());
        assert!(!answers.told_all());
    }
}

//! Storage in memory, for tests, development and `airlock call`.

mod transactional;
pub use transactional::TransactionalStorage;

use crate::{Result, Storage, StorageEntry, names};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;

/// Entries in a map. They live as long as this value does, and no call ever fails.
#[derive(Default)]
pub struct MemoryStorage {
    entries: Mutex<BTreeMap<String, Value>>,
}

#[derive(Clone)]
struct Value {
    bytes: Bytes,
    seal_wrap: bool,
}

impl MemoryStorage {
    /// Creates an empty storage.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a copy of all entries, in the order of the keys.
    pub fn entries(&self) -> Vec<StorageEntry> {
        let entries = self.entries.lock();
        entries.iter().map(|(key, value)| value.entry(key)).collect()
    }

    /// Stores an entry, without a future.
    pub fn insert(&self, entry: StorageEntry) {
        let value = Value {
            bytes: entry.value,
            seal_wrap: entry.seal_wrap,
        };
        self.entries.lock().insert(entry.key, value);
    }

    /// Makes several writes at once. A `None` entry deletes the key.
    fn apply(&self, writes: Vec<(String, Option<StorageEntry>)>) {
        let mut entries = self.entries.lock();
        for (key, entry) in writes {
            match entry {
                Some(entry) => entries.insert(
                    key,
                    Value {
                        bytes: entry.value,
                        seal_wrap: entry.seal_wrap,
                    },
                ),
                None => entries.remove(&key),
            };
        }
    }

    fn names(&self, folder: &str, after: &str, limit: usize) -> Vec<String> {
        let entries = self.entries.lock();
        names::children(&entries, folder, after)
            .map(|(name, _)| name.to_owned())
            .take(limit)
            .collect()
    }
}

impl Value {
    fn entry(&self, key: &str) -> StorageEntry {
        StorageEntry {
            key: key.to_owned(),
            value: self.bytes.clone(),
            seal_wrap: self.seal_wrap,
        }
    }
}

impl FromIterator<StorageEntry> for MemoryStorage {
    fn from_iter<I: IntoIterator<Item = StorageEntry>>(entries: I) -> Self {
        let storage = Self::new();
        entries.into_iter().for_each(|entry| storage.insert(entry));
        storage
    }
}

impl fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryStorage({} entries)", self.entries.lock().len())
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>> {
        Ok(self.entries.lock().get(key).map(|value| value.entry(key)))
    }

    async fn put(&self, entry: StorageEntry) -> Result<()> {
        self.insert(entry);
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.entries.lock().remove(key);
        Ok(())
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>> {
        Ok(self.names(folder, "", usize::MAX))
    }

    async fn list_page(&self, folder: &str, after: &str, limit: usize) -> Result<Vec<String>> {
        Ok(self.names(folder, after, limit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage(keys: &[&str]) -> MemoryStorage {
        keys.iter().map(|key| StorageEntry::new(*key, "")).collect()
    }

    #[tokio::test]
    async fn a_list_shows_children_in_order_and_each_folder_once() {
        let storage = storage(&["b", "b-", "b/x", "b/y", "b0", "a/b/c", "z"]);
        assert_eq!(
            storage.list("").await.unwrap(),
            ["a/", "b", "b-", "b/", "b0", "z"]
        );
        assert_eq!(storage.list("b/").await.unwrap(), ["x", "y"]);
        assert!(storage.list("missing/").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_page_starts_after_a_name_even_one_that_is_gone() {
        let storage = storage(&["a", "b/1", "b/2", "c", "d"]);
        assert_eq!(storage.list_page("", "a", 2).await.unwrap(), ["b/", "c"]);
        assert_eq!(storage.list_page("", "b/", 2).await.unwrap(), ["c", "d"]);
        assert_eq!(storage.list_page("", "bb", 9).await.unwrap(), ["c", "d"]);
        assert_eq!(storage.list_page("b/", "1", 9).await.unwrap(), ["2"]);
    }

    #[tokio::test]
    async fn entries_come_back_as_they_went_in() {
        let storage = MemoryStorage::new();
        let entry = StorageEntry {
            key: "k".into(),
            value: Bytes::from_static(&[0, 255]),
            seal_wrap: true,
        };
        storage.put(entry.clone()).await.unwrap();
        assert_eq!(storage.get("k").await.unwrap(), Some(entry));
        storage.delete("k").await.unwrap();
        storage.delete("k").await.unwrap();
        assert_eq!(storage.get("k").await.unwrap(), None);
    }
}

//! Copies what a mount stores, page by page, for `airlock check --against`.
//!
//! 1. The registration has to allow it (`serve --allow-export`), the caller needs `sudo` on `.airlock/export`, and the values go to
//!    that caller alone, through Vault, whose audit log has them as hashes.
//! 2. A [page](page) holds the entries after a key, in the order of keys, up to [`MOST_BYTES`] or [`MOST_ENTRIES`].
//! 3. The host's own records, below `.airlock/`, are never in it.
//!
//! The pages are not one snapshot: an entry that changes meanwhile is in the copy with its old value or with its new one.

use std::time::Duration;

use airlock_storage::{MAX_KEY_BYTES, MAX_KEY_SEGMENTS, Storage, StorageEntry};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use vault_plugin::{Error, Request, Response};

use crate::options::{MountOptions, Permission};
use crate::vault_mount::VaultMount;
use crate::vault_mount::swap::refused;

/// Bytes of keys and values with which a page ends. Its last entry may go beyond that.
const MOST_BYTES: usize = 1 << 20;

/// Most entries of a page.
const MOST_ENTRIES: usize = 500;

/// Most calls of storage for a page, once it has an entry.
const MOST_CALLS: usize = 2_000;

/// The longest time for a page.
const PATIENCE: Duration = Duration::from_secs(20);

/// The folder of the host's own records.
const OWN: &str = ".airlock/";

/// The request for a page.
#[derive(Deserialize)]
struct Asked {
    /// The last key of the page before. Empty for the first page.
    #[serde(default)]
    after: String,
}

#[derive(Serialize)]
struct Page {
    entries: Vec<Exported>,
    /// The key to ask for the next page with, unless this is the last one.
    next: Option<String>,
}

/// One entry. Its fields have names that no mount shows in the audit log by accident.
#[derive(Serialize)]
struct Exported {
    stored_key: String,
    /// In base64.
    stored_value: String,
    seal_wrap: bool,
}

impl VaultMount {
    pub(crate) async fn export(&self, request: &Request) -> Result<Response, Error> {
        if !self.finder.source.allows_export() {
            return Err(Error::User(
                "what is stored here is not handed out: the plugin is registered without -args=--allow-export".to_owned(),
            ));
        }
        MountOptions::permit(&self.finder.parts.config, Permission::Export)?;
        let Asked { after } = request.decode()?;
        if !may_be_after(&after) {
            return Err(Error::User(
                "`after` is not the key with which a page ended".to_owned(),
            ));
        }
        // One page at a time, so that its memory is bounded.
        let page = timeout(PATIENCE, async {
            let _one = self.exporting.lock().await;
            page(&*self.finder.parts.storage, &after).await
        });
        let slow = || Error::Coded {
            status: 503,
            message: "storage takes too long for a page of the export".to_owned(),
        };
        Response::json(
            &page
                .await
                .map_err(|_| slow())?
                .map_err(|error| refused(error.into()))?,
        )
    }
}

/// Returns true for nothing, and for a key that a page can have ended with: one that storage can hold, and that is not the host's.
fn may_be_after(key: &str) -> bool {
    let is_segment = |segment: &str| !segment.is_empty() && segment != "." && !segment.contains("..");
    key.is_empty()
        || key.len() <= MAX_KEY_BYTES
            && key.split('/').count() <= MAX_KEY_SEGMENTS
            && key.split('/').all(is_segment)
            && !key.starts_with(OWN)
}

/// A folder that is being walked: its name, and the names in it that are still to come, the next one last.
struct Folder {
    path: String,
    names: Vec<String>,
}

/// Returns the entries after a key.
async fn page(storage: &dyn Storage, after: &str) -> airlock_storage::Result<Page> {
    let (mut entries, mut bytes, mut calls) = (Vec::new(), 0, 0);
    let mut folders = path_to(storage, after).await?;
    while let Some(folder) = folders.last_mut() {
        let Some(name) = folder.names.pop() else {
            folders.pop();
            continue;
        };
        let path = format!("{}{name}", folder.path);
        calls += 1;
        if path == OWN {
            continue;
        }
        if path.ends_with('/') {
            folders.push(list(storage, path, "").await?);
            continue;
        }
        // It may be gone by now.
        if let Some(StorageEntry {
            key,
            value,
            seal_wrap,
        }) = storage.get(&path).await?
        {
            bytes += key.len() + value.len();
            let stored_value = BASE64.encode(&value);
            entries.push(Exported {
                stored_key: key,
                stored_value,
                seal_wrap,
            });
        }
        if bytes >= MOST_BYTES
            || entries.len() >= MOST_ENTRIES
            || (calls >= MOST_CALLS && !entries.is_empty())
        {
            let next = Some(path);
            return Ok(Page { entries, next });
        }
    }
    Ok(Page { entries, next: None })
}

/// Returns the folders in which the walk goes on after a key, the outermost first.
async fn path_to(storage: &dyn Storage, after: &str) -> airlock_storage::Result<Vec<Folder>> {
    let mut folders = Vec::new();
    let mut path = String::new();
    for segment in after.split_inclusive('/') {
        folders.push(list(storage, path.clone(), segment).await?);
        path.push_str(segment);
    }
    if folders.is_empty() {
        folders.push(list(storage, path, "").await?);
    }
    Ok(folders)
}

async fn list(storage: &dyn Storage, path: String, after: &str) -> airlock_storage::Result<Folder> {
    let mut names = storage.list_page(&path, after, usize::MAX).await?;
    names.reverse();
    Ok(Folder { path, names })
}

#[cfg(test)]
mod tests {
    use airlock_storage::MemoryStorage;

    use super::*;

    fn storage(keys: impl IntoIterator<Item = String>) -> MemoryStorage {
        keys.into_iter()
            .map(|key| StorageEntry::new(key, "value"))
            .collect()
    }

    /// Returns the keys of all pages, and the number of pages.
    async fn all(storage: &MemoryStorage) -> (Vec<String>, usize) {
        let (mut keys, mut pages, mut after) = (Vec::new(), 0, String::new());
        loop {
            let page = page(storage, &after).await.unwrap();
            pages += 1;
            keys.extend(page.entries.into_iter().map(|entry| entry.stored_key));
            match page.next {
                Some(next) => after = next,
                None => return (keys, pages),
            }
        }
    }

    #[tokio::test]
    async fn pages_hold_each_key_once_and_none_of_the_host() {
        let folders = ["", "a/", "a/b/", "a-/", "z/y/x/"];
        let keys = folders
            .iter()
            .flat_map(|folder| (0..251).map(move |number| format!("{folder}{number}")));
        let own = [".airlock/active", ".airlock/redo/1"].map(str::to_owned);
        let storage = storage(keys.chain(own));
        let (found, pages) = all(&storage).await;
        let mut wanted: Vec<_> = storage.entries().into_iter().map(|entry| entry.key).collect();
        wanted.retain(|key| !key.starts_with(OWN));
        assert_eq!(pages, 3);
        let mut sorted = found.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, wanted);
    }

    #[test]
    fn no_page_begins_within_the_hosts_folder() {
        for key in ["", "a", "a/b", ".airlock", "a/.airlock/b", ".airlocks/b"] {
            assert!(may_be_after(key), "{key}");
        }
        for key in [
            ".airlock/",
            ".airlock/active",
            "./.airlock/a",
            "a/../.airlock/a",
            "/",
            "a/",
            "a//b",
        ] {
            assert!(!may_be_after(key), "{key}");
        }
        assert!(!may_be_after(&"a/".repeat(2048)) && !may_be_after(&"a".repeat(32_769)));
    }

    #[tokio::test]
    async fn a_page_ends_with_its_bytes() {
        let storage = MemoryStorage::new();
        for number in 0..8 {
            storage.insert(StorageEntry::new(format!("{number}"), vec![b'x'; 400 << 10]));
        }
        let first = page(&storage, "").await.unwrap();
        assert_eq!(first.entries.len(), 3);
        assert_eq!(first.next.as_deref(), Some("2"));
        assert_eq!(all(&storage).await.0.len(), 8);
    }

    #[tokio::test]
    async fn goes_on_after_a_key_that_is_gone() {
        let storage = storage(["a/1", "a/3", "b"].map(str::to_owned));
        let keys = |page: Page| {
            page.entries
                .into_iter()
                .map(|entry| entry.stored_key)
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(page(&storage, "a/2").await.unwrap()), ["a/3", "b"]);
        assert_eq!(keys(page(&storage, "a/9/9").await.unwrap()), ["b"]);
        assert!(keys(page(&storage, "c").await.unwrap()).is_empty());
    }
}

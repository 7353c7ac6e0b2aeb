//! Pages of a folder, over storage that notes which pages it was asked for and which of them it cut.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use airlock_storage::{Attempt, MemoryStorage, Mount, Result, Storage, StorageEntry, Transaction};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::sync::Arc;
use support::*;

/// A page that storage was asked for.
#[derive(Debug, Clone)]
struct Asked {
    folder: String,
    after: String,
    limit: usize,
    /// True if there were more names.
    is_cut: bool,
}

#[derive(Default)]
struct Watched {
    memory: MemoryStorage,
    pages: Mutex<Vec<Asked>>,
    whole: Mutex<u32>,
}

#[async_trait]
impl Storage for Watched {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>> {
        self.memory.get(key).await
    }
    async fn put(&self, entry: StorageEntry) -> Result<()> {
        self.memory.put(entry).await
    }
    async fn delete(&self, key: &str) -> Result<()> {
        self.memory.delete(key).await
    }
    async fn list(&self, folder: &str) -> Result<Vec<String>> {
        *self.whole.lock() += 1;
        self.memory.list(folder).await
    }
    async fn list_page(&self, folder: &str, after: &str, limit: usize) -> Result<Vec<String>> {
        let names = self.memory.list_page(folder, after, limit).await?;
        let last = names.last().map_or(after, String::as_str);
        let more = self.memory.list_page(folder, last, 1).await?;
        self.pages.lock().push(Asked {
            folder: folder.to_owned(),
            after: after.to_owned(),
            limit,
            is_cut: names.len() == limit && !more.is_empty(),
        });
        Ok(names)
    }
}

impl Watched {
    /// Returns the pages that were asked for since the last call.
    fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.pages.lock())
    }
}

async fn begin(keys: impl IntoIterator<Item = String>) -> (Arc<Watched>, Arc<Mount>, Transaction) {
    let storage = Arc::new(Watched::default());
    keys.into_iter()
        .for_each(|key| storage.memory.insert(StorageEntry::new(key, "")));
    let mount = Mount::new(storage.clone(), settings());
    let transaction = mount.begin(Attempt::FIRST).await.unwrap();
    *storage.whole.lock() = 0;
    (storage, mount, transaction)
}

/// Returns the `n`-th key; every third name is a folder.
fn key(n: usize) -> String {
    format!("f/{n:02}{}", if n.is_multiple_of(3) { "/x" } else { "" })
}

async fn all_pages(transaction: &mut Transaction, folder: &str, limit: usize) -> Vec<Vec<String>> {
    let (mut pages, mut after) = (Vec::new(), String::new());
    loop {
        let page = transaction.list_page(folder, &after, limit).await.unwrap();
        let Some(last) = page.last() else { break };
        after.clone_from(last);
        pages.push(page);
    }
    pages
}

#[tokio::test]
async fn pages_that_storage_cuts_are_together_the_whole_list() {
    for held in [false, true] {
        let (storage, _mount, mut transaction) = begin((0..60).map(key)).await;
        if held {
            for n in (0..60).step_by(4) {
                transaction.delete(&key(n)).await.unwrap();
                put(&mut transaction, &format!("f/{n:02}+"), "").await.unwrap();
            }
        }
        let whole = transaction.list("f/").await.unwrap();
        assert_eq!((whole.len(), *storage.whole.lock()), (60, 1));
        for limit in [1, 2, 7, 59, 60, 61] {
            storage.asked();
            let pages = all_pages(&mut transaction, "f/", limit).await;
            assert_eq!(pages.concat(), whole, "{limit}");
            assert!(
                pages.iter().rev().skip(1).all(|page| page.len() == limit),
                "{limit}"
            );
            assert_eq!(pages.len(), 60_usize.div_ceil(limit));
            // Storage was asked for each page, and for no more names than the page may need: with buffered writes, one
            // more name for each name that they may have removed.
            let asked = storage.asked();
            let of_folder: Vec<_> = asked.iter().filter(|asked| asked.folder == "f/").collect();
            assert_eq!(of_folder.len(), pages.len() + 1, "one more, that is empty");
            let spare = if held { 15 } else { 0 };
            assert!(
                of_folder
                    .iter()
                    .all(|asked| (limit..=limit + spare).contains(&asked.limit))
            );
            let cut = of_folder.iter().filter(|asked| asked.is_cut).count();
            assert!(
                cut >= 60_usize.saturating_sub(spare + 1) / limit,
                "{limit}: {cut} pages were cut"
            );
            // Pages in the middle are cut too: those after a name that is not the first.
            let within = of_folder
                .iter()
                .any(|asked| asked.is_cut && !asked.after.is_empty());
            assert_eq!(within, limit < 30, "{limit}");
        }
        assert_eq!(*storage.whole.lock(), 1, "no page is the whole list");
    }
}

#[tokio::test]
async fn a_page_is_full_though_names_at_its_cut_are_gone() {
    let (storage, _mount, mut transaction) = begin((0..60).map(key)).await;
    for n in 5..10 {
        transaction.delete(&key(n)).await.unwrap();
    }
    let page = transaction.list_page("f/", "03/", 3).await.unwrap();
    assert_eq!(page, ["04", "10", "11"]);
    let first = &storage.asked()[0];
    assert!(first.is_cut && first.limit == 3 + 5, "{first:?}");
}

#[tokio::test]
async fn the_hidden_folder_takes_nobodys_place_in_a_page() {
    let keys = [".airlock/x", "a", "b", "c"].map(str::to_owned);
    let (storage, _mount, mut transaction) = begin(keys).await;
    assert_eq!(transaction.list_page("", "", 2).await.unwrap(), ["a", "b"]);
    assert_eq!(transaction.list_page("", "b", 2).await.unwrap(), ["c"]);
    let asked = storage.asked();
    assert!(asked[0].is_cut && !asked[1].is_cut, "{asked:?}");
}

/// A page of two names is enough to see that one deletion does not empty a folder of a thousand keys.
#[tokio::test]
async fn to_see_that_a_folder_is_not_empty_costs_a_short_page() {
    let keys = (0..1_000).map(|n| format!("f/sub/{n:03}"));
    let (storage, _mount, mut transaction) = begin(keys).await;
    transaction.delete("f/sub/000").await.unwrap();
    assert_eq!(transaction.list("f/").await.unwrap(), ["sub/"]);
    let asked = storage.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(
        asked[0].is_cut && asked[0].folder == "f/sub/" && asked[0].limit == 2,
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_name_that_appears_within_or_behind_a_cut_page_conflicts() {
    for new in ["f/00+", "f/59+"] {
        let (storage, mount, mut transaction) = begin((0..60).map(key)).await;
        assert_eq!(transaction.list_page("f/", "", 2).await.unwrap().len(), 2);
        assert!(storage.asked()[0].is_cut);
        store(&mount, new, "").await.unwrap();
        assert!(transaction.commit().await.is_err(), "{new}");
    }
}

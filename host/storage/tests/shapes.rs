//! Keys as large, as deep and as many as a guest can make them.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use airlock_faults::Call;
use airlock_storage::{
    Attempt, Budget, Error, MAX_KEY_BYTES, MAX_KEY_SEGMENTS, Mount, Result, Settings, StorageEntry,
    Transaction,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use support::*;

fn deep(levels: usize) -> String {
    format!("{}key", "a/".repeat(levels))
}

/// Runs a test on a stack that would overflow if a function called itself once for each level.
fn on_a_small_stack(test: impl Future<Output = ()> + Send + 'static) {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(test);
    };
    let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(run);
    thread.unwrap().join().unwrap();
}

#[test]
fn a_key_of_two_thousand_levels_is_put_deleted_and_listed() {
    on_a_small_stack(async {
        let bed = Bed::new(settings());
        let mut transaction = bed.begin().await;
        put(&mut transaction, &deep(2_000), "1").await.unwrap();
        assert_eq!(transaction.list("").await.unwrap(), ["a/"]);
        transaction.commit().await.unwrap();
        transaction.delete(&deep(2_000)).await.unwrap();
        let before = transaction.usage().lists;
        assert!(transaction.list("").await.unwrap().is_empty());
        assert_eq!(transaction.usage().lists - before, 2_001);
        // A key is left half way down.
        bed.memory
            .insert(StorageEntry::new(format!("{}left", "a/".repeat(1_000)), ""));
        assert_eq!(transaction.list("").await.unwrap(), ["a/"]);
        assert_eq!(transaction.list_page("a/", "", 1).await.unwrap(), ["a/"]);
    });
}

#[tokio::test]
async fn a_hundred_thousand_keys_fit_one_transaction() {
    const KEYS: usize = 100_000;
    let bed = Bed::new(Settings {
        flush: std::time::Duration::from_secs(60),
        lock_time: std::time::Duration::from_secs(60),
        ..settings()
    });
    let mut writer = bed.begin().await;
    for n in 0..KEYS {
        put(&mut writer, &format!("f/{}/{n}", n % 100), "").await.unwrap();
    }
    assert_eq!(writer.list("f/").await.unwrap().len(), 100);
    let mut beside = bed.begin().await;
    get(&mut beside, "other").await.unwrap();
    writer.commit().await.unwrap();
    assert_eq!(bed.memory.entries().len(), KEYS);
    assert_eq!(beside.commit().await, Ok(()), "nothing that it read was written");
    for n in 0..KEYS {
        writer.delete(&format!("f/{}/{n}", n % 100)).await.unwrap();
    }
    assert!(writer.list("").await.unwrap().is_empty());
    writer.commit().await.unwrap();
    assert!(bed.memory.entries().is_empty());
}

struct Calls(AtomicU32);

impl Budget for Calls {
    fn charge_call(&self) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        self.0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
            .is_ok()
    }
}

/// Makes a list look into 40 folders, which all are found to be empty.
async fn thinned(mount: &Arc<Mount>) -> Transaction {
    for n in 0..40 {
        store(mount, &format!("f/{n:02}/x"), "").await.unwrap();
    }
    let mut transaction = mount.begin(Attempt::FIRST).await.unwrap();
    for n in 0..40 {
        transaction.delete(&format!("f/{n:02}/x")).await.unwrap();
    }
    transaction
}

#[tokio::test]
async fn a_list_is_charged_for_each_call_and_stops_without_budget() {
    let bed = Bed::new(settings());
    let mut transaction = thinned(&bed.mount).await;
    let budget = Arc::new(Calls(AtomicU32::new(50)));
    transaction.set_budget(budget.clone());
    let before = bed.storage.calls(Call::List);
    assert!(transaction.list("f/").await.unwrap().is_empty());
    assert_eq!(bed.storage.calls(Call::List) - before, 1 + 40);
    assert_eq!(budget.0.load(Ordering::SeqCst), 50 - 40);
    assert_eq!(transaction.list("f/").await, Err(Error::OverBudget));
    assert_eq!(bed.storage.calls(Call::List) - before, 1 + 40 + 1 + 10);
    // The guest may still commit.
    transaction.commit().await.unwrap();
    assert!(bed.stored().is_empty());
}

#[tokio::test]
async fn a_page_looks_into_no_more_folders_than_it_shows() {
    let bed = Bed::new(settings());
    let mut transaction = thinned(&bed.mount).await;
    bed.memory.insert(StorageEntry::new("f/01/y", ""));
    bed.memory.insert(StorageEntry::new("f/03/y", ""));
    let before = transaction.usage().lists;
    assert_eq!(
        transaction.list_page("f/", "00/", 2).await.unwrap(),
        ["01/", "03/"]
    );
    assert_eq!(transaction.usage().lists - before, 1 + 3);
}

#[tokio::test]
async fn every_call_refuses_keys_beyond_the_limits() {
    let bed = Bed::new(Settings {
        scratch_bytes: 1 << 20,
        ..settings()
    });
    let mut transaction = bed.begin().await;
    let long = "k".repeat(MAX_KEY_BYTES + 1);
    for key in [long.clone(), deep(MAX_KEY_SEGMENTS), "./.airlock/redo/x".into()] {
        let folder = format!("{key}/");
        for refused in [
            transaction.get(&key).await.map(drop),
            put(&mut transaction, &key, "").await,
            transaction.delete(&key).await,
            transaction.list(&folder).await.map(drop),
            transaction.list_page(&folder, "", 1).await.map(drop),
        ] {
            assert!(matches!(refused, Err(Error::InvalidKey(_))), "{refused:?}");
        }
    }
    let refused: [Result<()>; 3] = [
        transaction.scratch_get(&long).await.map(drop),
        transaction.scratch_put(&long, "".into()).await,
        transaction.scratch_delete(&long).await,
    ];
    assert!(
        refused
            .iter()
            .all(|refused| matches!(refused, Err(Error::InvalidKey(_))))
    );
    assert_eq!(
        bed.storage.calls(Call::Any),
        1,
        "only the search for redo records"
    );
}

#[tokio::test]
async fn the_longest_and_the_deepest_key_are_stored() {
    let bed = Bed::new(settings());
    let longest = "k".repeat(MAX_KEY_BYTES);
    for key in [longest, deep(MAX_KEY_SEGMENTS - 1)] {
        store(&bed.mount, &key, "1").await.unwrap();
        assert_eq!(read(&bed.mount, &key).await.unwrap().as_deref(), Some("1"));
    }
}

/// Lists of the deepest folders conflict with writes there, although these folders share a place.
#[tokio::test]
async fn a_list_of_a_deep_folder_conflicts_with_a_new_key_in_it() {
    let bed = Bed::new(settings());
    for levels in [10, 63, 64, 65, 200] {
        let mut lister = bed.begin().await;
        assert!(lister.list(&"a/".repeat(levels)).await.is_ok());
        store(&bed.mount, &deep(levels), "1").await.unwrap();
        assert_eq!(lister.commit().await, Err(Error::Conflict), "{levels}");
    }
}

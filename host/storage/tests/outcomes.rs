//! Commits whose writes storage rejects, answers late, or makes slowly.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use airlock_faults::{Call, Fault, FaultyStorage, Gate};
use airlock_storage::{
    Attempt, Error, MemoryStorage, Mount, Rejection, Result, Settings, Storage, StorageEntry,
    TransactionalStorage,
};
use async_trait::async_trait;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use support::*;

fn too_large() -> Fault {
    Fault::Reject(Rejection::TooLarge)
}

async fn put_all(mount: &Arc<Mount>, keys: impl IntoIterator<Item = String>) -> Result<()> {
    let mut transaction = mount.begin(Attempt::FIRST).await?;
    for key in keys {
        put(&mut transaction, &key, "new").await?;
    }
    let result = transaction.commit().await;
    let stored = matches!(result, Ok(()) | Err(Error::Incomplete { .. }));
    assert_eq!(transaction.has_committed(), stored);
    result
}

fn keys(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("k/{n:04}"))
}

#[tokio::test]
async fn a_rejected_write_is_made_once_and_nothing_is_stored() {
    let bed = Bed::new(settings());
    bed.storage.every(Call::Put, too_large());
    for count in [1, 3] {
        let rejected = put_all(&bed.mount, keys(count)).await.unwrap_err();
        assert_eq!(
            rejected.to_string(),
            "the entry is too large for storage: storage is small on purpose"
        );
        assert_eq!(rejected.rejection(), Some(Rejection::TooLarge));
    }
    assert_eq!((bed.storage.calls(Call::Put), bed.stored().len()), (2, 0));
}

#[tokio::test]
async fn a_write_rejected_in_mid_commit_leaves_the_ones_before_it_and_says_so() {
    let bed = Bed::with(&[("k/0000", "old"), ("k/0002", "old")], cacheable(""));
    for key in ["k/0000", "k/0002"] {
        read(&bed.mount, key).await.unwrap();
    }
    bed.storage.nth(Call::Put, 3, too_large());
    let error = put_all(&bed.mount, keys(5)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "storage holds only 2 of the 5 writes of this commit: the entry is too large for storage: storage is small on \
         purpose"
    );
    assert_eq!(error.rejection(), Some(Rejection::TooLarge));
    assert_eq!(bed.storage.calls(Call::Put), 3, "nothing is tried again");
    // Nobody blocks the keys, and the cache shows what is stored.
    assert_eq!(
        bed.stored(),
        pairs(&[("k/0000", "new"), ("k/0001", "new"), ("k/0002", "old")])
    );
    for (key, value) in bed.stored() {
        assert_eq!(
            read(&bed.mount, &key).await.unwrap().as_ref(),
            Some(&value),
            "{key}"
        );
    }
    store(&bed.mount, "k/0003", "later").await.unwrap();
}

#[tokio::test]
async fn a_write_rejected_after_one_that_was_not_answered_is_of_unknown_outcome() {
    let bed = Bed::new(settings());
    bed.storage.nth(Call::Put, 1, Fault::LoseAnswer);
    bed.storage.nth(Call::Put, 2, too_large());
    let mut transaction = bed.begin().await;
    put(&mut transaction, "a", "1").await.unwrap();
    let failed = transaction.commit().await;
    assert!(is_unknown(&failed) && transaction.has_committed());
    assert_eq!(bed.storage.calls(Call::Put), 2);
}

#[tokio::test]
async fn a_transaction_of_the_storages_own_with_a_rejected_write_stores_nothing() {
    for call in [Call::Put, Call::Commit] {
        let storage = Arc::new(TransactionalStorage::new());
        let faulty = FaultyStorage::over(storage.clone() as Arc<dyn Storage>);
        faulty.nth(call, 1, too_large());
        let mount = Mount::new(Arc::new(faulty.clone()), settings());
        let rejected = put_all(&mount, keys(3)).await.unwrap_err();
        assert!(matches!(rejected, Error::Rejected { .. }), "{rejected}");
        assert_eq!((faulty.calls(Call::Begin), storage.open_transactions()), (1, 0));
        assert!(storage.memory().entries().is_empty());
    }
}

#[tokio::test]
async fn deleting_what_storage_cannot_hold_is_no_error() {
    let bed = Bed::new(settings());
    bed.storage.every(Call::Delete, Fault::Reject(Rejection::Key));
    let mut transaction = bed.begin().await;
    transaction.delete("a").await.unwrap();
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn a_put_that_was_repeated_and_lands_late_is_seen_and_not_hidden_by_the_cache() {
    for redo_record in [false, true] {
        let bed = Bed::new(Settings {
            late: Duration::from_secs(600),
            redo_record,
            ..cacheable("")
        });
        let gate = Gate::new();
        bed.storage.nth(
            Call::Put,
            if redo_record { 2 } else { 1 },
            Fault::ApplyLate(gate.clone()),
        );
        put_all(&bed.mount, keys(2)).await.unwrap();
        store(&bed.mount, "k/0000", "newer").await.unwrap();
        let seen = read(&bed.mount, "k/0000").await.unwrap();
        assert_eq!(seen.as_deref(), Some("newer"));
        gate.open();
        until_stored(&bed.memory, "k/0000", Some("new")).await;
        let seen = read(&bed.mount, "k/0000").await.unwrap();
        assert_eq!(seen.as_deref(), Some("new"), "what is stored, whatever it is");
    }
}

/// Storage is slow and healthy: each put takes a fraction of the time without progress that is allowed, and all
/// together take a multiple of it.
const PUTS: usize = 100;

fn patient(redo_record: bool) -> Settings {
    Settings {
        redo_record,
        flush: Duration::from_millis(500),
        ..settings()
    }
}

fn slow() -> Fault {
    Fault::Delay(Duration::from_millis(10))
}

#[tokio::test]
async fn a_slow_commit_is_finished_though_it_takes_longer_than_one_call_may() {
    for redo_record in [false, true] {
        let bed = Bed::new(patient(redo_record));
        bed.storage.every(Call::Put, slow());
        put_all(&bed.mount, keys(PUTS)).await.unwrap();
        bed.mount.drain().await;
        assert_eq!(bed.stored().len(), PUTS);
    }
    let storage = Arc::new(TransactionalStorage::new());
    let faulty = FaultyStorage::over(storage.clone() as Arc<dyn Storage>);
    faulty.every(Call::Put, slow());
    let mount = Mount::new(Arc::new(faulty.clone()), patient(false));
    put_all(&mount, keys(PUTS)).await.unwrap();
    assert_eq!(
        (storage.memory().entries().len(), faulty.calls(Call::Begin)),
        (PUTS, 1)
    );
}

#[tokio::test]
async fn a_drain_lets_a_slow_flush_behind_a_record_come_to_its_end() {
    let bed = Bed::new(patient(true));
    let gate = bed.storage.hold(Call::Put, 2);
    bed.storage.every(Call::Put, slow());
    let writer = bed.spawn(|mount| async move { put_all(&mount, keys(PUTS)).await });
    gate.reached().await;
    let drain = bed.spawn(|mount| async move { mount.drain().await });
    tokio::task::yield_now().await;
    gate.open();
    drain.await.unwrap();
    writer.await.unwrap().unwrap();
    assert_eq!((bed.stored().len(), hidden(&bed.memory).len()), (PUTS, 0));
}

#[tokio::test]
async fn a_slow_recovery_comes_to_its_end_and_one_that_failed_goes_on_where_it_ended() {
    let bed = Bed::new(Settings {
        flush: Duration::from_millis(3),
        ..patient(true)
    });
    bed.storage.nth(Call::Put, 2, Fault::Kill);
    put_all(&bed.mount, keys(PUTS)).await.unwrap();
    bed.mount.drain().await;
    bed.storage.heal();
    let mount = Mount::new(Arc::new(bed.storage.clone()), patient(true));
    bed.storage.nth(Call::Put, 91, Fault::Kill);
    bed.storage.every(Call::Put, slow());
    let before = bed.storage.calls(Call::Put);
    assert!(mount.recover().await.is_err());
    assert_eq!(stored_by_guests(&bed.memory).len(), 90);
    let failed = bed.storage.calls(Call::Put) - before;
    bed.storage.heal();
    mount.recover().await.unwrap();
    assert_eq!(bed.storage.calls(Call::Put) - before - failed, 10);
    assert_eq!(bed.stored().len(), PUTS);
}

#[tokio::test]
async fn a_drain_ends_a_recovery_before_the_next_mount_begins() {
    let bed = Bed::new(Settings {
        flush: Duration::from_millis(3),
        ..patient(true)
    });
    bed.storage.nth(Call::Put, 2, Fault::Kill);
    put_all(&bed.mount, keys(3)).await.unwrap();
    bed.mount.drain().await;
    bed.storage.heal();
    let unhurried = Settings {
        flush: Duration::from_secs(60),
        ..settings()
    };
    let mount = Mount::new(Arc::new(bed.storage.clone()), unhurried);
    let gate = bed.storage.hold(Call::Put, 1);
    let recovery = tokio::spawn({
        let mount = mount.clone();
        async move { mount.recover().await }
    });
    gate.reached().await;
    let drain = tokio::spawn({
        let mount = mount.clone();
        async move { mount.drain().await }
    });
    tokio::task::yield_now().await;
    assert!(!drain.is_finished());
    gate.open();
    drain.await.unwrap();
    assert_eq!(stored_by_guests(&bed.memory).len(), 1);
    assert_eq!(recovery.await.unwrap(), Err(Error::Draining));
    assert_eq!(mount.recover().await, Err(Error::Draining));
    let next = Mount::new(Arc::new(bed.storage.clone()), settings());
    next.recover().await.unwrap();
    assert_eq!(bed.stored().len(), 3);
}

#[tokio::test]
async fn a_write_that_a_recovery_gave_up_and_lands_late_is_seen() {
    let brief = || Settings {
        // This time is over before the pause after the first try.
        flush: Duration::from_millis(3),
        late: Duration::from_secs(600),
        ..cacheable("")
    };
    let bed = Bed::new(Settings {
        redo_record: true,
        ..brief()
    });
    bed.storage.nth(Call::Put, 2, Fault::Kill);
    put_all(&bed.mount, keys(2)).await.unwrap();
    bed.mount.drain().await;
    bed.storage.heal();
    let mount = Mount::new(Arc::new(bed.storage.clone()), brief());
    let gate = Gate::new();
    bed.storage.nth(Call::Put, 1, Fault::ApplyLate(gate.clone()));
    assert!(mount.recover().await.is_err());
    mount.recover().await.unwrap();
    store(&mount, "k/0000", "newer").await.unwrap();
    assert_eq!(read(&mount, "k/0000").await.unwrap().as_deref(), Some("newer"));
    gate.open();
    until_stored(&bed.memory, "k/0000", Some("new")).await;
    assert_eq!(read(&mount, "k/0000").await.unwrap().as_deref(), Some("new"));
}

/// Notes which thread makes the puts.
#[derive(Default)]
struct Whereabouts {
    memory: MemoryStorage,
    threads: Mutex<Vec<Option<String>>>,
}

#[async_trait]
impl Storage for Whereabouts {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>> {
        self.memory.get(key).await
    }
    async fn put(&self, entry: StorageEntry) -> Result<()> {
        let name = std::thread::current().name().map(str::to_owned);
        self.threads.lock().push(name);
        self.memory.put(entry).await
    }
    async fn delete(&self, key: &str) -> Result<()> {
        self.memory.delete(key).await
    }
    async fn list(&self, folder: &str) -> Result<Vec<String>> {
        self.memory.list(folder).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_flush_runs_on_the_mounts_runtime_whatever_thread_commits() {
    let storage = Arc::new(Whereabouts::default());
    let mount = Mount::new(storage.clone(), settings());
    let commit = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(put_all(&mount, keys(3)))
    };
    let thread = std::thread::Builder::new().name("slow-lane".into());
    let committing = thread.spawn(commit).unwrap();
    let committed = tokio::task::spawn_blocking(|| committing.join().unwrap());
    committed.await.unwrap().unwrap();
    let threads = storage.threads.lock();
    assert_eq!(threads.len(), 3);
    assert!(
        threads.iter().all(|name| name.as_deref() != Some("slow-lane")),
        "{threads:?}"
    );
}

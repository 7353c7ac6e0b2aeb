//! The guarantees of a transaction for a request that runs alone or at the same time as others.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::Arc;

use airlock_faults::Call;
use airlock_storage::{Attempt, Error, MemoryStorage, Mount, Prefixes, Settings, StorageEntry};
use support::*;

#[tokio::test]
async fn writes_are_held_until_commit_and_seen_by_their_own_transaction() {
    let bed = Bed::with(&[("a", "old"), ("b", "old")], settings());
    let mut transaction = bed.begin().await;
    put(&mut transaction, "a", "new").await.unwrap();
    transaction.delete("b").await.unwrap();
    assert_eq!(get(&mut transaction, "a").await.unwrap().as_deref(), Some("new"));
    assert_eq!(get(&mut transaction, "b").await.unwrap(), None);
    assert_eq!(bed.stored(), pairs(&[("a", "old"), ("b", "old")]));
    transaction.commit().await.unwrap();
    assert_eq!(bed.stored(), pairs(&[("a", "new")]));
}

#[tokio::test]
async fn a_transaction_that_is_dropped_leaves_nothing() {
    let bed = Bed::new(settings());
    let mut transaction = bed.begin().await;
    put(&mut transaction, "a", "1").await.unwrap();
    drop(transaction);
    assert_eq!(bed.storage.calls(Call::Put), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_commit_has_answered_the_mount_can_be_ended_and_its_storage_is_free() {
    for _ in 0..2_000 {
        let storage = Arc::new(MemoryStorage::new());
        let mount = Mount::new(storage.clone(), settings());
        let mut transaction = mount.begin(Attempt::FIRST).await.unwrap();
        put(&mut transaction, "a", "1").await.unwrap();
        transaction.commit().await.unwrap();
        drop((transaction, mount));
        assert_eq!(Arc::strong_count(&storage), 1);
    }
}

#[tokio::test]
async fn lists_show_the_folder_as_the_transaction_would_leave_it() {
    let bed = Bed::with(
        &[
            ("f/b", ""),
            ("f/d", ""),
            ("f/sub/x", ""),
            ("f/thin/1", ""),
            ("f/thin/2", ""),
        ],
        settings(),
    );
    let mut transaction = bed.begin().await;
    put(&mut transaction, "f/a", "").await.unwrap();
    put(&mut transaction, "f/new/deep/key", "").await.unwrap();
    transaction.delete("f/d").await.unwrap();
    transaction.delete("f/sub/x").await.unwrap();
    transaction.delete("f/thin/1").await.unwrap();
    assert_eq!(transaction.list("f/").await.unwrap(), ["a", "b", "new/", "thin/"]);
    assert_eq!(transaction.list_page("f/", "a", 2).await.unwrap(), ["b", "new/"]);
    assert_eq!(
        transaction.list_page("f/", "", 3).await.unwrap(),
        ["a", "b", "new/"]
    );
    assert_eq!(transaction.list_page("f/", "new/", 9).await.unwrap(), ["thin/"]);
    assert!(transaction.list_page("f/", "", 0).await.unwrap().is_empty());
    assert!(transaction.list("f/sub/").await.unwrap().is_empty());
    put(&mut transaction, "f/sub/y", "").await.unwrap();
    assert_eq!(
        transaction.list("f/").await.unwrap(),
        ["a", "b", "new/", "sub/", "thin/"]
    );
}

#[tokio::test]
async fn a_commit_that_read_what_another_changed_is_a_conflict_and_stores_nothing() {
    let bed = Bed::with(&[("a", "1")], settings());
    let mut late = bed.begin().await;
    get(&mut late, "a").await.unwrap();
    put(&mut late, "b", "from a stale a").await.unwrap();
    store(&bed.mount, "a", "2").await.unwrap();
    assert_eq!(late.commit().await, Err(Error::Conflict));
    assert!(!late.has_committed());
    assert_eq!(late.get("a").await, Err(Error::Conflict));
    assert_eq!(bed.stored(), pairs(&[("a", "2")]));
}

#[tokio::test]
async fn a_read_only_request_that_saw_two_times_is_a_conflict() {
    let bed = Bed::with(&[("a", "1"), ("b", "1")], settings());
    let mut reader = bed.begin().await;
    get(&mut reader, "a").await.unwrap();
    let mut writer = bed.begin().await;
    put(&mut writer, "a", "2").await.unwrap();
    put(&mut writer, "b", "2").await.unwrap();
    writer.commit().await.unwrap();
    get(&mut reader, "b").await.unwrap();
    assert_eq!(reader.commit().await, Err(Error::Conflict));
}

#[tokio::test]
async fn a_key_that_appears_anywhere_below_conflicts_with_a_list_and_an_update_does_not() {
    let bed = Bed::with(&[("a/b/old", "1")], settings());
    for (key, conflict) in [
        ("a/b/c/new", true),
        ("a/b/old", false),
        ("other/x", true),
        ("a/z", true),
    ] {
        let mut lister = bed.begin().await;
        assert!(
            lister.list("").await.is_ok()
                && lister.list("a/").await.is_ok()
                && lister.list("a/b/").await.is_ok()
        );
        let mut writer = bed.begin().await;
        get(&mut writer, key).await.unwrap();
        put(&mut writer, key, "2").await.unwrap();
        writer.commit().await.unwrap();
        assert_eq!(lister.commit().await.is_err(), conflict, "{key}");
    }
}

#[tokio::test]
async fn a_key_that_comes_and_goes_in_one_commit_conflicts_with_a_list_in_between() {
    let bed = Bed::new(settings());
    let mut writer = bed.begin().await;
    get(&mut writer, "f/a").await.unwrap();
    put(&mut writer, "f/a", "").await.unwrap();
    put(&mut writer, "other", "").await.unwrap();
    writer.delete("f/a").await.unwrap();
    let mut lister = bed.begin().await;
    assert!(lister.list("f/").await.unwrap().is_empty());
    writer.commit().await.unwrap();
    assert_eq!(lister.commit().await, Err(Error::Conflict));
}

#[tokio::test]
async fn a_reader_of_a_key_that_is_being_written_waits_and_sees_the_new_value() {
    let bed = Bed::with(&[("a", "1")], settings());
    let gate = bed.storage.hold(Call::Put, 1);
    let writer = bed.spawn(|mount| async move { store(&mount, "a", "2").await });
    gate.reached().await;
    let reader = bed.spawn(|mount| async move { read(&mount, "a").await });
    tokio::task::yield_now().await;
    assert!(!reader.is_finished());
    gate.open();
    writer.await.unwrap().unwrap();
    assert_eq!(reader.await.unwrap().unwrap().as_deref(), Some("2"));
}

#[tokio::test]
async fn two_blind_writers_of_the_same_keys_do_not_mix() {
    let bed = Bed::new(settings());
    let gate = bed.storage.hold(Call::Put, 1);
    let write = |value: &'static str| {
        bed.spawn(|mount| async move {
            let mut writer = mount.begin(Attempt::FIRST).await.unwrap();
            put(&mut writer, "a", value).await.unwrap();
            put(&mut writer, "b", value).await.unwrap();
            writer.commit().await
        })
    };
    let one = write("1");
    gate.reached().await;
    let two = write("2");
    tokio::task::yield_now().await;
    gate.open();
    one.await.unwrap().unwrap();
    two.await.unwrap().unwrap();
    assert_eq!(bed.stored(), pairs(&[("a", "2"), ("b", "2")]));
}

#[tokio::test]
async fn a_commit_in_mid_request_stands_whatever_comes_after() {
    let bed = Bed::new(settings());
    let mut transaction = bed.begin().await;
    put(&mut transaction, "a", "1").await.unwrap();
    transaction.commit().await.unwrap();
    assert!(transaction.has_committed());
    put(&mut transaction, "b", "1").await.unwrap();
    drop(transaction);
    assert_eq!(bed.stored(), pairs(&[("a", "1")]));
}

#[tokio::test]
async fn after_its_first_commit_a_request_cannot_conflict() {
    let bed = Bed::with(
        &[("a", "1")],
        Settings {
            wait: std::time::Duration::from_millis(50),
            ..settings()
        },
    );
    let mut first = bed.begin().await;
    put(&mut first, "x", "1").await.unwrap();
    first.commit().await.unwrap();
    get(&mut first, "a").await.unwrap();
    assert!(matches!(
        store(&bed.mount, "a", "2").await,
        Err(Error::Busy { .. })
    ));
    put(&mut first, "a", "3").await.unwrap();
    first.commit().await.unwrap();
    store(&bed.mount, "a", "4").await.unwrap();
    assert_eq!(read(&bed.mount, "a").await.unwrap().as_deref(), Some("4"));
}

#[tokio::test]
async fn the_fourth_attempt_has_the_commit_lock_and_writers_wait() {
    let bed = Bed::with(&[("a", "1")], settings());
    let fourth = Attempt::FIRST.next().next().next();
    assert!(fourth.is_exclusive() && fourth.number() == 4);
    let mut alone = bed.mount.begin(fourth).await.unwrap();
    assert_eq!(get(&mut alone, "a").await.unwrap().as_deref(), Some("1"));
    let other = bed.spawn(|mount| async move { store(&mount, "a", "other").await });
    tokio::task::yield_now().await;
    put(&mut alone, "a", "alone").await.unwrap();
    alone.commit().await.unwrap();
    other.await.unwrap().unwrap();
    assert_eq!(bed.stored(), pairs(&[("a", "other")]));
}

#[tokio::test]
async fn a_lock_taken_in_mid_request_keeps_what_was_read_true() {
    let bed = Bed::with(
        &[("a", "1")],
        Settings {
            wait: std::time::Duration::from_millis(50),
            ..settings()
        },
    );
    let mut stale = bed.begin().await;
    get(&mut stale, "a").await.unwrap();
    store(&bed.mount, "a", "2").await.unwrap();
    assert_eq!(stale.lock_commits().await, Err(Error::Conflict));
    drop(stale);
    let mut fresh = bed.begin().await;
    get(&mut fresh, "a").await.unwrap();
    fresh.lock_commits().await.unwrap();
    assert!(matches!(
        store(&bed.mount, "a", "3").await,
        Err(Error::Busy { .. })
    ));
    put(&mut fresh, "b", "1").await.unwrap();
    fresh.commit().await.unwrap();
}

#[tokio::test]
async fn reads_that_repeat_cost_one_call() {
    let bed = Bed::with(&[("a", "1")], settings());
    let mut transaction = bed.begin().await;
    for _ in 0..3 {
        get(&mut transaction, "a").await.unwrap();
    }
    transaction.list("").await.unwrap();
    put(&mut transaction, "a", "22").await.unwrap();
    transaction.commit().await.unwrap();
    let usage = transaction.usage();
    assert_eq!(
        (usage.gets, usage.cached, usage.lists, usage.puts, usage.calls()),
        (1, 2, 1, 1, 3)
    );
    assert_eq!((usage.bytes_read, usage.bytes_written), (2, 3));
}

#[tokio::test]
async fn a_guest_reaches_its_prefixes_only_and_never_the_hidden_one() {
    let bed = Bed::with(
        &[(".airlock/redo/none.0", ""), ("kv/a", "1"), ("secret", "")],
        settings(),
    );
    bed.mount.recover().await.unwrap();
    bed.memory.insert(StorageEntry::new(".airlock/other", ""));
    let mut transaction = bed.begin().await;
    assert_eq!(transaction.list("").await.unwrap(), ["kv/", "secret"]);
    assert_eq!(transaction.list_page("", "", 1).await.unwrap(), ["kv/"]);
    for key in [".airlock/other", ".airlock/redo/x"] {
        assert!(matches!(transaction.get(key).await, Err(Error::Denied(_))));
        assert!(matches!(transaction.delete(key).await, Err(Error::Denied(_))));
        assert!(matches!(
            put(&mut transaction, key, "").await,
            Err(Error::Denied(_))
        ));
    }
    assert!(matches!(
        transaction.list(".airlock/").await,
        Err(Error::Denied(_))
    ));
    bed.mount.adopt(Settings {
        storage: Prefixes::from_iter(["kv/"]),
        ..settings()
    });
    let mut transaction = bed.begin().await;
    assert!(transaction.get("kv/a").await.unwrap().is_some());
    assert!(matches!(transaction.get("secret").await, Err(Error::Denied(_))));
    assert!(matches!(transaction.list("").await, Err(Error::Denied(_))));
}

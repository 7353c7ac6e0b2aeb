//! The flush of a commit: what callers, a drain, and writes that fail see of it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use airlock_faults::{Call, Fault};
use airlock_storage::{Attempt, Error, Settings};
use support::*;

#[tokio::test]
async fn a_caller_that_goes_away_does_not_stop_its_flush() {
    let bed = Bed::new(settings());
    let gate = bed.storage.hold(Call::Put, 2);
    let writer = bed.spawn(|mount| async move {
        let mut transaction = mount.begin(Attempt::FIRST).await.unwrap();
        for key in ["a", "b", "c"] {
            put(&mut transaction, key, "1").await.unwrap();
        }
        transaction.commit().await
    });
    gate.reached().await;
    writer.abort();
    assert!(writer.await.unwrap_err().is_cancelled());
    gate.open();
    bed.mount.drain().await;
    assert_eq!(bed.stored(), pairs(&[("a", "1"), ("b", "1"), ("c", "1")]));
}

#[tokio::test]
async fn a_drain_waits_for_flushes_and_lets_no_commit_begin() {
    let bed = Bed::new(settings());
    let gate = bed.storage.hold(Call::Put, 1);
    let writer = bed.spawn(|mount| async move { store(&mount, "a", "1").await });
    gate.reached().await;
    let drain = bed.spawn(|mount| async move { mount.drain().await });
    tokio::task::yield_now().await;
    assert!(!drain.is_finished());
    assert_eq!(store(&bed.mount, "b", "1").await, Err(Error::Draining));
    gate.open();
    drain.await.unwrap();
    writer.await.unwrap().unwrap();
    assert_eq!(bed.stored(), pairs(&[("a", "1")]));
    assert_eq!(read(&bed.mount, "a").await.unwrap().as_deref(), Some("1"));
}

#[tokio::test]
async fn read_only_storage_refuses_the_commit_at_once() {
    let bed = Bed::new(settings());
    bed.storage.set_read_only(true);
    let mut transaction = bed.begin().await;
    put(&mut transaction, "a", "1").await.unwrap();
    put(&mut transaction, "b", "1").await.unwrap();
    assert_eq!(transaction.commit().await, Err(Error::ReadOnly));
    assert!(!transaction.has_committed());
    assert_eq!(bed.storage.calls(Call::Put), 1);
}

#[tokio::test]
async fn a_put_that_fails_is_tried_again_while_its_keys_are_kept_from_others() {
    let bed = Bed::with(
        &[("a", "0"), ("b", "0")],
        Settings {
            flush: std::time::Duration::from_secs(5),
            ..settings()
        },
    );
    bed.storage.nth(Call::Put, 2, Fault::LoseAnswer);
    let gate = bed.storage.hold(Call::Put, 3);
    let writer = bed.spawn(|mount| async move { store_two(&mount, "1").await });
    gate.reached().await;
    let reader = bed.spawn(|mount| async move { (read(&mount, "a").await, read(&mount, "b").await) });
    tokio::task::yield_now().await;
    assert!(!reader.is_finished());
    gate.open();
    writer.await.unwrap().unwrap();
    let (a, b) = reader.await.unwrap();
    assert_eq!(
        (a.unwrap().as_deref(), b.unwrap().as_deref()),
        (Some("1"), Some("1"))
    );
}

#[tokio::test]
async fn a_flush_that_cannot_be_finished_says_that_part_may_be_stored() {
    let bed = Bed::with(&[("a", "0"), ("b", "0")], settings());
    bed.storage.nth(Call::Put, 2, Fault::Kill);
    let mut transaction = bed.begin().await;
    put(&mut transaction, "a", "1").await.unwrap();
    put(&mut transaction, "b", "1").await.unwrap();
    let failed = transaction.commit().await;
    assert!(is_unknown(&failed) && transaction.has_committed());
    let text = failed.unwrap_err().to_string();
    assert_eq!(
        text,
        "the outcome of this commit is unknown, and storage may hold part of it: storage is broken on purpose"
    );
    bed.storage.heal();
    assert_eq!(bed.stored(), pairs(&[("a", "1"), ("b", "0")]));
    assert_eq!(read(&bed.mount, "a").await.unwrap().as_deref(), Some("1"));
}

#[tokio::test]
async fn after_a_failed_commit_the_next_transaction_begins_without_its_writes() {
    let bed = Bed::new(settings());
    bed.storage.set_read_only(true);
    let mut transaction = bed.begin().await;
    put(&mut transaction, "a", "1").await.unwrap();
    assert!(transaction.commit().await.is_err());
    assert_eq!(get(&mut transaction, "a").await.unwrap(), None);
    bed.storage.set_read_only(false);
    put(&mut transaction, "b", "1").await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(bed.stored(), pairs(&[("b", "1")]));
}

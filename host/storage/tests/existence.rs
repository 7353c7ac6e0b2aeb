//! Tests that a mount remembers whether a key exists once a guest has asked, and that the answer stays true.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use airlock_faults::{Call, Fault};
use airlock_storage::{Attempt, Error, Mount, Prefixes, Result, Settings, Storage as _, StorageEntry};
use support::*;

fn remembering() -> Settings {
    Settings {
        remembered: Prefixes::all(),
        ..settings()
    }
}

/// Asks in a transaction of its own.
async fn exists(mount: &Arc<Mount>, key: &str) -> Result<bool> {
    let mut transaction = mount.begin(Attempt::FIRST).await?;
    let exists = transaction.exists(key).await?;
    transaction.commit().await?;
    Ok(exists)
}

#[tokio::test]
async fn the_answer_is_asked_for_once_and_says_nothing_of_the_value() {
    let bed = Bed::with(&[("a", "1")], remembering());
    for _ in 0..2 {
        assert!(exists(&bed.mount, "a").await.unwrap());
        assert!(!exists(&bed.mount, "b").await.unwrap());
        assert_eq!(bed.storage.calls(Call::Get), 2);
    }
    assert_eq!(read(&bed.mount, "a").await.unwrap().as_deref(), Some("1"));
    assert_eq!(bed.storage.calls(Call::Get), 3, "the value is not remembered");
}

#[tokio::test]
async fn nothing_is_remembered_that_is_not_granted() {
    let granted = Settings {
        remembered: Prefixes::from_iter(["a/"]),
        ..settings()
    };
    let bed = Bed::with(&[("a/x", "1"), ("b/x", "1")], granted);
    for _ in 0..2 {
        assert!(exists(&bed.mount, "a/x").await.unwrap() && exists(&bed.mount, "b/x").await.unwrap());
    }
    assert_eq!(bed.storage.calls(Call::Get), 3);
    bed.mount.allow_caching(false);
    for _ in 0..2 {
        assert!(exists(&bed.mount, "a/x").await.unwrap());
    }
    assert_eq!(bed.storage.calls(Call::Get), 5, "the server forbids it");
}

/// Makes an existence check and its update, as Vault does. Returns what the check answered.
async fn update(bed: &Bed, key: &str, value: Option<&str>) -> bool {
    let mut check = bed.begin().await;
    let existed = check.exists(key).await.unwrap();
    check.keep_reads(key).unwrap();
    let mut update = bed.mount.begin_with_reads(key).await.unwrap();
    assert!(update.continues_check());
    match value {
        Some(value) => put(&mut update, key, value).await.unwrap(),
        None => update.delete(key).await.unwrap(),
    }
    update.commit().await.unwrap();
    existed
}

#[tokio::test]
async fn an_update_of_a_known_key_costs_its_write_alone() {
    let bed = Bed::new(remembering());
    assert!(!update(&bed, "a", Some("1")).await);
    let gets = bed.storage.calls(Call::Get);
    assert!(update(&bed, "a", Some("2")).await);
    assert!(update(&bed, "a", None).await);
    assert!(!update(&bed, "a", Some("3")).await);
    assert!(exists(&bed.mount, "a").await.unwrap());
    assert_eq!(bed.storage.calls(Call::Get), gets);
    assert_eq!(read(&bed.mount, "a").await.unwrap().as_deref(), Some("3"));
}

#[tokio::test]
async fn a_write_that_has_not_asked_makes_the_next_one_ask_again() {
    let bed = Bed::with(&[("a", "1")], remembering());
    assert!(exists(&bed.mount, "a").await.unwrap());
    let mut transaction = bed.begin().await;
    transaction.delete("a").await.unwrap();
    transaction.commit().await.unwrap();
    let gets = bed.storage.calls(Call::Get);
    assert!(!exists(&bed.mount, "a").await.unwrap());
    assert_eq!(bed.storage.calls(Call::Get), gets + 1);
}

#[tokio::test]
async fn a_key_that_changed_beneath_the_mount_is_asked_for_again() {
    let bed = Bed::with(&[("a", "1")], remembering());
    assert!(exists(&bed.mount, "a").await.unwrap());
    bed.memory.delete("a").await.unwrap();
    bed.mount.invalidate("a");
    assert!(!exists(&bed.mount, "a").await.unwrap());
}

#[tokio::test]
async fn a_write_conflicts_if_what_is_remembered_ceases_to_hold_while_it_runs() {
    let bed = Bed::with(&[("a", "1")], remembering());
    assert!(exists(&bed.mount, "a").await.unwrap());
    let mut slow = bed.begin().await;
    assert!(slow.exists("a").await.unwrap());
    put(&mut slow, "a", "2").await.unwrap();
    update(&bed, "a", None).await;
    assert_eq!(slow.commit().await, Err(Error::Conflict));
}

#[tokio::test]
async fn nothing_is_remembered_of_a_write_of_unknown_outcome() {
    let bed = Bed::with(&[("a", "1")], remembering());
    assert!(exists(&bed.mount, "a").await.unwrap());
    bed.storage.every(Call::Delete, Fault::Fail);
    let mut transaction = bed.begin().await;
    assert!(transaction.exists("a").await.unwrap());
    transaction.delete("a").await.unwrap();
    assert!(is_unknown(&transaction.commit().await));
    bed.storage.heal();
    assert!(exists(&bed.mount, "a").await.unwrap());
    // The deletion that was given up arrives.
    bed.memory.delete("a").await.unwrap();
    assert!(!exists(&bed.mount, "a").await.unwrap());
}

#[tokio::test]
async fn a_transaction_sees_its_own_writes_and_reads_the_value_once_after_asking() {
    let bed = Bed::with(&[("a", "1")], remembering());
    let mut transaction = bed.begin().await;
    assert!(transaction.exists("a").await.unwrap());
    for _ in 0..2 {
        assert_eq!(get(&mut transaction, "a").await.unwrap().as_deref(), Some("1"));
    }
    assert_eq!(bed.storage.calls(Call::Get), 2);
    transaction.delete("a").await.unwrap();
    put(&mut transaction, "b", "1").await.unwrap();
    assert!(!transaction.exists("a").await.unwrap() && transaction.exists("b").await.unwrap());
    assert_eq!(bed.storage.calls(Call::Get), 2);
}

#[tokio::test]
async fn a_trial_and_a_guest_that_was_replaced_leave_nothing() {
    let bed = Bed::with(&[("a", "1")], remembering());
    let mut trial = bed.begin().await;
    trial.begin_trial(remembering());
    assert!(trial.exists("a").await.unwrap());
    drop(trial);
    assert!(exists(&bed.mount, "a").await.unwrap());
    assert_eq!(bed.storage.calls(Call::Get), 2);

    bed.mount.adopt(remembering());
    bed.memory.insert(StorageEntry::new("a", "2"));
    assert!(exists(&bed.mount, "a").await.unwrap());
    assert_eq!(bed.storage.calls(Call::Get), 3);
}

#[tokio::test]
async fn a_run_that_is_traced_has_the_whole_entry() {
    let bed = Bed::with(&[("a", "1")], remembering());
    assert!(exists(&bed.mount, "a").await.unwrap());
    let mut first = bed.begin().await;
    first.trace();
    assert!(first.exists("a").await.unwrap());
    let trace = first.take_trace().unwrap();
    let mut second = bed.begin().await;
    second.begin_replay(&trace, remembering());
    assert_eq!(get(&mut second, "a").await.unwrap().as_deref(), Some("1"));
    assert!(second.exists("a").await.unwrap());
    assert_eq!(bed.storage.calls(Call::Get), 2);
}

#[tokio::test]
async fn a_change_of_which_nobody_told_is_seen_when_the_answer_is_old() {
    let cache_age = Duration::from_millis(20);
    let bed = Bed::with(
        &[("a", "1")],
        Settings {
            cache_age,
            ..remembering()
        },
    );
    assert!(exists(&bed.mount, "a").await.unwrap());
    bed.memory.delete("a").await.unwrap();
    while exists(&bed.mount, "a").await.unwrap() {
        tokio::task::yield_now().await;
    }
    assert!(!exists(&bed.mount, "a").await.unwrap());
}

#[tokio::test]
async fn a_check_whose_answer_has_changed_is_not_continued() {
    let bed = Bed::with(&[("a", "1")], remembering());
    let mut check = bed.begin().await;
    assert!(check.exists("a").await.unwrap());
    check.keep_reads("id").unwrap();
    update(&bed, "a", None).await;
    let mut late = bed.mount.begin_with_reads("id").await.unwrap();
    assert!(!late.continues_check());
    assert!(!late.exists("a").await.unwrap());
}

#[tokio::test]
async fn a_transaction_of_the_guest_before_leaves_nothing_to_the_next() {
    let bed = Bed::with(&[("a", "1")], remembering());
    let mut old = bed.begin().await;
    bed.mount.adopt(remembering());
    assert!(old.exists("a").await.unwrap());
    let gets = bed.storage.calls(Call::Get);
    assert!(exists(&bed.mount, "a").await.unwrap());
    assert_eq!(bed.storage.calls(Call::Get), gets + 1);
}

#[tokio::test]
async fn long_keys_and_the_cache_of_values_are_left_alone() {
    let bed = Bed::with(
        &[("meta/a", "1")],
        Settings {
            cache_bytes: 2000,
            cacheable: Prefixes::from_iter(["meta/"]),
            ..remembering()
        },
    );
    read(&bed.mount, "meta/a").await.unwrap();
    let long = "k".repeat(1025);
    for _ in 0..2 {
        for number in 0..20 {
            assert!(!exists(&bed.mount, &number.to_string()).await.unwrap());
        }
        assert!(!exists(&bed.mount, &long).await.unwrap());
    }
    let gets = bed.storage.calls(Call::Get);
    read(&bed.mount, "meta/a").await.unwrap();
    assert_eq!(bed.storage.calls(Call::Get), gets);
    exists(&bed.mount, &long).await.unwrap();
    assert_eq!(bed.storage.calls(Call::Get), gets + 1);
}

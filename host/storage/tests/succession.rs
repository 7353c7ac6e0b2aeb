//! Tests the transactions of a guest when another guest takes over its mount.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::Duration;

use airlock_faults::{Call, Fault};
use airlock_storage::{Attempt, Error, Rejection, Settings};
use support::*;
use tokio::time::timeout;

const WAIT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn what_has_begun_under_the_old_guest_conflicts_and_stores_nothing() {
    let bed = Bed::with(&[("a", "old")], settings());
    let (mut writes, mut reads, mut idle) = (bed.begin().await, bed.begin().await, bed.begin().await);
    put(&mut writes, "b", "1").await.unwrap();
    get(&mut reads, "a").await.unwrap();
    let before = bed.mount.term();
    let term = bed.mount.replace_guest(settings(), WAIT).await.unwrap();
    assert!(term > before && term == bed.mount.term());

    // What it reads from now on may be the new guest's.
    get(&mut idle, "a").await.unwrap();
    for transaction in [&mut writes, &mut reads, &mut idle] {
        assert_eq!(transaction.commit().await, Err(Error::Conflict));
    }
    assert_eq!(bed.stored(), pairs(&[("a", "old")]));

    let mut next = bed.begin().await;
    put(&mut next, "b", "2").await.unwrap();
    next.commit().await.unwrap();
}

#[tokio::test]
async fn a_check_of_the_old_guest_is_not_continued_by_the_new_one() {
    let bed = Bed::new(settings());
    let mut check = bed.mount.begin_check(Attempt::FIRST).await.unwrap();
    get(&mut check, "a").await.unwrap();
    check.keep_reads("id").unwrap();
    let late = bed.mount.begin_check(Attempt::FIRST).await.unwrap();
    bed.mount.replace_guest(settings(), WAIT).await.unwrap();
    assert!(!bed.mount.begin_with_reads("id").await.unwrap().continues_check());
    assert_eq!(late.keep_reads("late"), Err(Error::Conflict));
}

#[tokio::test]
async fn a_request_that_has_committed_is_waited_for_and_goes_on_meanwhile() {
    let bed = Bed::new(settings());
    let mut request = bed.begin().await;
    put(&mut request, "a", "1").await.unwrap();
    request.commit().await.unwrap();

    let mut replaced = bed.spawn(|mount| async move { mount.replace_guest(settings(), WAIT).await });
    assert!(timeout(Duration::from_millis(50), &mut replaced).await.is_err());
    put(&mut request, "b", "2").await.unwrap();
    request.commit().await.unwrap();

    // A request that commits for the first time waits, and then it is too late.
    let mut other = bed.begin().await;
    put(&mut other, "c", "3").await.unwrap();
    let other = tokio::spawn(async move { other.commit().await });
    drop(request);
    replaced.await.unwrap().unwrap();
    assert_eq!(other.await.unwrap(), Err(Error::Conflict));
    assert_eq!(bed.stored(), pairs(&[("a", "1"), ("b", "2")]));
}

#[tokio::test]
async fn a_request_that_does_not_end_keeps_the_old_guest_in_office() {
    let bed = Bed::new(settings());
    let mut request = bed.begin().await;
    put(&mut request, "a", "1").await.unwrap();
    request.commit().await.unwrap();
    let before = bed.mount.term();
    let refused = bed
        .mount
        .replace_guest(settings(), Duration::from_millis(20))
        .await;
    assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
    assert_eq!(bed.mount.term(), before);
    put(&mut request, "b", "2").await.unwrap();
    request.commit().await.unwrap();
}

#[tokio::test]
async fn an_exclusive_attempt_does_not_block_the_successor_of_its_guest() {
    let bed = Bed::new(settings());
    let mut going_on = bed.begin().await;
    put(&mut going_on, "a", "1").await.unwrap();
    going_on.commit().await.unwrap();
    let exclusive = Attempt::FIRST.next().next().next();
    let mut alone = bed.mount.begin(exclusive).await.unwrap();
    put(&mut alone, "b", "2").await.unwrap();
    let replaced = bed.spawn(|mount| async move { mount.replace_guest(settings(), WAIT).await });
    tokio::task::yield_now().await;
    assert_eq!(alone.commit().await, Err(Error::Conflict));
    drop((alone, going_on));
    replaced.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_trial_sees_its_commits_and_stores_nothing() {
    let bed = Bed::with(&[("a", "old")], settings());
    let mut trial = bed.begin().await;
    trial.begin_trial(settings());
    put(&mut trial, "a", "new").await.unwrap();
    trial.commit().await.unwrap();
    assert_eq!(get(&mut trial, "a").await.unwrap().as_deref(), Some("new"));
    put(&mut trial, "b", "1").await.unwrap();
    trial.commit().await.unwrap();
    assert!(matches!(trial.lock_commits().await, Err(Error::Denied(_))));
    drop(trial);
    assert_eq!(bed.stored(), pairs(&[("a", "old")]));
}

#[tokio::test]
async fn a_trial_has_a_scratch_of_its_own() {
    let scratch = || Settings {
        scratch_bytes: 216,
        ..settings()
    };
    let bed = Bed::new(scratch());
    let mut present = bed.begin().await;
    present.scratch_put("s", "1234567890".into()).await.unwrap();
    present.commit().await.unwrap();
    let mut trial = bed.begin().await;
    trial.begin_trial(scratch());
    assert_eq!(trial.scratch_get("s").await.unwrap(), None);
    // The present guest's scratch has no space for this.
    trial.scratch_put("t", "0987654321".into()).await.unwrap();
    trial.commit().await.unwrap();
    drop(trial);
    let mut present = bed.begin().await;
    let kept = present.scratch_get("s").await.unwrap();
    assert_eq!(kept.as_deref(), Some(&b"1234567890"[..]));
    assert_eq!(present.scratch_get("t").await.unwrap(), None);
}

#[tokio::test]
async fn the_new_guest_finds_nothing_in_cache_and_scratch() {
    let scratch = || Settings {
        scratch_bytes: 1024,
        ..settings()
    };
    let bed = Bed::new(scratch());
    let mut old = bed.begin().await;
    old.scratch_put("s", "1".into()).await.unwrap();
    old.commit().await.unwrap();
    drop(old);
    bed.mount.replace_guest(scratch(), WAIT).await.unwrap();
    assert_eq!(bed.begin().await.scratch_get("s").await.unwrap(), None);
}

#[tokio::test]
async fn a_commit_without_writes_counts_as_one() {
    let bed = Bed::new(settings());
    let mut request = bed.begin().await;
    request.commit().await.unwrap();
    let refused = bed
        .mount
        .replace_guest(settings(), Duration::from_millis(20))
        .await;
    assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
    put(&mut request, "a", "1").await.unwrap();
    request.commit().await.unwrap();
}

#[tokio::test]
async fn after_a_rejected_commit_nothing_of_the_old_guest_is_stored() {
    let bed = Bed::new(settings());
    let mut request = bed.begin().await;
    bed.storage.nth(Call::Put, 1, Fault::Reject(Rejection::TooLarge));
    put(&mut request, "a", "too large").await.unwrap();
    assert!(matches!(request.commit().await, Err(Error::Rejected { .. })));
    // The request goes on, so the guest stays.
    let refused = bed
        .mount
        .replace_guest(settings(), Duration::from_millis(20))
        .await;
    assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
    put(&mut request, "a", "1").await.unwrap();
    request.commit().await.unwrap();
}

#[tokio::test]
async fn a_request_that_has_taken_the_lock_for_an_effect_is_waited_for() {
    let bed = Bed::new(settings());
    let mut request = bed.begin().await;
    request.lock_commits().await.unwrap();
    let replaced = bed.spawn(|mount| async move { mount.replace_guest(settings(), WAIT).await });
    tokio::task::yield_now().await;
    put(&mut request, "a", "1").await.unwrap();
    request.commit().await.unwrap();
    drop(request);
    replaced.await.unwrap().unwrap();
    assert_eq!(bed.stored(), pairs(&[("a", "1")]));
}

#[tokio::test]
async fn an_effect_of_the_old_guest_is_refused_before_it_happens() {
    let bed = Bed::new(settings());
    let mut request = bed.begin().await;
    bed.mount.replace_guest(settings(), WAIT).await.unwrap();
    assert_eq!(request.lock_commits().await, Err(Error::Conflict));
}

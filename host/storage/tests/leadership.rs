//! The loss of the leadership of a cluster: another node stores next, and this one may lead again before its mount is taken down.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::Duration;

use airlock_faults::{Call, Fault};
use airlock_storage::{Attempt, Error, Prefixes, Settings, StorageEntry};
use support::*;

/// Returns settings with which a call that is repeated is repeated for longer than a test runs.
fn patient() -> Settings {
    Settings {
        flush: Duration::from_secs(3600),
        ..settings()
    }
}

/// Returns such settings of a guest that asks for redo records.
fn recorded() -> Settings {
    Settings {
        redo_record: true,
        ..patient()
    }
}

#[tokio::test]
async fn a_refused_write_is_not_repeated_over_the_next_leaders() {
    let bed = Bed::with(&[("a", "0")], patient());
    bed.storage.nth(Call::Put, 1, Fault::NotLeader);
    assert_eq!(store(&bed.mount, "a", "old").await, Err(Error::NotLeader));
    assert_eq!(bed.storage.calls(Call::Put), 1);
    assert_eq!(bed.stored(), pairs(&[("a", "0")]));
}

#[tokio::test]
async fn a_write_during_the_loss_has_an_unknown_outcome_and_is_not_repeated() {
    let bed = Bed::with(&[("a", "0")], patient());
    bed.storage.nth(Call::Put, 1, Fault::LoseLeadership);
    assert_eq!(
        store(&bed.mount, "a", "old").await,
        Err(Error::UnknownOutcome(Box::new(Error::LostLeadership)))
    );
    assert_eq!(bed.storage.calls(Call::Put), 1);
}

#[tokio::test]
async fn a_request_from_before_the_loss_stores_nothing_after_it() {
    let bed = Bed::with(&[("a", "0")], patient());
    let mut early = bed.begin().await;
    put(&mut early, "b", "old").await.unwrap();
    bed.storage.nth(Call::Put, 1, Fault::NotLeader);
    assert_eq!(store(&bed.mount, "a", "old").await, Err(Error::NotLeader));
    // Another node stores, and this one leads again.
    bed.memory.insert(StorageEntry::new("a", "new"));
    assert_eq!(early.commit().await, Err(Error::Conflict));
    assert_eq!(bed.stored(), pairs(&[("a", "new")]));
}

#[tokio::test]
async fn a_commit_that_had_begun_stores_no_further_write_after_the_loss() {
    let bed = Bed::with(&[], patient());
    let gate = bed.storage.hold(Call::Put, 1);
    bed.storage.nth(Call::Put, 2, Fault::NotLeader);
    let begun = bed.spawn(|mount| async move { store_two(&mount, "1").await });
    gate.reached().await;
    assert_eq!(store(&bed.mount, "c", "1").await, Err(Error::NotLeader));
    gate.open();
    let incomplete = Error::Incomplete {
        stored: 1,
        of: 2,
        cause: Box::new(Error::NotLeader),
    };
    assert_eq!(begun.await.unwrap(), Err(incomplete));
    assert_eq!(bed.stored(), pairs(&[("a", "1")]));
}

#[tokio::test]
async fn a_node_that_leads_again_serves_what_is_stored_by_then() {
    let bed = Bed::with(
        &[("a", "0")],
        Settings {
            cacheable: Prefixes::from_iter(["a"]),
            remembered: Prefixes::all(),
            ..patient()
        },
    );
    assert_eq!(read(&bed.mount, "a").await.unwrap().as_deref(), Some("0"));
    assert!(!bed.begin().await.exists("c").await.unwrap());
    bed.storage.nth(Call::Put, 1, Fault::NotLeader);
    assert_eq!(store(&bed.mount, "b", "old").await, Err(Error::NotLeader));
    bed.memory.insert(StorageEntry::new("a", "new"));
    bed.memory.insert(StorageEntry::new("c", "new"));
    assert!(bed.begin().await.exists("c").await.unwrap());
    assert_eq!(read(&bed.mount, "a").await.unwrap().as_deref(), Some("new"));
    // Another node may still be the leader, whatever the server allowed before.
    bed.mount.allow_caching(true);
    bed.memory.insert(StorageEntry::new("a", "newest"));
    assert_eq!(read(&bed.mount, "a").await.unwrap().as_deref(), Some("newest"));
    store(&bed.mount, "a", "newer").await.unwrap();
    assert_eq!(bed.stored(), pairs(&[("a", "newer"), ("c", "new")]));
}

#[tokio::test]
async fn a_redo_record_is_finished_before_anybody_reads_half_of_it() {
    let bed = Bed::with(&[("a", "0"), ("b", "0")], recorded());
    let mut early = bed.begin().await;
    // The record and the first of its writes are stored, so the commit is done.
    bed.storage.after(Call::Put, 2, Fault::NotLeader);
    let done = tokio::time::timeout(Duration::from_secs(60), store_two(&bed.mount, "1"));
    done.await.expect("it is repeated").unwrap();
    get(&mut early, "a").await.unwrap();
    get(&mut early, "b").await.unwrap();
    assert_eq!(early.commit().await, Err(Error::Conflict));
    // As long as the node does not lead, it cannot finish the record, and nobody may read.
    assert_eq!(
        bed.mount.begin(Attempt::FIRST).await.map(drop),
        Err(Error::NotLeader)
    );
    // The next leader finishes it, and stores more.
    let next = Bed::over(bed.memory.clone(), recorded());
    next.mount.recover().await.unwrap();
    store(&next.mount, "b", "2").await.unwrap();
    bed.storage.heal();
    assert_eq!(read(&bed.mount, "a").await.unwrap().as_deref(), Some("1"));
    assert_eq!(read(&bed.mount, "b").await.unwrap().as_deref(), Some("2"));
    bed.mount.drain().await;
    assert_eq!(bed.stored(), pairs(&[("a", "1"), ("b", "2")]));
}

#[tokio::test]
async fn a_header_that_may_be_stored_is_not_voided_after_the_loss() {
    let bed = Bed::with(&[("a", "0"), ("b", "0")], recorded());
    bed.storage.nth(Call::Put, 1, Fault::LoseLeadership);
    assert_eq!(
        store_two(&bed.mount, "1").await,
        Err(Error::UnknownOutcome(Box::new(Error::LostLeadership)))
    );
    // The record was stored. Whoever leads next finishes it.
    bed.mount.recover().await.unwrap();
    assert_eq!(bed.stored(), pairs(&[("a", "1"), ("b", "1")]));
}

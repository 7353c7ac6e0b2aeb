//! Reads that take long: existence checks whose reads are kept, and lists that commits overtake.
//!
//! The clock stands still while anybody works, so slow calls take no time.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use airlock_faults::{Call, Fault, FaultyStorage, Gate};
use airlock_storage::{Attempt, Error, MemoryStorage, Result, Settings, Storage, StorageEntry};
use std::sync::Arc;
use std::time::Duration;
use support::*;
use tokio::time::{sleep, timeout};

const FLUSH: Duration = Duration::from_secs(10);
const BEFORE: [(&str, &str); 2] = [("a", "0"), ("other", "0")];

fn unhurried() -> Settings {
    Settings {
        flush: FLUSH,
        late: Duration::from_secs(90),
        ..cacheable("")
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_goes_on_when_its_caller_gives_it_up() {
    let memory = Arc::new(MemoryStorage::new());
    let storage = FaultyStorage::over(memory.clone());
    storage.every(Call::Put, Fault::Delay(Duration::from_secs(2)));
    let put = timeout(Duration::from_secs(1), storage.put(StorageEntry::new("a", "")));
    assert!(put.await.is_err() && memory.entries().is_empty());
    sleep(Duration::from_secs(2)).await;
    assert_eq!(memory.entries().len(), 1);
}

/// An existence check reads, however slowly. A commit may come in between, whose write is slow, is given up or takes
/// effect late. Then the request comes.
#[tokio::test(start_paused = true)]
async fn reads_that_are_kept_are_used_only_while_they_are_true() {
    let late = Gate::new();
    let slow = |of_all: u32| Fault::Delay(FLUSH * of_all / 2);
    for between in [
        None,
        Some(slow(1)),
        Some(slow(4)),
        Some(Fault::ApplyLate(late.clone())),
    ] {
        let bed = Bed::with(&BEFORE, unhurried());
        bed.mount.recover().await.unwrap();
        bed.storage.nth(Call::Get, 1, slow(8));
        let mut check = bed.mount.begin_check(Attempt::FIRST).await.unwrap();
        assert_eq!(get(&mut check, "a").await.unwrap().as_deref(), Some("0"));
        check.keep_reads("id").unwrap();
        let wrote = between.is_some();
        if let Some(fault) = between.clone() {
            bed.storage.nth(Call::Put, 1, fault);
            // The write of the key takes longer than reads are kept, so the request comes meanwhile.
            let _: Result<()> = store(&bed.mount, "a", "1").await;
            late.open();
        }
        let mut request = bed.mount.begin_with_reads("id").await.unwrap();
        assert_eq!(request.continues_check(), !wrote, "{between:?}");
        let seen = get(&mut request, "a").await.unwrap();
        put(&mut request, "copy", seen.as_deref().unwrap()).await.unwrap();
        request.commit().await.unwrap();
        sleep(FLUSH * 30).await;
        assert_eq!(read(&bed.mount, "copy").await.unwrap(), seen, "{between:?}");
        let stored = bed.stored().into_iter().find(|(key, _)| key == "a").unwrap().1;
        assert_eq!(read(&bed.mount, "a").await.unwrap(), Some(stored), "{between:?}");
    }
}

/// A request that reads and then meets a write of unknown outcome must not continue.
#[tokio::test(start_paused = true)]
async fn a_request_whose_check_met_a_write_of_unknown_outcome_starts_over() {
    let bed = Bed::with(&BEFORE, unhurried());
    let mut check = bed.mount.begin_check(Attempt::FIRST).await.unwrap();
    get(&mut check, "a").await.unwrap();
    check.keep_reads("id").unwrap();
    bed.storage.nth(Call::Put, 1, Fault::Kill);
    let mut request = bed.mount.begin_with_reads("id").await.unwrap();
    assert!(request.continues_check());
    assert!(is_unknown(&store(&bed.mount, "a", "1").await));
    bed.storage.heal();
    put(&mut request, "copy", "0").await.unwrap();
    assert_eq!(request.commit().await, Err(Error::Conflict));
}

#[tokio::test(start_paused = true)]
async fn kept_reads_are_for_a_request_within_five_seconds() {
    for (seconds, continues) in [(4, true), (6, false)] {
        let bed = Bed::with(&BEFORE, unhurried());
        // The sweep that drops expired reads comes every five seconds after the first one; nobody may rely on it.
        bed.mount
            .begin_check(Attempt::FIRST)
            .await
            .unwrap()
            .keep_reads("other")
            .unwrap();
        sleep(Duration::from_secs(3)).await;
        let mut check = bed.mount.begin_check(Attempt::FIRST).await.unwrap();
        get(&mut check, "a").await.unwrap();
        check.keep_reads("id").unwrap();
        sleep(Duration::from_secs(seconds)).await;
        let request = bed.mount.begin_with_reads("id").await.unwrap();
        assert_eq!(request.continues_check(), continues, "{seconds}");
    }
}

/// Listing a folder takes so long that a commit changes the folder meanwhile.
#[tokio::test(start_paused = true)]
async fn a_slow_list_that_a_commit_overtakes_is_a_conflict() {
    for page in [false, true] {
        let bed = Bed::with(&BEFORE, unhurried());
        bed.mount.recover().await.unwrap();
        let listed = bed.storage.hold_answer(Call::List, 1);
        let mut lister = bed.begin().await;
        let list = tokio::spawn(async move {
            let names = match page {
                true => lister.list_page("", "", 2).await,
                false => lister.list("").await,
            };
            (lister, names)
        });
        listed.reached().await;
        store(&bed.mount, "new", "1").await.unwrap();
        listed.open();
        let (mut lister, names) = list.await.unwrap();
        put(&mut lister, "copy", &names.unwrap().join(",")).await.unwrap();
        assert_eq!(lister.commit().await, Err(Error::Conflict));
        assert_eq!(bed.memory.entries().len(), BEFORE.len() + 1);
    }
}

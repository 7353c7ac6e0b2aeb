//! The state after a crash: the process is killed at every single storage call of a bank transfer.
//!
//! With a redo record the transfer is either done or not done after the restart, and done if it was acknowledged.
//! Without one, storage holds exactly a prefix of its writes, in the guest's order.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use airlock_faults::{Call, Fault, FaultyStorage, Gate};
use airlock_storage::{Attempt, Error, Mount, Result, Settings, Storage, StorageEntry, TransactionalStorage};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::*;

const BEFORE: [(&str, &str); 3] = [("account/a", "100"), ("account/b", "100"), ("pending", "7")];
const AFTER: [(&str, &str); 3] = [("account/a", "70"), ("account/b", "130"), ("log/1", "30")];

fn brief(redo_record: bool) -> Settings {
    let brief = Duration::from_millis(3);
    Settings {
        redo_record,
        flush: brief,
        late: brief,
        ..settings()
    }
}

/// Takes from one account, gives to the other, adds a log entry and removes the pending order.
async fn transfer(mount: &Arc<Mount>) -> Result<()> {
    transfer_padded(mount, 0).await
}

/// Makes the same transfer with this many zeros before each number.
async fn transfer_padded(mount: &Arc<Mount>, zeros: usize) -> Result<()> {
    let shown = |number: u32| format!("{}{number}", "0".repeat(zeros));
    let mut transaction = mount.begin(Attempt::FIRST).await?;
    let a: u32 = get(&mut transaction, "account/a")
        .await?
        .unwrap()
        .parse()
        .unwrap();
    let b: u32 = get(&mut transaction, "account/b")
        .await?
        .unwrap()
        .parse()
        .unwrap();
    put(&mut transaction, "account/a", &shown(a - 30)).await?;
    put(&mut transaction, "account/b", &shown(b + 30)).await?;
    put(&mut transaction, "log/1", &shown(30)).await?;
    transaction.delete("pending").await?;
    transaction.commit().await
}

/// Returns the contents of storage after each of the transfer's writes.
fn prefixes() -> [Vec<(String, String)>; 5] {
    [
        pairs(&BEFORE),
        pairs(&[AFTER[0], BEFORE[1], BEFORE[2]]),
        pairs(&[AFTER[0], AFTER[1], BEFORE[2]]),
        pairs(&[AFTER[0], AFTER[1], AFTER[2], BEFORE[2]]),
        pairs(&AFTER),
    ]
}

/// Kills the process at one call. Returns what the caller heard, what was left, and how many calls there were.
async fn killed_at(call: u64, fault: Fault, settings: Settings) -> (Result<()>, Bed, u64) {
    killed_padded_at(call, fault, settings, 0).await
}

async fn killed_padded_at(
    call: u64,
    fault: Fault,
    settings: Settings,
    zeros: usize,
) -> (Result<()>, Bed, u64) {
    let bed = Bed::with(&BEFORE, settings);
    bed.storage.nth(Call::Any, call, fault);
    let heard = transfer_padded(&bed.mount, zeros).await;
    bed.mount.drain().await;
    let calls = bed.storage.calls(Call::Any);
    (heard, bed, calls)
}

/// Starts a new process on the same storage.
fn restart(bed: &Bed) -> Arc<Mount> {
    bed.storage.heal();
    Mount::new(Arc::new(bed.storage.clone()), brief(true))
}

/// Returns the stored entries, without the zeros that make numbers long.
fn amounts(bed: &Bed) -> Vec<(String, String)> {
    let short = |(key, value): (String, String)| (key, value.trim_start_matches('0').to_owned());
    stored_by_guests(&bed.memory).into_iter().map(short).collect()
}

async fn calls_of_a_whole_transfer(settings: Settings, zeros: usize) -> u64 {
    let (heard, bed, calls) = killed_padded_at(u64::MAX, Fault::Kill, settings, zeros).await;
    heard.unwrap();
    assert_eq!(amounts(&bed), pairs(&AFTER));
    assert!(hidden(&bed.memory).is_empty());
    calls
}

#[tokio::test]
async fn without_a_redo_record_a_kill_leaves_exactly_a_prefix() {
    let calls = calls_of_a_whole_transfer(brief(false), 0).await;
    assert_eq!(calls, 7, "the search for redo records, two reads and four writes");
    for call in 1..=calls {
        for (fault, done) in [(Fault::Kill, 0), (Fault::KillAfter, 1)] {
            let (heard, bed, _) = killed_at(call, fault, brief(false)).await;
            let written = (call + done).saturating_sub(4) as usize;
            assert!(heard.is_err());
            assert_eq!(is_unknown(&heard), call > 3, "{call}");
            assert_eq!(bed.stored(), prefixes()[written], "killed at call {call}");
        }
    }
}

async fn all_or_nothing(zeros: usize) -> u64 {
    let calls = calls_of_a_whole_transfer(brief(true), zeros).await;
    let (mut done, mut undone) = (0, 0);
    for call in 1..=calls {
        for fault in [Fault::Kill, Fault::KillAfter] {
            let (heard, bed, _) = killed_padded_at(call, fault, brief(true), zeros).await;
            let seen = read(&restart(&bed), "account/a").await.unwrap();
            let stored = amounts(&bed);
            let is_done = stored == pairs(&AFTER);
            assert!(
                is_done || stored == pairs(&BEFORE),
                "killed at call {call}: {stored:?}"
            );
            assert!(
                is_done || heard.is_err(),
                "killed at call {call}: acknowledged and lost"
            );
            assert!(
                !is_done || heard.is_ok() || is_unknown(&heard),
                "killed at call {call}: done and called undone"
            );
            let seen = seen.map(|seen| seen.trim_start_matches('0').to_owned());
            assert_eq!(seen.as_deref(), Some(if is_done { "70" } else { "100" }));
            *(if is_done { &mut done } else { &mut undone }) += 1;
        }
    }
    assert!(done > 0 && undone > 0);
    calls
}

#[tokio::test]
async fn with_a_redo_record_a_kill_leaves_all_or_nothing_after_the_restart() {
    assert_eq!(all_or_nothing(0).await, 9, "two writes more than without");
}

#[tokio::test]
async fn a_record_of_many_pieces_leaves_all_or_nothing_too() {
    assert_eq!(
        all_or_nothing(300_000).await,
        15,
        "three pieces, each put and deleted"
    );
}

#[tokio::test]
async fn a_kill_while_a_record_is_being_flushed_again_changes_nothing() {
    let (_, crashed, _) = killed_at(5, Fault::Kill, brief(true)).await;
    let left: Vec<StorageEntry> = crashed.memory.entries();
    for call in 1.. {
        let bed = Bed::over(Arc::new(left.iter().cloned().collect()), brief(true));
        bed.storage.nth(Call::Any, call, Fault::Kill);
        let killed = bed.mount.recover().await.is_err();
        assert_eq!(
            read(&restart(&bed), "account/b").await.unwrap().as_deref(),
            Some("130")
        );
        assert_eq!(bed.stored(), pairs(&AFTER));
        if !killed {
            assert_eq!(call, 8, "recovery takes a list, a get, four writes and a delete");
            break;
        }
    }
}

#[tokio::test]
async fn nothing_begins_before_the_record_is_flushed() {
    let (_, bed, _) = killed_at(5, Fault::Kill, brief(true)).await;
    bed.storage.heal();
    let gate = bed.storage.hold(Call::Put, 2);
    let mount = Mount::new(Arc::new(bed.storage.clone()), settings());
    let reader = |key: &'static str| {
        let mount = mount.clone();
        tokio::spawn(async move { read(&mount, key).await })
    };
    let (gone, patient) = (reader("account/a"), reader("account/b"));
    gate.reached().await;
    // The other callers must not get a half-recovered mount because one caller goes away.
    gone.abort();
    let continued = tokio::spawn({
        let mount = mount.clone();
        async move { mount.begin_with_reads("id").await.map(drop) }
    });
    tokio::task::yield_now().await;
    assert!(!patient.is_finished() && !continued.is_finished());
    gate.open();
    continued.await.unwrap().unwrap();
    assert_eq!(bed.stored(), pairs(&AFTER));
    assert_eq!(patient.await.unwrap().unwrap().as_deref(), Some("130"));
}

#[tokio::test]
async fn a_standby_serves_nothing_while_a_record_is_left() {
    let (_, bed, _) = killed_at(5, Fault::Kill, brief(true)).await;
    bed.storage.heal();
    bed.storage.set_read_only(true);
    let mount = Mount::new(Arc::new(bed.storage.clone()), settings());
    assert_eq!(mount.begin(Attempt::FIRST).await.err(), Some(Error::ReadOnly));
    bed.storage.set_read_only(false);
    assert!(mount.begin(Attempt::FIRST).await.is_ok());
}

#[tokio::test]
async fn a_commit_behind_a_record_that_is_durable_is_never_reported_as_failed() {
    let bed = Bed::with(&BEFORE, brief(true));
    bed.storage.every(Call::Delete, Fault::Fail);
    transfer(&bed.mount).await.unwrap();
    // Nobody else can use its keys until it is flushed.
    let reader = bed.spawn(|mount| async move { read(&mount, "account/a").await });
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(!reader.is_finished());
    bed.storage.heal();
    assert_eq!(reader.await.unwrap().unwrap().as_deref(), Some("70"));
    bed.mount.drain().await;
    assert_eq!(bed.stored(), pairs(&AFTER));
}

#[tokio::test]
async fn a_record_that_cannot_be_stored_is_taken_back_and_nothing_was() {
    let bed = Bed::with(&BEFORE, brief(true));
    bed.storage.nth(Call::Put, 1, Fault::LoseAnswer);
    assert_eq!(
        transfer(&bed.mount).await,
        Err(Error::Backend("storage is broken on purpose".into()))
    );
    assert_eq!(stored_by_guests(&bed.memory), pairs(&BEFORE));
    assert_eq!(
        read(&restart(&bed), "account/a").await.unwrap().as_deref(),
        Some("100")
    );
}

fn transactional() -> Arc<TransactionalStorage> {
    let storage = Arc::new(TransactionalStorage::new());
    BEFORE
        .iter()
        .for_each(|(key, value)| storage.memory().insert(StorageEntry::new(*key, *value)));
    storage
}

/// Storage with transactions of its own needs no record.
async fn killed_in_a_transaction_at(call: u64, fault: Fault) -> (Result<()>, Arc<TransactionalStorage>, u64) {
    let storage = transactional();
    let faulty = FaultyStorage::over(storage.clone() as Arc<dyn Storage>);
    faulty.nth(Call::Any, call, fault);
    let mount = Mount::new(Arc::new(faulty.clone()), brief(true));
    let heard = transfer(&mount).await;
    mount.drain().await;
    (heard, storage, faulty.calls(Call::Any))
}

#[tokio::test]
async fn a_transaction_of_the_storages_own_leaves_all_or_nothing() {
    let (heard, storage, calls) = killed_in_a_transaction_at(u64::MAX, Fault::Kill).await;
    heard.unwrap();
    assert_eq!((stored(storage.memory()), calls), (pairs(&AFTER), 9));
    for call in 1..=calls {
        for fault in [Fault::Kill, Fault::KillAfter] {
            let (heard, storage, _) = killed_in_a_transaction_at(call, fault).await;
            let stored = stored(storage.memory());
            assert!(
                stored == pairs(&BEFORE) || stored == pairs(&AFTER),
                "killed at call {call}: {stored:?}"
            );
            assert!(heard.is_err());
            assert_eq!(
                is_unknown(&heard),
                call == calls,
                "only the outcome of the commit can be unknown"
            );
        }
    }
}

#[tokio::test]
async fn every_transaction_of_the_storages_own_is_ended() {
    for call in [Call::Begin, Call::Put, Call::Delete, Call::Commit] {
        for hangs in [false, true] {
            let gate = Gate::new();
            let fault = if hangs {
                Fault::HoldBefore(gate.clone())
            } else {
                Fault::Fail
            };
            let storage = transactional();
            let faulty = FaultyStorage::over(storage.clone() as Arc<dyn Storage>);
            faulty.every(call, fault);
            let mount = Mount::new(Arc::new(faulty.clone()), brief(false));
            assert!(transfer(&mount).await.is_err(), "{call:?}");
            mount.drain().await;
            gate.open();
            // A call that hung was given up, and a task of its own rolls its transaction back.
            let started = Instant::now();
            while storage.open_transactions() > 0 {
                assert!(
                    started.elapsed() < Duration::from_secs(5),
                    "{call:?} left a transaction open"
                );
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
}

#[tokio::test]
async fn a_conflict_in_the_storages_own_transaction_runs_the_request_again() {
    let storage = transactional();
    let faulty = FaultyStorage::over(storage.clone() as Arc<dyn Storage>);
    faulty.nth(Call::Commit, 1, Fault::Conflict);
    let mount = Mount::new(Arc::new(faulty), brief(false));
    assert_eq!(transfer(&mount).await, Err(Error::Conflict));
    assert_eq!(
        (stored(storage.memory()), storage.open_transactions()),
        (pairs(&BEFORE), 0)
    );
    transfer(&mount).await.unwrap();
    assert_eq!(stored(storage.memory()), pairs(&AFTER));
}

#[tokio::test]
async fn a_single_write_needs_neither_record_nor_transaction() {
    let bed = Bed::new(brief(true));
    store(&bed.mount, "a", "1").await.unwrap();
    assert_eq!(
        (bed.storage.calls(Call::Put), bed.storage.calls(Call::Delete)),
        (1, 0)
    );
    let faulty = FaultyStorage::new(TransactionalStorage::new());
    store(&Mount::new(Arc::new(faulty.clone()), settings()), "a", "1")
        .await
        .unwrap();
    assert_eq!((faulty.calls(Call::Put), faulty.calls(Call::Begin)), (1, 0));
}

#[tokio::test]
async fn a_mount_looks_for_records_once() {
    let bed = Bed::new(settings());
    for _ in 0..3 {
        bed.mount.recover().await.unwrap();
        drop(bed.begin().await);
    }
    assert_eq!(
        (bed.storage.calls(Call::Any), bed.storage.calls(Call::List)),
        (1, 1)
    );
}

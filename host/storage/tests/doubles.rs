//! Each misbehaviour of storage at each storage call of each phase: a commit with and without a redo record, its flush,
//! recovery, and the removal of what recovery finds.
//!
//! In every case the following holds. A commit that succeeded is stored whole, also after a restart; one that certainly
//! failed is not stored at all; one of unknown outcome is stored as a prefix, or with a record either whole or not at
//! all. The mount reads what is stored and blocks no key for ever, and a restart changes nothing that a caller was
//! certain of.
//!
//! The clock stands still while anybody works, so slow calls take no time.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use airlock_faults::{Call, Fault, FaultyStorage, Gate};
use airlock_storage::{Attempt, Error, MemoryStorage, Mount, Rejection, Result, Settings, StorageEntry};
use std::sync::Arc;
use std::time::Duration;
use support::*;
use tokio::time::sleep;

/// The time that a call may take before it is given up.
const FLUSH: Duration = Duration::from_secs(10);

/// The misbehaviour of storage.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Double {
    /// One call takes nearly as long as it may: slow, and healthy.
    Slow,
    /// Every call takes nearly as long as it may.
    AlwaysSlow,
    /// Every list takes nearly as long as it may.
    SlowLists,
    /// One call takes longer than it may, and still has its effect.
    TooSlow,
    /// One call fails, and has its effect when everything else is over.
    Late,
    /// One call is rejected.
    Rejects,
}

const DOUBLES: [Double; 6] = [
    Double::Slow,
    Double::AlwaysSlow,
    Double::SlowLists,
    Double::TooSlow,
    Double::Late,
    Double::Rejects,
];

impl Double {
    /// Returns true if storage is healthy: then nothing fails.
    fn is_healthy(self) -> bool {
        matches!(self, Double::Slow | Double::AlwaysSlow | Double::SlowLists)
    }

    /// Applies the misbehaviour to the `n`-th call. A late call has its effect when the gate is opened.
    fn apply(self, storage: &FaultyStorage, n: u64, gate: &Gate) {
        let healthy = Fault::Delay(FLUSH - Duration::from_secs(1));
        match self {
            Double::Slow => storage.nth(Call::Any, n, healthy),
            Double::AlwaysSlow => storage.every(Call::Any, healthy),
            Double::SlowLists => storage.every(Call::List, healthy),
            Double::TooSlow => storage.nth(Call::Any, n, Fault::Delay(FLUSH * 2)),
            Double::Late => storage.nth(Call::Any, n, Fault::ApplyLate(gate.clone())),
            // Storage can reject what it is to store; in a deletion there is nothing to reject.
            Double::Rejects => storage.nth(Call::Put, n, Fault::Reject(Rejection::TooLarge)),
        }
    }

    /// Returns the number of calls to which it can apply.
    fn chances(self, storage: &FaultyStorage) -> u64 {
        storage.calls(match self {
            Double::Rejects => Call::Put,
            _ => Call::Any,
        })
    }
}

/// The way in which the commit is made.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    InOrder,
    /// With a redo record.
    Recorded,
    /// With a redo record in several pieces, and with a key that storage must first prove that it takes.
    InPieces,
}

impl Way {
    fn settings(self) -> Settings {
        Settings {
            redo_record: self != Way::InOrder,
            flush: FLUSH,
            late: Duration::from_secs(90),
            ..cacheable("")
        }
    }

    fn values(self) -> [(String, String); 3] {
        let (unusual, long) = ("k".repeat(200), "x".repeat(40_000));
        match self {
            Way::InPieces => [
                ("a".to_owned(), long.clone()),
                (unusual, "1".to_owned()),
                ("z".to_owned(), long),
            ],
            _ => ["a", "m", "z"].map(|key| (key.to_owned(), "1".to_owned())),
        }
    }

    /// Returns the contents of storage after each of the commit's writes.
    fn prefixes(self) -> Vec<Vec<(String, String)>> {
        let mut stored = pairs(&BEFORE);
        let mut prefixes = vec![stored.clone()];
        for (key, value) in self.values() {
            stored.retain(|(stored, _)| *stored != key);
            stored.push((key, value));
            stored.sort();
            prefixes.push(stored.clone());
        }
        stored.retain(|(key, _)| key != "gone");
        prefixes.push(stored);
        prefixes
    }

    async fn commit(self, mount: &Arc<Mount>) -> Result<()> {
        let mut transaction = mount.begin(Attempt::FIRST).await?;
        get(&mut transaction, "a").await?;
        transaction.list("").await?;
        for (key, value) in self.values() {
            put(&mut transaction, &key, &value).await?;
        }
        transaction.delete("gone").await?;
        transaction.commit().await
    }
}

const BEFORE: [(&str, &str); 3] = [("a", "0"), ("gone", "0"), ("other", "0")];

/// Waits until everything under way has ended: calls that were given up have had their effect, and nothing is fenced.
async fn settle(settings: &Settings, gate: &Gate) {
    gate.open();
    sleep(FLUSH * 4 + settings.late * 2).await;
}

/// Asserts that the mount reads what is stored.
async fn assert_reads_are_true(mount: &Arc<Mount>, memory: &MemoryStorage, case: &str) {
    let stored = stored_by_guests(memory);
    for key in ["a", "m", "z", "gone", "other"] {
        let value = stored
            .iter()
            .find(|(stored, _)| stored == key)
            .map(|(_, value)| value);
        for _ in 0..2 {
            assert_eq!(read(mount, key).await.unwrap().as_ref(), value, "{case}: {key}");
        }
    }
}

/// Makes one commit on storage with this misbehaviour. Returns false if it could not apply to any call.
async fn commit_on(double: Double, way: Way, n: u64) -> bool {
    let case = format!("{double:?} at {n}, {way:?}");
    let settings = way.settings();
    let (bed, gate) = (Bed::with(&BEFORE, settings.clone()), Gate::new());
    double.apply(&bed.storage, n, &gate);
    let heard = way.commit(&bed.mount).await;
    assert!(heard.is_ok() || !double.is_healthy(), "{case}: {heard:?}");
    // Nothing disturbs the rest of the commit, and it ends.
    settle(&settings, &gate).await;
    let calls = double.chances(&bed.storage);
    bed.storage.heal();
    assert_reads_are_true(&bed.mount, &bed.memory, &case).await;
    bed.mount.drain().await;
    let before = stored_by_guests(&bed.memory);

    let next = Mount::new(Arc::new(bed.storage.clone()), settings.clone());
    next.recover().await.unwrap();
    let stored = stored_by_guests(&bed.memory);
    let prefixes = way.prefixes();
    match &heard {
        Ok(()) => assert_eq!(stored, prefixes[4], "{case}"),
        Err(Error::UnknownOutcome(_)) if way == Way::InOrder => {
            assert!(prefixes.contains(&stored), "{case}: {stored:?}");
        }
        Err(Error::UnknownOutcome(_)) => {
            assert!(
                stored == prefixes[0] || stored == prefixes[4],
                "{case}: {stored:?}"
            );
        }
        Err(Error::Incomplete {
            stored: writes,
            of: 4,
            cause,
        }) => {
            assert!(double == Double::Rejects && cause.rejection().is_some(), "{case}");
            // With a record, all writes are stored except those that were rejected.
            match way {
                Way::InOrder => assert_eq!(stored, prefixes[*writes], "{case}"),
                _ => assert_eq!((*writes, next.set_aside().len()), (3, 1), "{case}"),
            }
        }
        Err(error) => assert_eq!(stored, prefixes[0], "{case}: {error}"),
    }
    if !is_unknown(&heard) {
        assert_eq!(before, stored, "{case}: a restart changed what was certain");
    }
    // Nobody blocks the keys any more.
    for key in ["a", "m", "z", "gone"] {
        store(&next, key, "later").await.unwrap();
    }
    assert_reads_are_true(&next, &bed.memory, &case).await;
    n <= calls
}

#[tokio::test(start_paused = true)]
async fn a_commit_keeps_its_word_whatever_storage_does_at_any_call() {
    for way in [Way::InOrder, Way::Recorded, Way::InPieces] {
        for double in DOUBLES {
            let mut n = 1;
            while commit_on(double, way, n).await {
                n += 1;
            }
            let least = match double {
                Double::Rejects if way == Way::InOrder => 3,
                Double::Rejects => 4,
                _ => 7,
            };
            assert!(n > least, "{double:?} {way:?} met {n} calls only");
        }
    }
}

/// A call of a commit takes effect late, after others have written its keys. Nothing can prevent that. If the call is a
/// write of a key itself, which was repeated at once, it undoes the newer value of that key. The calls that concern the
/// record undo nothing.
#[tokio::test(start_paused = true)]
async fn of_a_commits_late_calls_only_a_keys_write_undoes_a_newer() {
    for (way, written_twice) in [
        (Way::Recorded, vec!["a", "m", "z", "gone"]),
        // Nobody else writes its unusual key.
        (Way::InPieces, vec!["a", "z", "gone"]),
    ] {
        let mut undone = Vec::new();
        for n in 1.. {
            let (bed, gate) = (Bed::with(&BEFORE, way.settings()), Gate::new());
            bed.storage.nth(Call::Any, n, Fault::ApplyLate(gate.clone()));
            let heard = way.commit(&bed.mount).await;
            let calls = bed.storage.calls(Call::Any);
            for key in ["a", "m", "z", "gone"] {
                store(&bed.mount, key, "newer").await.unwrap();
            }
            let newer = stored_by_guests(&bed.memory);
            // Opens the gate at once, before the record is void for good.
            gate.open();
            tokio::task::yield_now().await;
            // The mount reads what is stored, undone or not.
            assert_reads_are_true(&bed.mount, &bed.memory, &format!("{n}, {way:?}")).await;
            let landed = stored_by_guests(&bed.memory);
            let lost = newer.iter().filter(|entry| !landed.contains(entry));
            undone.extend(lost.map(|(key, _)| key.clone()));
            // No record is flushed again.
            let next = Mount::new(Arc::new(bed.storage.clone()), way.settings());
            next.recover().await.unwrap();
            assert_eq!(stored_by_guests(&bed.memory), landed, "{n}, {way:?}: {heard:?}");
            if n > calls {
                assert!(n > 9);
                break;
            }
        }
        assert_eq!(undone, written_twice, "{way:?}");
    }
}

/// The process is killed while storage works on the header of its commit. The header is stored when the next process
/// has already looked for records. The start after that takes it for a commit that was done, and undoes what was stored
/// since.
#[tokio::test(start_paused = true)]
async fn a_header_that_lands_after_the_next_start_undoes_newer() {
    for (next_has_begun, expected) in [(false, "newer"), (true, "1")] {
        let (bed, gate) = (Bed::with(&BEFORE, Way::Recorded.settings()), Gate::new());
        bed.storage.nth(Call::Put, 1, Fault::ApplyLate(gate.clone()));
        bed.storage.nth(Call::Put, 2, Fault::Kill);
        assert!(is_unknown(&Way::Recorded.commit(&bed.mount).await));
        let start = || Bed::over(bed.memory.clone(), Way::Recorded.settings()).mount;
        let land = async || {
            gate.open();
            tokio::task::yield_now().await;
            assert_eq!(hidden(&bed.memory).len(), 1);
        };
        if !next_has_begun {
            land().await;
        }
        let next = start();
        store(&next, "m", "newer").await.unwrap();
        if next_has_begun {
            land().await;
        }
        assert_eq!(read(&start(), "m").await.unwrap().as_deref(), Some(expected));
    }
}

/// Returns the entries that a crash left: a record to flush, and rubbish to remove.
async fn left(way: Way) -> Vec<StorageEntry> {
    let bed = Bed::with(&BEFORE, way.settings());
    bed.storage
        .nth(Call::Put, if way == Way::InPieces { 6 } else { 2 }, Fault::Kill);
    way.commit(&bed.mount).await.unwrap();
    bed.mount.drain().await;
    assert_eq!(stored_by_guests(&bed.memory), pairs(&BEFORE));
    for (key, value) in [
        (".airlock/redo/1", "void"),
        (".airlock/redo/1.void", ""),
        (".airlock/redo/1.0", "a piece"),
        (".airlock/redo/2.0", "of a commit that was never made"),
        (".airlock/redo/3", "cannot be read"),
        (".airlock/redo/4", "?"),
        (".airlock/redo/4.aside", "reason: it is damaged\n"),
        (".airlock/redo/proof/team/x", ""),
    ] {
        bed.memory.insert(StorageEntry::new(key, value));
    }
    aged(bed.memory.entries())
}

/// Starts on what a crash left. Returns false if there were fewer calls than `n`.
async fn recover_on(double: Double, way: Way, left: &[StorageEntry], n: u64) -> bool {
    let case = format!("{double:?} at {n}, {way:?}");
    let memory: Arc<MemoryStorage> = Arc::new(left.iter().cloned().collect());
    let (bed, gate) = (Bed::over(memory, way.settings()), Gate::new());
    double.apply(&bed.storage, n, &gate);
    let mut starts = 1;
    while let Err(error) = bed.mount.recover().await {
        assert!(!double.is_healthy(), "{case}: {error}");
        starts += 1;
        assert!(starts <= 2, "{case}: {error}");
    }
    let calls = double.chances(&bed.storage);
    settle(&way.settings(), &gate).await;
    bed.storage.heal();
    assert_reads_are_true(&bed.mount, &bed.memory, &case).await;

    // The rejected write is reported, and everything else is stored.
    let mut rejected = 0;
    for (key, value) in &way.prefixes()[4] {
        let is_stored = stored_by_guests(&bed.memory).contains(&(key.clone(), value.clone()));
        assert!(is_stored || double == Double::Rejects, "{case}: {key}");
        rejected += usize::from(!is_stored);
    }
    let aside = bed.mount.set_aside();
    assert!(rejected <= 1 && aside.len() == 2 + rejected, "{case}: {aside:?}");
    bed.mount.drain().await;
    // Rubbish is gone, and records that were set aside stay for the operator.
    let next = Mount::new(Arc::new(bed.storage.clone()), way.settings());
    next.recover().await.unwrap();
    let kept = hidden(&bed.memory);
    let is_aside = |key: &String| aside.iter().any(|aside| key.starts_with(&aside.record));
    assert!(kept.iter().all(is_aside), "{case}: {kept:?}");
    assert!(kept.len() >= 4, "{case}: {kept:?}");
    n <= calls
}

#[tokio::test(start_paused = true)]
async fn a_recovery_and_its_collection_end_whatever_storage_does() {
    for way in [Way::Recorded, Way::InPieces] {
        let left = left(way).await;
        for double in DOUBLES {
            let mut n = 1;
            while recover_on(double, way, &left, n).await {
                n += 1;
            }
            assert!(
                n > if double == Double::Rejects { 4 } else { 15 },
                "{double:?}: {n}"
            );
        }
    }
}

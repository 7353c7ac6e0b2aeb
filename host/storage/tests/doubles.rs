//! Each misbehaviour of storage at each storage call of each phase: a commit with and without a redo record, its flush,
//! recovery, and the removal of what recovery finds.
//!
//! Whatever happens, these hold: a commit that succeeded is stored whole, also after a restart; one that failed for certain
//! is not stored at all; one of unknown outcome is stored to a prefix, behind a record whole or not at all. The mount reads
//! what is stored and keeps no key to itself, and a restart changes nothing that a caller was certain of.
//!
//! The clock stands still while anybody works, so that slow calls take no time.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use airlock_storage::faulty::{Call, Fault, FaultyStorage, Gate};
use airlock_storage::{Attempt, Entry, Error, MemoryStorage, Mount, Rejection, Result, Settings};
use std::sync::Arc;
use std::time::Duration;
use support::*;
use tokio::time::sleep;

/// A call may take as long until it is given up.
const FLUSH: Duration = Duration::from_secs(10);

/// How storage misbehaves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Double {
    /// One call takes nearly as long as it may: slow, and healthy.
    Slow,
    /// Every call does.
    AlwaysSlow,
    /// Every list does.
    SlowLists,
    /// One call takes longer than it may, and has its effect all the same.
    TooSlow,
    /// One call fails, and has its effect when all is over.
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
    /// Whether storage is healthy: then nothing fails.
    fn is_healthy(self) -> bool {
        matches!(self, Double::Slow | Double::AlwaysSlow | Double::SlowLists)
    }

    /// Applies to the `n`-th call. What is late is so until the gate is opened.
    fn apply(self, storage: &FaultyStorage, n: u64, gate: &Gate) {
        let healthy = Fault::Delay(FLUSH - Duration::from_secs(1));
        match self {
            Double::Slow => storage.nth(Call::Any, n, healthy),
            Double::AlwaysSlow => storage.every(Call::Any, healthy),
            Double::SlowLists => storage.every(Call::List, healthy),
            Double::TooSlow => storage.nth(Call::Any, n, Fault::Delay(FLUSH * 2)),
            Double::Late => storage.nth(Call::Any, n, Fault::ApplyLate(gate.clone())),
            // Storage rejects what it is to hold; it has nothing to reject in a deletion.
            Double::Rejects => storage.nth(Call::Put, n, Fault::Reject(Rejection::TooLarge)),
        }
    }

    /// How many calls there were that it can apply to.
    fn chances(self, storage: &FaultyStorage) -> u64 {
        storage.calls(match self {
            Double::Rejects => Call::Put,
            _ => Call::Any,
        })
    }
}

/// How the commit is made.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    InOrder,
    /// Behind a redo record.
    Recorded,
    /// Behind a redo record in several pieces, with a key that storage has to prove first that it takes.
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

    /// What storage holds after each of the commit's writes.
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

/// All that is under way ends: what was given up has its effect, and nothing is fenced any more.
async fn settle(settings: &Settings, gate: &Gate) {
    gate.open();
    sleep(FLUSH * 4 + settings.late * 2).await;
}

/// The mount reads what is stored.
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

/// One commit on storage with that misbehaviour. Returns false if it came to no call for it.
async fn commit_on(double: Double, way: Way, n: u64) -> bool {
    let case = format!("{double:?} at {n}, {way:?}");
    let settings = way.settings();
    let (bed, gate) = (Bed::with(&BEFORE, settings.clone()), Gate::new());
    double.apply(&bed.storage, n, &gate);
    let heard = way.commit(&bed.mount).await;
    assert!(heard.is_ok() || !double.is_healthy(), "{case}: {heard:?}");
    // The rest of the commit is not disturbed, and it comes to its end.
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
            // Behind a record all are stored but those that were rejected.
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
    // The keys are nobody's any more.
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

/// A call of a commit lands late, after others have written its keys. Nothing can call it back. If it is a write of a key
/// itself, which was made again at once, it undoes the newer value of that key. No call of the record undoes anything.
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
            // Before the record is void for good: at once.
            gate.open();
            tokio::task::yield_now().await;
            // What is stored is what is read, undone or not.
            assert_reads_are_true(&bed.mount, &bed.memory, &format!("{n}, {way:?}")).await;
            let landed = stored_by_guests(&bed.memory);
            let lost = newer.iter().filter(|entry| !landed.contains(entry));
            undone.extend(lost.map(|(key, _)| key.clone()));
            // And no record is flushed again.
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

/// The process is killed while storage works on the header of its commit, which lands when the next process has already
/// looked for records. The start after that takes it for a commit that was done, and undoes what was stored since.
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

/// What a crash left: a record to flush, and rubbish to remove.
async fn left(way: Way) -> Vec<Entry> {
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
        bed.memory.insert(Entry::new(key, value));
    }
    aged(bed.memory.entries())
}

/// Starts on what a crash left. Returns false if there were not so many calls.
async fn recover_on(double: Double, way: Way, left: &[Entry], n: u64) -> bool {
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

    // What was rejected is told, and everything else is stored.
    let mut rejected = 0;
    for (key, value) in &way.prefixes()[4] {
        let is_stored = stored_by_guests(&bed.memory).contains(&(key.clone(), value.clone()));
        assert!(is_stored || double == Double::Rejects, "{case}: {key}");
        rejected += usize::from(!is_stored);
    }
    let aside = bed.mount.set_aside();
    assert!(rejected <= 1 && aside.len() == 2 + rejected, "{case}: {aside:?}");
    bed.mount.drain().await;
    // Rubbish is gone, and what is set aside stays for the operator.
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

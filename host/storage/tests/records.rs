//! Redo records: what they prove before they become the commit, how they are voided, and what happens to one that
//! cannot be flushed.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use airlock_faults::{Call, Fault, FaultyStorage, Gate};
use airlock_storage::{
    Attempt, Error, LOCAL_RECORDS, MemoryStorage, Mount, Prefixes, Rejection, Result, Settings, Storage,
    StorageEntry,
};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::*;

fn recorded() -> Settings {
    Settings {
        redo_record: true,
        ..settings()
    }
}

/// Returns settings like [`recorded`], for a process that ends before it removes what it left to be removed later.
fn short_lived() -> Settings {
    Settings {
        late: Duration::from_secs(600),
        ..recorded()
    }
}

fn restart(bed: &Bed) -> Arc<Mount> {
    bed.storage.heal();
    Mount::new(Arc::new(bed.storage.clone()), recorded())
}

/// Storage with limits like raft's, which counts key and value together, and like a file system's.
#[derive(Clone, Default)]
struct Small(Arc<MemoryStorage>);

const MOST: usize = 1 << 20;
const OVERHEAD: usize = 40;
const SEGMENT: usize = 255;

#[async_trait]
impl Storage for Small {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>> {
        self.0.get(key).await
    }
    async fn put(&self, entry: StorageEntry) -> Result<()> {
        if entry.key.split('/').any(|segment| segment.len() > SEGMENT) {
            return Err(Error::rejected(Rejection::Key, "file name too long"));
        }
        if entry.key.len() + entry.value.len() + OVERHEAD > MOST {
            return Err(Error::rejected(Rejection::TooLarge, "value being too large"));
        }
        self.0.put(entry).await
    }
    async fn delete(&self, key: &str) -> Result<()> {
        self.0.delete(key).await
    }
    async fn list(&self, folder: &str) -> Result<Vec<String>> {
        self.0.list(folder).await
    }
}

/// Commits a small entry and then this one. If the commit fails, asserts that nothing is stored and nothing is left to
/// recover.
async fn commit_on_small(key: &str, bytes: usize) -> Result<()> {
    let small = Small::default();
    let mount = Mount::new(Arc::new(small.clone()), recorded());
    let mut transaction = mount.begin(Attempt::FIRST).await?;
    put(&mut transaction, "index", "1").await?;
    transaction.put(StorageEntry::new(key, vec![7; bytes])).await?;
    let committed = transaction.commit().await;
    assert_eq!(transaction.has_committed(), committed.is_ok());
    let stored: Vec<String> = small.0.entries().into_iter().map(|entry| entry.key).collect();
    if committed.is_ok() {
        assert_eq!(stored.len(), 2, "{bytes}: {stored:?}");
    } else {
        assert!(stored.is_empty(), "{bytes}: {stored:?}");
    }
    assert!(mount.set_aside().is_empty());
    // Nobody blocks its keys any more.
    store(&mount, "index", "2").await?;
    committed
}

#[tokio::test]
async fn an_entry_that_storage_does_not_take_is_rejected_before_the_record_is_the_commit() {
    let (mut stored, mut rejected) = (0, 0);
    for bytes in (MOST - 200..=MOST).chain([300 << 10, 5 << 20]) {
        match commit_on_small("team/secret", bytes).await {
            Ok(()) => stored += 1,
            Err(error) => {
                assert_eq!(error.rejection(), Some(Rejection::TooLarge), "{error}");
                rejected += 1;
            }
        }
    }
    assert!(stored > 50 && rejected > 50, "{stored} {rejected}");
}

#[tokio::test]
async fn a_key_that_storage_cannot_hold_is_rejected_before_the_record_is_the_commit() {
    let segments = |bytes: usize| format!("team/{}/secret", "s".repeat(bytes));
    for bytes in [1, SEGMENT / 2, SEGMENT] {
        commit_on_small(&segments(bytes), 100).await.unwrap();
    }
    let rejected = commit_on_small(&segments(SEGMENT + 1), 100).await.unwrap_err();
    assert_eq!(
        rejected.to_string(),
        "storage cannot hold such a key: file name too long"
    );
}

#[tokio::test]
async fn a_withdrawn_header_that_lands_late_is_never_flushed() {
    let bed = Bed::with(
        &[("a", "0"), ("b", "0")],
        Settings {
            flush: Duration::from_millis(3),
            ..short_lived()
        },
    );
    let gate = Gate::new();
    bed.storage.nth(Call::Put, 1, Fault::ApplyLate(gate.clone()));
    assert!(matches!(store_two(&bed.mount, "1").await, Err(Error::Backend(_))));
    store_two(&bed.mount, "2").await.unwrap();
    let before = hidden(&bed.memory).len();
    gate.open();
    while hidden(&bed.memory).len() == before {
        tokio::task::yield_now().await;
    }
    assert_eq!(read(&restart(&bed), "a").await.unwrap().as_deref(), Some("2"));
    assert_eq!(stored_by_guests(&bed.memory), pairs(&[("a", "2"), ("b", "2")]));
    // The header may be stored once more, so the entry that voids it stays for a while.
    assert_eq!(hidden(&bed.memory).len(), before);
}

#[tokio::test]
async fn a_header_that_was_put_twice_and_lands_late_is_not_flushed_again() {
    let bed = Bed::with(&[("a", "0"), ("b", "0")], short_lived());
    let gate = Gate::new();
    bed.storage.nth(Call::Put, 1, Fault::ApplyLate(gate.clone()));
    store_two(&bed.mount, "1").await.unwrap();
    store_two(&bed.mount, "2").await.unwrap();
    let before = hidden(&bed.memory).len();
    gate.open();
    while hidden(&bed.memory).len() == before {
        tokio::task::yield_now().await;
    }
    assert_eq!(read(&restart(&bed), "a").await.unwrap().as_deref(), Some("2"));
}

#[tokio::test]
async fn a_void_header_and_what_voids_it_are_removed_when_it_can_no_longer_land() {
    let bed = Bed::new(recorded());
    bed.storage.nth(Call::Put, 1, Fault::Fail);
    store_two(&bed.mount, "1").await.unwrap();
    assert!(hidden(&bed.memory).iter().all(|key| key.ends_with(".void")));
    while !hidden(&bed.memory).is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn parts_without_a_header_are_removed_only_when_they_are_old() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let hours = |n: u128| n * 3_600_000_000_000;
    let id = |age: u128| format!(".airlock/redo/{:024x}-{:016x}", now - age, 7);
    let (young, old) = (id(hours(0)), id(hours(2)));
    let bed = Bed::with(
        &[
            (&format!("{young}.0"), "of a process that may be alive"),
            (&format!("{young}.void"), ""),
            (&format!("{old}.0"), ""),
            (&format!("{old}.void"), ""),
            (".airlock/redo/proof/team/x", ""),
        ],
        recorded(),
    );
    bed.mount.recover().await.unwrap();
    // Void parts are useless.
    assert_eq!(hidden(&bed.memory), [format!("{young}.void")]);
    let alive = id(hours(0) + 1);
    bed.memory.insert(StorageEntry::new(format!("{alive}.0"), ""));
    restart(&bed).recover().await.unwrap();
    assert!(hidden(&bed.memory).contains(&format!("{alive}.0")));
}

#[tokio::test]
async fn tidying_up_read_only_storage_is_left_to_others() {
    let bed = Bed::with(
        &[
            (".airlock/redo/1", "void"),
            (".airlock/redo/1.void", ""),
            (".airlock/redo/2.0", "of a commit that was never made"),
            (".airlock/redo/proof/team/x", ""),
            ("a", "1"),
        ],
        recorded(),
    );
    bed.storage.set_read_only(true);
    let before = hidden(&bed.memory);
    assert_eq!(read(&bed.mount, "a").await.unwrap().as_deref(), Some("1"));
    assert_eq!(hidden(&bed.memory), before);
    restart(&bed).recover().await.unwrap();
    assert!(hidden(&bed.memory).is_empty());
}

#[tokio::test]
async fn a_mount_serves_though_storage_rejects_what_sets_aside() {
    let bed = Bed::with(&[(".airlock/redo/1", "?"), ("a", "1")], settings());
    bed.storage.nth(Call::Put, 1, Fault::Reject(Rejection::Key));
    assert_eq!(read(&bed.mount, "a").await.unwrap().as_deref(), Some("1"));
    assert_eq!(bed.mount.set_aside().len(), 1);
}

#[tokio::test]
async fn a_damaged_record_is_set_aside_and_the_mount_serves() {
    let bed = Bed::with(&[(".airlock/redo/1", "?"), ("a", "1")], settings());
    for mount in [bed.mount.clone(), restart(&bed)] {
        assert_eq!(read(&mount, "a").await.unwrap().as_deref(), Some("1"));
        let aside = mount.set_aside();
        assert_eq!(aside.len(), 1);
        assert_eq!(
            (aside[0].record.as_str(), aside[0].reason.as_str()),
            (".airlock/redo/1", "it is damaged")
        );
    }
    assert_eq!(bed.storage.calls(Call::Put), 1, "it is set aside once");
    // An operator removes the record.
    bed.memory.delete(".airlock/redo/1").await.unwrap();
    bed.memory.delete(".airlock/redo/1.aside").await.unwrap();
    let mount = restart(&bed);
    mount.recover().await.unwrap();
    assert!(mount.set_aside().is_empty());
}

/// Returns a record in two pieces and a header, of a commit that is not flushed.
async fn interrupted_in_pieces() -> Bed {
    let bed = Bed::new(Settings {
        flush: Duration::from_millis(3),
        ..recorded()
    });
    bed.storage.nth(Call::Put, 4, Fault::Kill);
    let mut transaction = bed.begin().await;
    for key in ["a", "b", "c"] {
        transaction
            .put(StorageEntry::new(key, vec![b'x'; 300_000]))
            .await
            .unwrap();
    }
    transaction.commit().await.unwrap();
    bed.mount.drain().await;
    bed
}

#[tokio::test]
async fn a_record_that_another_process_just_finished_is_none() {
    let bed = interrupted_in_pieces().await;
    let mount = restart(&bed);
    let gate = bed.storage.hold(Call::Get, 2);
    let recovery = tokio::spawn({
        let mount = mount.clone();
        async move { mount.recover().await }
    });
    gate.reached().await;
    for key in hidden(&bed.memory) {
        bed.memory.delete(&key).await.unwrap();
    }
    gate.open();
    recovery.await.unwrap().unwrap();
    assert!(mount.set_aside().is_empty() && bed.stored().is_empty());
}

#[tokio::test]
async fn a_record_with_a_part_missing_is_set_aside() {
    let bed = interrupted_in_pieces().await;
    let piece = hidden(&bed.memory).into_iter().find(|key| key.ends_with(".1"));
    bed.memory.delete(&piece.unwrap()).await.unwrap();
    let mount = restart(&bed);
    assert_eq!(read(&mount, "a").await.unwrap(), None);
    assert_eq!(mount.set_aside()[0].reason, "a part of it is missing");
}

#[tokio::test]
async fn a_write_rejected_behind_its_record_is_reported_and_keeps_nobody_out() {
    let bed = Bed::with(&[("a", "0"), ("b", "0")], recorded());
    bed.storage.nth(Call::Put, 2, Fault::Reject(Rejection::TooLarge));
    let error = store_two(&bed.mount, "1").await.unwrap_err();
    assert!(
        matches!(&error, Error::Incomplete { stored: 1, of: 2, cause } if cause.rejection().is_some()),
        "{error}"
    );
    assert_eq!(stored_by_guests(&bed.memory), pairs(&[("a", "0"), ("b", "1")]));
    assert_eq!(bed.mount.set_aside().len(), 1);
    store_two(&bed.mount, "2").await.unwrap();
    // The record is never flushed over newer values.
    let mount = restart(&bed);
    assert_eq!(read(&mount, "a").await.unwrap().as_deref(), Some("2"));
    assert_eq!(mount.set_aside(), bed.mount.set_aside());
}

async fn interrupted(settings: Settings) -> Bed {
    let bed = Bed::new(Settings {
        flush: Duration::from_millis(3),
        ..settings
    });
    bed.storage.nth(Call::Put, 2, Fault::Kill);
    store_two(&bed.mount, "1").await.unwrap();
    bed.mount.drain().await;
    bed
}

#[tokio::test]
async fn a_record_that_storage_rejects_at_the_start_is_set_aside_with_its_keys_named() {
    let bed = interrupted(recorded()).await;
    let mount = restart(&bed);
    bed.storage.nth(Call::Put, 1, Fault::Reject(Rejection::TooLarge));
    assert_eq!(read(&mount, "a").await.unwrap(), None);
    assert_eq!(
        read(&mount, "b").await.unwrap().as_deref(),
        Some("1"),
        "all but what is rejected is stored"
    );
    let aside = mount.set_aside();
    let text = stored(&bed.memory)
        .into_iter()
        .find(|(key, _)| *key == format!("{}.aside", aside[0].record));
    let (_, text) = text.unwrap();
    assert!(text.contains("reason: the entry is too large for storage: storage is small on purpose\n"));
    assert!(text.ends_with("not stored: a\n"), "{text}");
}

#[tokio::test]
async fn a_record_with_a_seal_wrapped_entry_is_wrapped_itself() {
    for (prefix, wrapped) in [("a", true), ("other/", false)] {
        let bed = interrupted(Settings {
            seal_wrapped: Prefixes::from_iter([prefix]),
            ..recorded()
        })
        .await;
        let entries = bed.memory.entries();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].seal_wrap, wrapped, "{prefix}");
    }
}

#[tokio::test]
async fn a_record_with_a_local_entry_is_local_and_found_at_the_start() {
    let bed = interrupted(Settings {
        local: Prefixes::from_iter(["b"]),
        ..recorded()
    })
    .await;
    assert!(hidden(&bed.memory)[0].starts_with(LOCAL_RECORDS));
    // A guest that has no local entries recovers local records too.
    let mount = restart(&bed);
    assert_eq!(read(&mount, "a").await.unwrap().as_deref(), Some("1"));
    assert_eq!(bed.stored(), pairs(&[("a", "1"), ("b", "1")]));
}

#[tokio::test]
async fn a_record_that_is_on_a_faulty_storage_is_void_before_its_caller_hears_of_it() {
    let bed = Bed::with(
        &[("a", "0")],
        Settings {
            flush: Duration::from_millis(3),
            ..short_lived()
        },
    );
    bed.storage.every(Call::Put, Fault::LoseAnswer);
    // Neither the put of the header nor the put that voids it is ever answered.
    assert!(is_unknown(&store_two(&bed.mount, "1").await));
    let reader: FaultyStorage = bed.storage.clone();
    reader.heal();
    until_read(&bed.mount, "a", "0").await;
}

/// Reads a key, which waits until the record of its commit is void.
async fn until_read(mount: &Arc<Mount>, key: &str, value: &str) {
    assert_eq!(read(mount, key).await.unwrap().as_deref(), Some(value));
}

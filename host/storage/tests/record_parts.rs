//! The parts of a redo record: all are wrapped if one entry is, and none stays when the commit is over.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use airlock_faults::{Call, Fault, Gate};
use airlock_storage::{Attempt, Mount, Prefixes, Result, Settings, Storage, StorageEntry};
use std::sync::Arc;
use std::time::Duration;
use support::*;
use tokio::time::{sleep, timeout};

const LATE: Duration = Duration::from_secs(90);

fn recorded() -> Settings {
    Settings {
        redo_record: true,
        flush: Duration::from_secs(10),
        late: LATE,
        ..Settings::default()
    }
}

/// Three entries, each too large to share a piece, so that the record has two pieces beside its header.
async fn three(mount: &Arc<Mount>, wrapped: &str) -> Result<()> {
    let mut transaction = mount.begin(Attempt::FIRST).await?;
    for key in ["a", "b", "c"] {
        let entry = StorageEntry {
            seal_wrap: key == wrapped,
            ..StorageEntry::new(key, vec![b'x'; 40_000])
        };
        transaction.put(entry).await?;
    }
    transaction.commit().await
}

#[tokio::test(start_paused = true)]
async fn header_and_pieces_are_seal_wrapped_if_one_entry_is() {
    for (prefix, wrapped, is_wrapped) in [
        ("other/", "", false),
        ("other/", "a", true),
        ("other/", "c", true),
        ("b", "", true),
    ] {
        let bed = Bed::new(Settings {
            seal_wrapped: Prefixes::from_iter([prefix]),
            ..recorded()
        });
        // The process is killed when the record is stored, and nothing else.
        bed.storage.nth(Call::Put, 4, Fault::Kill);
        three(&bed.mount, wrapped).await.unwrap();
        bed.mount.drain().await;
        let parts = bed.memory.entries();
        assert_eq!(parts.len(), 3);
        assert!(
            parts.iter().all(|part| part.seal_wrap == is_wrapped),
            "{prefix} {wrapped}"
        );
    }
}

/// A header whose put was given up is stored late, and is void. The header is removed, and only then the entry that
/// voids it; the pieces are removed too.
#[tokio::test(start_paused = true)]
async fn a_header_that_lands_late_goes_before_what_voids_it() {
    for (fault, committed) in [
        (Fault::Delay(Duration::from_secs(30)), false),
        (Fault::ApplyLate(Gate::new()), true),
    ] {
        let bed = Bed::new(recorded());
        let gate = match &fault {
            Fault::ApplyLate(gate) => gate.clone(),
            _ => Gate::new(),
        };
        bed.storage.nth(Call::Put, 3, fault);
        assert_eq!(three(&bed.mount, "").await.is_ok(), committed);
        gate.open();
        sleep(Duration::from_secs(30)).await;
        let is_void = |key: &String| key.ends_with(".void");
        let left = hidden(&bed.memory);
        assert_eq!(
            (left.len(), left.iter().filter(|key| is_void(key)).count()),
            (2, 1),
            "{left:?}"
        );
        // So the first deletion that removes something is the header's.
        let held = bed.storage.hold_answer(Call::Delete, 1);
        timeout(LATE * 2, held.reached())
            .await
            .expect("nobody removes it");
        assert!(matches!(&hidden(&bed.memory)[..], [void] if is_void(void)));
        held.open();
        sleep(LATE).await;
        assert_eq!(hidden(&bed.memory), Vec::<String>::new());
        let stored = bed.stored().len();
        assert_eq!(stored, if committed { 3 } else { 0 });
    }
}

/// The process of this record may be alive, and its header may be stored once more. So the entry that voids it stays.
#[tokio::test(start_paused = true)]
async fn a_start_removes_a_void_header_and_keeps_what_voids_it() {
    let bed = Bed::new(recorded());
    bed.storage
        .nth(Call::Put, 3, Fault::Delay(Duration::from_secs(30)));
    assert!(three(&bed.mount, "").await.is_err());
    sleep(Duration::from_secs(30)).await;
    assert_eq!(hidden(&bed.memory).len(), 2);
    let next = Mount::new(Arc::new(bed.storage.clone()), recorded());
    next.recover().await.unwrap();
    assert!(matches!(&hidden(&bed.memory)[..], [void] if void.ends_with(".void")));
}

/// Returns what is left of a commit that was killed when its record was stored.
async fn killed(keys: [&str; 3]) -> Vec<StorageEntry> {
    let bed = Bed::new(recorded());
    bed.storage.nth(Call::Put, 2, Fault::Kill);
    let mut transaction = bed.begin().await;
    for key in keys {
        put(&mut transaction, key, "1").await.unwrap();
    }
    transaction.commit().await.unwrap();
    bed.mount.drain().await;
    bed.memory.entries()
}

/// The progress of a recovery with one record says nothing about the next record, even if another process finishes the
/// first one meanwhile.
#[tokio::test(start_paused = true)]
async fn a_recovery_that_failed_in_one_record_does_all_of_the_next() {
    let (first, second) = (killed(["a", "b", "c"]).await, killed(["d", "e", "f"]).await);
    let header = first[0].key.clone();
    let memory = Arc::new(first.into_iter().chain(second).collect());
    let bed = Bed::over(memory, recorded());
    bed.storage.nth(Call::Put, 3, Fault::Kill);
    assert!(bed.mount.recover().await.is_err());
    bed.storage.heal();
    bed.memory.delete(&header).await.unwrap();
    bed.mount.recover().await.unwrap();
    let keys: Vec<_> = bed.stored().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["a", "b", "d", "e", "f"]);
}

//! Many concurrent requests on the same keys.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use airlock_faults::{Call, Fault};
use airlock_storage::{Attempt, Error, Mount, Result, Settings, StorageEntry};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_writers_on_one_counter_lose_no_update() {
    let bed = Bed::with(&[("counter", "0")], settings());
    // The delay lets many writers read before the first of them writes.
    bed.storage
        .every(Call::Get, Fault::Delay(Duration::from_micros(10)));
    let runs = Arc::new(AtomicU64::new(0));
    let writer = |_| {
        let (mount, runs) = (bed.mount.clone(), runs.clone());
        tokio::spawn(async move {
            for _ in 0..10 {
                let add = |transaction| {
                    runs.fetch_add(1, Ordering::Relaxed);
                    increment(transaction, "counter")
                };
                run(&mount, add).await.unwrap();
            }
        })
    };
    for writer in (0..64).map(writer).collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(bed.stored(), pairs(&[("counter", "640")]));
    let runs = runs.load(Ordering::Relaxed);
    assert!(runs > 640, "there was no contention");
    assert!(runs <= 640 * 4, "a fourth run cannot conflict");
}

const LOCK_TIME: Duration = Duration::from_millis(60);
const LOCK_OVER: Error = Error::Busy {
    what: "this request held the commit lock",
    limit: LOCK_TIME,
};

/// Removes old entries one by one, each with its own commit; when nothing is left, it keeps looking for more without
/// end.
async fn purge(mount: &Arc<Mount>, stop: &AtomicBool) -> Result<()> {
    let mut transaction = mount.begin(Attempt::FIRST).await?;
    put(&mut transaction, "purging", "").await?;
    transaction.commit().await?;
    while !stop.load(Ordering::Relaxed) {
        if let Some(name) = transaction.list("old/").await?.first() {
            transaction.delete(&format!("old/{name}")).await?;
            transaction.commit().await?;
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_purge_holds_writers_up_for_one_lock_time_at_most() {
    let bed = Bed::new(Settings {
        lock_time: LOCK_TIME,
        ..settings()
    });
    (0..200).for_each(|n| bed.memory.insert(StorageEntry::new(format!("old/{n}"), "")));
    let (stop, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let purger = tokio::spawn({
        let (mount, stop, cut_short) = (bed.mount.clone(), stop.clone(), ended.clone());
        async move {
            while !stop.load(Ordering::Relaxed) {
                let is_cut_short = purge(&mount, &stop).await == Err(LOCK_OVER);
                cut_short.fetch_add(u64::from(is_cut_short), Ordering::SeqCst);
            }
        }
    });
    // For each write, the number of times that the purger lost the commit lock meanwhile.
    let mut waits = Vec::new();
    let mut written = 0;
    while waits.len() < 10 {
        let before = ended.load(Ordering::SeqCst);
        run(&bed.mount, |transaction| increment(transaction, "new"))
            .await
            .unwrap();
        written += 1;
        let waited = ended.load(Ordering::SeqCst) - before;
        // At first the purger still finds something to remove, and lets others in with each commit.
        if waited > 0 || !waits.is_empty() {
            waits.push(waited);
        }
        tokio::task::yield_now().await;
    }
    stop.store(true, Ordering::Relaxed);
    purger.await.unwrap();
    assert_eq!(
        bed.stored(),
        pairs(&[("new", &written.to_string()), ("purging", "")])
    );
    // This checks the median, because a writer that the machine does not schedule may miss the free lock before it asks
    // for it.
    waits.sort();
    assert!(waits[waits.len() / 2] <= 2, "{waits:?}");
}

#[tokio::test]
async fn a_lock_whose_time_is_over_says_so_and_stores_nothing() {
    let bed = Bed::new(Settings {
        lock_time: Duration::from_millis(20),
        ..settings()
    });
    let mut transaction = bed.begin().await;
    put(&mut transaction, "a", "1").await.unwrap();
    transaction.commit().await.unwrap();
    put(&mut transaction, "b", "1").await.unwrap();
    tokio::time::sleep(Duration::from_millis(40)).await;
    let busy = transaction.commit().await.unwrap_err().to_string();
    assert_eq!(
        busy,
        "storage of this mount is busy: this request held the commit lock for longer than 20 ms"
    );
    assert_eq!(bed.stored(), pairs(&[("a", "1")]));
    // The request may continue and take the lock again.
    put(&mut transaction, "c", "1").await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(bed.stored(), pairs(&[("a", "1"), ("c", "1")]));
}

#[tokio::test]
async fn a_key_that_is_written_for_too_long_makes_its_readers_busy() {
    let bed = Bed::with(
        &[("a", "1")],
        Settings {
            wait: Duration::from_millis(20),
            ..settings()
        },
    );
    let gate = bed.storage.hold(Call::Put, 1);
    let writer = bed.spawn(|mount| async move { store(&mount, "a", "2").await });
    gate.reached().await;
    assert!(matches!(read(&bed.mount, "a").await, Err(Error::Busy { .. })));
    assert!(read(&bed.mount, "b").await.is_ok());
    gate.open();
    writer.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_large_commit_holds_up_nobody_who_reads_other_keys() {
    let bed = Bed::new(Settings {
        wait: Duration::from_millis(1),
        ..settings()
    });
    let mut early = Vec::new();
    for n in 0..200 {
        let mut reader = bed.begin().await;
        get(&mut reader, &format!("read/{n}")).await.unwrap();
        early.push(reader);
    }
    let gate = bed.storage.hold(Call::Put, 1);
    let writer = bed.spawn(|mount| async move {
        let mut writer = mount.begin(Attempt::FIRST).await?;
        for n in 0..1_500 {
            put(&mut writer, &format!("written/{n}"), "1").await?;
        }
        writer.commit().await
    });
    gate.reached().await;
    for n in 0..200 {
        assert_eq!(read(&bed.mount, &format!("read/{n}")).await, Ok(None), "{n}");
    }
    assert!(matches!(
        read(&bed.mount, "written/7").await,
        Err(Error::Busy { .. })
    ));
    gate.open();
    writer.await.unwrap().unwrap();
    for mut reader in early {
        assert_eq!(reader.commit().await, Ok(()));
    }
}

/// A guest whose commit fails because storage is busy may still answer from what it has read.
#[tokio::test]
async fn what_a_busy_commit_has_read_still_has_to_stand() {
    let bed = Bed::with(
        &[("a", "1")],
        Settings {
            wait: Duration::from_millis(20),
            ..settings()
        },
    );
    let mut reader = bed.begin().await;
    assert_eq!(get(&mut reader, "a").await.unwrap().as_deref(), Some("1"));
    put(&mut reader, "b", "1").await.unwrap();
    let gate = bed.storage.hold(Call::Put, 1);
    let writer = bed.spawn(|mount| async move { store(&mount, "b", "2").await });
    gate.reached().await;
    assert!(matches!(reader.commit().await, Err(Error::Busy { .. })));
    assert_eq!(reader.check(), Ok(()));
    gate.open();
    writer.await.unwrap().unwrap();
    store(&bed.mount, "a", "2").await.unwrap();
    assert_eq!(reader.check(), Err(Error::Conflict));
    assert_eq!(reader.commit().await, Err(Error::Conflict));
    assert_eq!(
        get(&mut reader, "a").await,
        Err(Error::Conflict),
        "it is to be run again"
    );
}

#[tokio::test]
async fn a_lock_after_a_busy_commit_checks_what_it_had_read() {
    let bed = Bed::with(
        &[("a", "1")],
        Settings {
            wait: Duration::from_millis(20),
            ..settings()
        },
    );
    let mut request = bed.begin().await;
    assert_eq!(get(&mut request, "a").await.unwrap().as_deref(), Some("1"));
    put(&mut request, "b", "1").await.unwrap();
    let gate = bed.storage.hold(Call::Put, 1);
    let writer = bed.spawn(|mount| async move { store(&mount, "b", "2").await });
    gate.reached().await;
    assert!(matches!(request.commit().await, Err(Error::Busy { .. })));
    gate.open();
    writer.await.unwrap().unwrap();
    store(&bed.mount, "a", "2").await.unwrap();
    assert_eq!(request.lock_commits().await, Err(Error::Conflict));
}

#[tokio::test]
async fn a_commit_that_storage_refuses_does_not_conflict_with_itself() {
    let bed = Bed::with(&[("a", "1")], settings());
    bed.storage.set_read_only(true);
    let mut writer = bed.begin().await;
    get(&mut writer, "a").await.unwrap();
    put(&mut writer, "a", "2").await.unwrap();
    assert_eq!(writer.commit().await, Err(Error::ReadOnly));
    assert_eq!(writer.check(), Ok(()));
}

//! The storage calls that a request costs, with the cache and the reads of an existence check.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use airlock_faults::Call;
use airlock_storage::{Attempt, Error, Prefixes, Settings, StorageEntry};
use support::*;

#[tokio::test]
async fn a_repeated_read_of_a_cacheable_key_costs_nothing() {
    let bed = Bed::with(&[("meta/a", "1"), ("data/a", "1")], cacheable("meta/"));
    for (gets, _) in [(1, "first"), (1, "again")] {
        assert_eq!(read(&bed.mount, "meta/a").await.unwrap().as_deref(), Some("1"));
        assert_eq!(read(&bed.mount, "meta/missing").await.unwrap(), None);
        assert_eq!(bed.storage.calls(Call::Get), gets * 2);
    }
    let mut transaction = bed.begin().await;
    get(&mut transaction, "meta/a").await.unwrap();
    assert_eq!((transaction.usage().calls(), transaction.usage().cached), (0, 1));
    for _ in 0..2 {
        read(&bed.mount, "data/a").await.unwrap();
    }
    assert_eq!(
        bed.storage.calls(Call::Get),
        4,
        "what is not declared is read each time"
    );
}

#[tokio::test]
async fn what_was_written_is_cached_as_it_was_written() {
    let bed = Bed::new(cacheable("meta/"));
    store(&bed.mount, "meta/a", "1").await.unwrap();
    assert_eq!(read(&bed.mount, "meta/a").await.unwrap().as_deref(), Some("1"));
    let mut transaction = bed.begin().await;
    transaction.delete("meta/a").await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(read(&bed.mount, "meta/a").await.unwrap(), None);
    assert_eq!(bed.storage.calls(Call::Get), 0);
}

#[tokio::test]
async fn what_was_written_is_cached_though_another_commit_ended_meanwhile() {
    let bed = Bed::new(cacheable("meta/"));
    let gate = bed.storage.hold_answer(Call::Put, 1);
    let slow = bed.spawn(|mount| async move { store(&mount, "meta/a", "1").await });
    gate.reached().await;
    store(&bed.mount, "meta/b", "2").await.unwrap();
    gate.open();
    slow.await.unwrap().unwrap();
    for (key, value) in [("meta/a", "1"), ("meta/b", "2")] {
        assert_eq!(read(&bed.mount, key).await.unwrap().as_deref(), Some(value));
    }
    assert_eq!(bed.storage.calls(Call::Get), 0);
}

#[tokio::test]
async fn an_invalidated_key_is_read_anew() {
    let bed = Bed::with(&[("meta/a", "1")], cacheable("meta/"));
    read(&bed.mount, "meta/a").await.unwrap();
    bed.memory.insert(StorageEntry::new("meta/a", "2"));
    assert_eq!(
        read(&bed.mount, "meta/a").await.unwrap().as_deref(),
        Some("1"),
        "nobody has said so yet"
    );
    bed.mount.invalidate("meta/a");
    assert_eq!(read(&bed.mount, "meta/a").await.unwrap().as_deref(), Some("2"));
}

#[tokio::test]
async fn an_invalidation_conflicts_with_who_read_the_key_or_listed_above_it() {
    let bed = Bed::with(&[("f/a", "1")], settings());
    let (mut reader, mut lister, mut other) = (bed.begin().await, bed.begin().await, bed.begin().await);
    get(&mut reader, "f/a").await.unwrap();
    lister.list("").await.unwrap();
    get(&mut other, "b").await.unwrap();
    bed.mount.invalidate("f/a");
    assert_eq!(reader.commit().await, Err(Error::Conflict));
    assert_eq!(lister.commit().await, Err(Error::Conflict));
    assert_eq!(other.commit().await, Ok(()));
}

#[tokio::test]
async fn a_slow_read_is_not_cached_over_a_newer_write() {
    let bed = Bed::with(&[("meta/a", "1")], cacheable("meta/"));
    let gate = bed.storage.hold_answer(Call::Get, 1);
    let slow = bed.spawn(|mount| async move { read(&mount, "meta/a").await });
    gate.reached().await;
    store(&bed.mount, "meta/a", "2").await.unwrap();
    gate.open();
    assert_eq!(slow.await.unwrap(), Err(Error::Conflict));
    assert_eq!(read(&bed.mount, "meta/a").await.unwrap().as_deref(), Some("2"));
}

#[tokio::test]
async fn nothing_is_cached_while_the_server_does_not_allow_it() {
    let bed = Bed::with(&[("meta/a", "1")], cacheable("meta/"));
    read(&bed.mount, "meta/a").await.unwrap();
    bed.mount.allow_caching(false);
    for gets in 2..4 {
        read(&bed.mount, "meta/a").await.unwrap();
        assert_eq!(bed.storage.calls(Call::Get), gets);
    }
    bed.mount.allow_caching(true);
    read(&bed.mount, "meta/a").await.unwrap();
    read(&bed.mount, "meta/a").await.unwrap();
    assert_eq!(bed.storage.calls(Call::Get), 4);
}

#[tokio::test]
async fn a_key_of_unknown_state_is_not_cached_until_no_late_write_can_come() {
    let late = std::time::Duration::from_millis(150);
    let bed = Bed::with(
        &[("meta/a", "1")],
        Settings {
            late,
            ..cacheable("meta/")
        },
    );
    read(&bed.mount, "meta/a").await.unwrap();
    let given_up = std::time::Instant::now();
    bed.storage.every(Call::Put, airlock_faults::Fault::Fail);
    assert!(is_unknown(&store(&bed.mount, "meta/a", "2").await));
    bed.storage.heal();
    let before = bed.storage.calls(Call::Get);
    read(&bed.mount, "meta/a").await.unwrap();
    bed.memory.insert(StorageEntry::new("meta/a", "2")); // the put that was given up arrives
    assert_eq!(read(&bed.mount, "meta/a").await.unwrap().as_deref(), Some("2"));
    assert_eq!(bed.storage.calls(Call::Get), before + 2);
    // Afterwards it is cached again.
    loop {
        let gets = bed.storage.calls(Call::Get);
        read(&bed.mount, "meta/a").await.unwrap();
        if bed.storage.calls(Call::Get) == gets {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(given_up.elapsed() >= late);
}

#[tokio::test]
async fn another_guest_finds_neither_cache_nor_scratch_and_gets_nothing_from_old_requests() {
    let scratch = |settings| Settings {
        scratch_bytes: 1000,
        ..settings
    };
    let bed = Bed::with(&[("meta/a", "1")], scratch(cacheable("meta/")));
    let mut first = bed.begin().await;
    get(&mut first, "meta/a").await.unwrap();
    first.scratch_put("s", "old".into()).await.unwrap();
    first.commit().await.unwrap();
    let mut old = bed.begin().await;
    old.scratch_put("s", "old".into()).await.unwrap();
    let gate = bed.storage.hold_answer(Call::Get, 1);
    let slow = tokio::spawn(async move {
        get(&mut old, "meta/b").await.unwrap();
        old.commit().await
    });
    gate.reached().await;
    bed.mount.adopt(scratch(cacheable("meta/")));
    gate.open();
    slow.await.unwrap().unwrap();
    let mut new = bed.begin().await;
    assert_eq!(new.scratch_get("s").await.unwrap(), None);
    let gets = bed.storage.calls(Call::Get);
    get(&mut new, "meta/a").await.unwrap();
    get(&mut new, "meta/b").await.unwrap();
    assert_eq!(bed.storage.calls(Call::Get), gets + 2);
}

#[tokio::test]
async fn an_update_after_its_existence_check_reads_nothing_twice() {
    let bed = Bed::with(&[("a", "1")], settings());
    let mut check = bed.begin().await;
    assert!(check.get("a").await.unwrap().is_some());
    check.keep_reads("id").unwrap();
    let mut update = bed.mount.begin_with_reads("id").await.unwrap();
    assert!(update.continues_check());
    assert_eq!(get(&mut update, "a").await.unwrap().as_deref(), Some("1"));
    put(&mut update, "a", "2").await.unwrap();
    update.commit().await.unwrap();
    assert_eq!((update.usage().gets, update.usage().cached), (0, 1));
    assert_eq!(bed.storage.calls(Call::Get), 1);
}

#[tokio::test]
async fn a_request_whose_check_no_longer_holds_does_not_continue_it() {
    let bed = Bed::new(settings());
    let mut check = bed.begin().await;
    assert!(check.get("a").await.unwrap().is_none());
    check.keep_reads("id").unwrap();
    store(&bed.mount, "a", "another's").await.unwrap();
    let mut create = bed.mount.begin_with_reads("id").await.unwrap();
    assert!(!create.continues_check());
    assert_eq!(get(&mut create, "a").await.unwrap().as_deref(), Some("another's"));
}

#[tokio::test]
async fn a_request_conflicts_if_its_check_ceases_to_hold_while_it_runs() {
    let bed = Bed::new(settings());
    let mut check = bed.begin().await;
    assert!(check.get("a").await.unwrap().is_none());
    check.keep_reads("id").unwrap();
    let mut create = bed.mount.begin_with_reads("id").await.unwrap();
    put(&mut create, "a", "mine").await.unwrap();
    store(&bed.mount, "a", "another's").await.unwrap();
    assert_eq!(create.commit().await, Err(Error::Conflict));
    assert_eq!(bed.stored(), pairs(&[("a", "another's")]));
}

#[tokio::test]
async fn a_check_that_saw_two_times_is_run_again() {
    let bed = Bed::new(settings());
    let mut check = bed.begin().await;
    check.get("a").await.unwrap();
    store(&bed.mount, "a", "1").await.unwrap();
    assert_eq!(check.keep_reads("id"), Err(Error::Conflict));
    assert!(!bed.mount.begin_with_reads("id").await.unwrap().continues_check());
}

#[tokio::test]
async fn reads_are_kept_for_one_request_of_one_mount() {
    let (bed, other) = (Bed::new(settings()), Bed::new(settings()));
    for id in ["id", ""] {
        let mut check = bed.begin().await;
        check.get("a").await.unwrap();
        check.keep_reads(id).unwrap();
    }
    assert!(
        !other
            .mount
            .begin_with_reads("id")
            .await
            .unwrap()
            .continues_check()
    );
    assert!(!bed.mount.begin_with_reads("").await.unwrap().continues_check());
    assert!(bed.mount.begin_with_reads("id").await.unwrap().continues_check());
    assert!(!bed.mount.begin_with_reads("id").await.unwrap().continues_check());
}

#[tokio::test]
async fn cacheable_is_what_is_declared_and_granted() {
    let declared = Prefixes::from_iter(["meta/", "keys/"]);
    let granted = Prefixes::from_iter(["meta/public/"]);
    let bed = Bed::new(Settings {
        cacheable: declared.and(&granted),
        ..settings()
    });
    for key in ["meta/public/a", "meta/a", "keys/a"] {
        read(&bed.mount, key).await.unwrap();
        read(&bed.mount, key).await.unwrap();
    }
    assert_eq!(bed.storage.calls(Call::Get), 1 + 2 + 2);
}

#[tokio::test]
async fn scratch_changes_with_the_transaction_and_conflicts_as_storage_does() {
    let bed = Bed::new(Settings {
        scratch_bytes: 1000,
        ..settings()
    });
    let mut writer = bed.begin().await;
    writer.scratch_put("s", "1".into()).await.unwrap();
    assert_eq!(writer.scratch_get("s").await.unwrap().as_deref(), Some(&b"1"[..]));
    let mut reader = bed.begin().await;
    assert_eq!(reader.scratch_get("s").await.unwrap(), None);
    writer.commit().await.unwrap();
    put(&mut reader, "a", "1").await.unwrap();
    assert_eq!(reader.commit().await, Err(Error::Conflict));
    let mut remover = bed.begin().await;
    assert!(remover.scratch_get("s").await.unwrap().is_some());
    remover.scratch_delete("s").await.unwrap();
    assert_eq!(remover.scratch_get("s").await.unwrap(), None);
    remover.commit().await.unwrap();
    assert_eq!(bed.begin().await.scratch_get("s").await.unwrap(), None);
    assert_eq!(bed.storage.calls(Call::Put), 0);
}

#[tokio::test]
async fn scratch_is_bounded_and_stays_unchanged_by_what_fails() {
    let bed = Bed::new(Settings {
        // Two entries, at 200 bytes each and their texts.
        scratch_bytes: 410,
        ..settings()
    });
    let mut transaction = bed.begin().await;
    transaction.scratch_put("a", "12345".into()).await.unwrap();
    assert_eq!(
        transaction.scratch_put("b", "1234".into()).await,
        Err(Error::ScratchFull { limit: 410 })
    );
    assert_eq!(transaction.scratch_get("b").await.unwrap(), None);
    transaction.scratch_put("b", "123".into()).await.unwrap();
    transaction.commit().await.unwrap();
    let mut failing = bed.begin().await;
    failing.scratch_put("a", "54321".into()).await.unwrap();
    put(&mut failing, "key", "").await.unwrap();
    bed.storage.set_read_only(true);
    assert_eq!(failing.commit().await, Err(Error::ReadOnly));
    assert_eq!(
        bed.begin().await.scratch_get("a").await.unwrap().as_deref(),
        Some(&b"12345"[..])
    );
}

#[tokio::test]
async fn scratch_that_two_requests_filled_at_once_vanishes_rather_than_grow() {
    let bed = Bed::new(Settings {
        scratch_bytes: 210,
        ..settings()
    });
    let (mut one, mut two) = (bed.begin().await, bed.begin().await);
    one.scratch_put("a", "12345".into()).await.unwrap();
    two.scratch_put("b", "12345".into()).await.unwrap();
    one.commit().await.unwrap();
    two.commit().await.unwrap();
    let mut later = bed.mount.begin(Attempt::FIRST).await.unwrap();
    assert_eq!(
        (
            later.scratch_get("a").await.unwrap(),
            later.scratch_get("b").await.unwrap()
        ),
        (None, None)
    );
    later.scratch_put("c", "123456789".into()).await.unwrap();
}

#[tokio::test]
async fn scratch_that_vanishes_conflicts_with_who_has_read_it() {
    let bed = Bed::new(Settings {
        scratch_bytes: 210,
        ..settings()
    });
    let mut first = bed.begin().await;
    first.scratch_put("a", "12345".into()).await.unwrap();
    let mut overflowing = bed.begin().await;
    overflowing.scratch_put("b", "12345".into()).await.unwrap();
    first.commit().await.unwrap();
    let (mut reader, mut other) = (bed.begin().await, bed.begin().await);
    assert!(reader.scratch_get("a").await.unwrap().is_some());
    assert!(other.scratch_get("a").await.unwrap().is_some());
    overflowing.commit().await.unwrap();
    assert_eq!(reader.scratch_get("a").await, Err(Error::Conflict));
    assert_eq!(other.commit().await, Err(Error::Conflict));
}

#[tokio::test]
async fn another_guest_s_scratch_conflicts_with_who_has_read_the_old() {
    let scratch = Settings {
        scratch_bytes: 210,
        ..settings()
    };
    let bed = Bed::new(scratch.clone());
    let mut writer = bed.begin().await;
    writer.scratch_put("a", "1".into()).await.unwrap();
    writer.commit().await.unwrap();
    let mut old = bed.begin().await;
    assert!(old.scratch_get("a").await.unwrap().is_some());
    bed.mount.adopt(scratch);
    assert_eq!(old.scratch_get("a").await, Err(Error::Conflict));
}

//! A second run of a request, with what the first one read.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use airlock_storage::{Attempt, Error, Lookup, StorageEntry, Told, Trace};
use support::*;

/// Runs a request that reads `a` and writes `b`, and returns its trace.
async fn first(bed: &Bed) -> Trace {
    let mut transaction = bed.begin().await;
    transaction.trace();
    get(&mut transaction, "a").await.unwrap();
    put(&mut transaction, "b", "written").await.unwrap();
    transaction.commit().await.unwrap();
    transaction.take_trace().unwrap()
}

#[tokio::test]
async fn the_second_run_reads_what_the_first_one_read_and_stores_nothing() {
    let bed = Bed::with(&[("a", "old"), ("c", "other")], settings());
    let trace = first(&bed).await;
    store(&bed.mount, "a", "new").await.unwrap();
    let before = bed.stored();

    let mut replay = bed.begin().await;
    replay.begin_replay(&trace, settings());
    assert_eq!(get(&mut replay, "a").await.unwrap().as_deref(), Some("old"));
    // Nobody wrote it, so the first run would have read the same.
    assert_eq!(get(&mut replay, "c").await.unwrap().as_deref(), Some("other"));
    put(&mut replay, "b", "written").await.unwrap();
    replay.commit().await.unwrap();
    let replayed = replay.end_replay();
    assert!(replayed.is_comparable);
    assert!(replayed.written == *trace.written());
    assert_eq!(bed.stored(), before);
}

#[tokio::test]
async fn a_second_run_that_reads_what_changed_meanwhile_is_not_comparable() {
    for changed in ["b", "c"] {
        let bed = Bed::with(&[("a", "old"), ("c", "other")], settings());
        let trace = first(&bed).await;
        store(&bed.mount, "c", "new").await.unwrap();
        let mut replay = bed.begin().await;
        replay.begin_replay(&trace, settings());
        get(&mut replay, changed).await.unwrap();
        assert!(!replay.end_replay().is_comparable, "{changed}");
    }
}

#[tokio::test]
async fn a_folder_is_comparable_until_something_in_it_changes() {
    let bed = Bed::with(&[("f/a", "1")], settings());
    let mut transaction = bed.begin().await;
    transaction.trace();
    assert_eq!(transaction.list("f/").await.unwrap(), ["a"]);
    transaction.commit().await.unwrap();
    let trace = transaction.take_trace().unwrap();
    for is_comparable in [true, false] {
        let mut replay = bed.begin().await;
        replay.begin_replay(&trace, settings());
        replay.list("f/").await.unwrap();
        assert_eq!(replay.end_replay().is_comparable, is_comparable);
        store(&bed.mount, "f/b", "2").await.unwrap();
    }
}

#[tokio::test]
async fn a_run_that_failed_has_a_trace_without_writes() {
    let bed = Bed::with(&[("a", "old")], settings());
    let mut transaction = bed.begin().await;
    transaction.trace();
    get(&mut transaction, "a").await.unwrap();
    put(&mut transaction, "b", "never").await.unwrap();
    let trace = transaction.take_trace().unwrap();
    drop(transaction);
    assert!(trace.written().is_empty() && trace.is_whole());
    store(&bed.mount, "a", "new").await.unwrap();
    let mut replay = bed.begin().await;
    replay.begin_replay(&trace, settings());
    assert_eq!(get(&mut replay, "a").await.unwrap().as_deref(), Some("old"));
}

#[tokio::test]
async fn a_run_that_committed_twice_or_wrote_much_says_so() {
    let bed = Bed::new(settings());
    let mut transaction = bed.begin().await;
    transaction.trace();
    for key in ["a", "b"] {
        transaction.put(StorageEntry::new(key, "1")).await.unwrap();
        transaction.commit().await.unwrap();
    }
    assert!(!transaction.take_trace().unwrap().is_whole());

    let mut transaction = bed.begin().await;
    transaction.trace();
    let large = StorageEntry::new("c", vec![0; (1 << 20) + 1]);
    transaction.put(large).await.unwrap();
    transaction.commit().await.unwrap();
    let trace = transaction.take_trace().unwrap();
    assert!(!trace.is_whole() && trace.written().is_empty());
}

#[tokio::test]
async fn a_check_is_repeated_on_what_it_read_and_keeps_that_for_its_request() {
    let bed = Bed::with(&[("a", "old")], settings());
    let mut check = bed.mount.begin_check(Attempt::FIRST).await.unwrap();
    check.trace();
    get(&mut check, "a").await.unwrap();
    let trace = check.take_trace().unwrap();
    check.keep_reads("id").unwrap();
    assert!(bed.mount.begin_with_reads("id").await.unwrap().continues_check());
    store(&bed.mount, "a", "new").await.unwrap();

    let mut replay = bed.begin().await;
    replay.begin_replay(&trace, settings());
    replay.begin_replayed_check();
    assert_eq!(get(&mut replay, "a").await.unwrap().as_deref(), Some("old"));
    put(&mut replay, "b", "check").await.unwrap();
    assert!(matches!(replay.commit().await, Err(Error::Denied(_))));
    replay.end_replayed_check();
    // Its request sees nothing of that.
    put(&mut replay, "c", "request").await.unwrap();
    replay.commit().await.unwrap();
    let replayed = replay.end_replay();
    assert_eq!(replayed.written.keys().collect::<Vec<_>>(), ["c"]);
    assert_eq!(bed.stored(), pairs(&[("a", "new")]));
}

#[tokio::test]
async fn a_drain_waits_for_what_has_begun_outside_of_a_transaction() {
    let bed = Bed::new(settings());
    let begun = bed.mount.undrained().unwrap();
    let mut drain = Box::pin(bed.mount.drain());
    let pending = std::future::poll_fn(|context| {
        std::task::Poll::Ready(Future::poll(drain.as_mut(), context).is_pending())
    });
    assert!(pending.await);
    drop(begun);
    drain.await;
    assert!(matches!(bed.mount.undrained(), Err(Error::Draining)));
}

#[tokio::test]
async fn lookups_are_told_to_a_run_that_never_reaches_storage() {
    let bed = Bed::with(&[("a", "old"), ("f/x", "1"), ("f/y", "2")], settings());
    let mut transaction = bed.begin().await;
    transaction.trace();
    get(&mut transaction, "a").await.unwrap();
    get(&mut transaction, "a").await.unwrap();
    transaction.list("f/").await.unwrap();
    put(&mut transaction, "b", "written").await.unwrap();
    // It reads its own write, which does not count as a lookup.
    get(&mut transaction, "b").await.unwrap();
    transaction.commit().await.unwrap();
    let lookups = transaction.take_trace().unwrap().lookups().unwrap().to_vec();
    assert_eq!(lookups.len(), 2);

    let told = |how| Trace::told(lookups.clone(), how);
    let trace = told(Told::InOrder);
    let mut replay = bed.begin().await;
    replay.begin_replay(&trace, settings());
    // Another key, in the same place.
    assert_eq!(get(&mut replay, "z").await.unwrap().as_deref(), Some("old"));
    assert_eq!(replay.list("g/").await.unwrap(), ["x", "y"]);
    assert!(replay.end_replay().is_comparable);
    let asked = trace.asked().unwrap();
    assert!(matches!(&asked[0], Lookup::Get { key, .. } if key == "z"));
    assert_eq!(trace.left(), 0);

    let trace = told(Told::ByKey);
    let mut replay = bed.begin().await;
    replay.begin_replay(&trace, settings());
    assert_eq!(replay.list("f/").await.unwrap(), ["x", "y"]);
    assert_eq!(get(&mut replay, "a").await.unwrap().as_deref(), Some("old"));
    // It is stored, and was not looked up.
    assert_eq!(get(&mut replay, "f/x").await.unwrap(), None);
    assert!(!replay.end_replay().is_comparable && trace.asked().is_none());
}

#[tokio::test]
async fn the_lookups_of_a_check_are_those_of_a_run_only_if_it_is_one() {
    let bed = Bed::with(&[("a", "old"), ("b", "old")], settings());
    let keys = |transaction: &mut airlock_storage::Transaction| {
        let trace = transaction.take_trace().unwrap();
        let lookups = trace.lookups().unwrap().iter();
        let keys = lookups.map(|lookup| match lookup {
            Lookup::Get { key, .. } => key.clone(),
            Lookup::List { folder, .. } => folder.clone(),
        });
        keys.collect::<Vec<_>>()
    };
    let mut alone = bed.begin().await;
    alone.begin_check();
    alone.trace();
    get(&mut alone, "a").await.unwrap();
    assert_eq!(keys(&mut alone), ["a"]);

    let mut request = bed.begin().await;
    request.trace();
    request.begin_check();
    get(&mut request, "a").await.unwrap();
    request.end_check();
    get(&mut request, "b").await.unwrap();
    request.commit().await.unwrap();
    assert_eq!(keys(&mut request), ["b"]);
}

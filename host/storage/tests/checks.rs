//! Existence checks may read, and leave nothing behind.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use airlock_storage::{Attempt, Error, Settings};
use support::*;

fn with_scratch() -> Settings {
    Settings {
        scratch_bytes: 1000,
        ..settings()
    }
}

#[tokio::test]
async fn a_check_sees_its_own_writes_and_stores_none() {
    let bed = Bed::with(&[("a", "1"), ("gone/x", "1")], with_scratch());
    let mut check = bed.mount.begin_check(Attempt::FIRST).await.unwrap();
    put(&mut check, "a", "2").await.unwrap();
    check.delete("gone/x").await.unwrap();
    check.scratch_put("s", "1".into()).await.unwrap();
    assert_eq!(get(&mut check, "a").await.unwrap().as_deref(), Some("2"));
    assert_eq!(check.list("").await.unwrap(), ["a"]);
    assert_eq!(check.scratch_get("s").await.unwrap().as_deref(), Some(&b"1"[..]));
    check.keep_reads("id").unwrap();
    let mut request = bed.mount.begin_with_reads("id").await.unwrap();
    assert!(request.continues_check());
    assert_eq!(get(&mut request, "a").await.unwrap().as_deref(), Some("1"));
    assert_eq!(request.list("").await.unwrap(), ["a", "gone/"]);
    assert_eq!(request.scratch_get("s").await.unwrap(), None);
    request.commit().await.unwrap();
    assert_eq!(bed.stored(), pairs(&[("a", "1"), ("gone/x", "1")]));
}

#[tokio::test]
async fn a_check_that_commits_is_refused_and_goes_on() {
    let bed = Bed::new(with_scratch());
    let mut check = bed.mount.begin_check(Attempt::FIRST).await.unwrap();
    assert_eq!(get(&mut check, "a").await.unwrap(), None);
    put(&mut check, "b", "1").await.unwrap();
    for refused in [check.commit().await, check.lock_commits().await] {
        assert_eq!(
            refused.unwrap_err().to_string(),
            "storage access denied: an existence check stores nothing, so it cannot commit or wrap; \
             do that in the request"
        );
    }
    assert!(!check.has_committed());
    assert_eq!(get(&mut check, "b").await.unwrap().as_deref(), Some("1"));
    check.keep_reads("id").unwrap();
    assert!(bed.stored().is_empty());
}

/// A refused commit does not lose the earlier reads: a create must not overwrite another's key.
#[tokio::test]
async fn a_create_conflicts_though_its_check_tried_to_commit() {
    let bed = Bed::new(settings());
    let mut check = bed.mount.begin_check(Attempt::FIRST).await.unwrap();
    assert_eq!(get(&mut check, "a").await.unwrap(), None);
    put(&mut check, "b", "1").await.unwrap();
    assert!(matches!(check.commit().await, Err(Error::Denied(_))));
    check.keep_reads("id").unwrap();
    store(&bed.mount, "a", "another's").await.unwrap();
    assert!(!bed.mount.begin_with_reads("id").await.unwrap().continues_check());
}

#[tokio::test]
async fn a_repeated_check_leaves_its_reads_and_no_writes() {
    let bed = Bed::with(&[("a", "1")], with_scratch());
    let mut request = bed.begin().await;
    put(&mut request, "before", "1").await.unwrap();
    request.begin_check();
    assert_eq!(get(&mut request, "a").await.unwrap().as_deref(), Some("1"));
    assert_eq!(get(&mut request, "before").await.unwrap(), None);
    put(&mut request, "by the check", "1").await.unwrap();
    request.scratch_put("s", "1".into()).await.unwrap();
    assert!(matches!(request.commit().await, Err(Error::Denied(_))));
    request.end_check();
    assert_eq!(get(&mut request, "before").await.unwrap().as_deref(), Some("1"));
    assert_eq!(get(&mut request, "by the check").await.unwrap(), None);
    assert_eq!(request.scratch_get("s").await.unwrap(), None);
    request.commit().await.unwrap();
    assert_eq!(bed.stored(), pairs(&[("a", "1"), ("before", "1")]));
    assert_eq!(bed.begin().await.scratch_get("s").await.unwrap(), None);
}

#[tokio::test]
async fn a_request_conflicts_if_what_its_repeated_check_read_has_changed() {
    let bed = Bed::new(settings());
    let mut request = bed.begin().await;
    request.begin_check();
    assert_eq!(get(&mut request, "a").await.unwrap(), None);
    request.end_check();
    put(&mut request, "a", "mine").await.unwrap();
    store(&bed.mount, "a", "another's").await.unwrap();
    assert_eq!(request.commit().await, Err(Error::Conflict));
    assert_eq!(bed.stored(), pairs(&[("a", "another's")]));
}

//! Scratch values with a time to live, and lists of scratch.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::{Duration, SystemTime};

use airlock_storage::{Error, Settings, Transaction};
use support::*;

const SECOND: Duration = Duration::from_secs(1);

/// The bytes that an entry takes besides its key and its value.
const ENTRY: usize = 200;

fn bed(scratch_bytes: usize) -> Bed {
    Bed::new(Settings {
        scratch_bytes,
        ..settings()
    })
}

async fn keys(transaction: &mut Transaction, prefix: &str) -> Vec<String> {
    let keys = transaction.scratch_list(prefix).await.unwrap();
    keys.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_value_is_gone_when_its_time_is_over() {
    let bed = bed(10 * ENTRY);
    let start = SystemTime::UNIX_EPOCH + SECOND;
    let mut writer = bed.begin().await;
    writer
        .at(start)
        .scratch_put_for("a", "1".into(), SECOND)
        .await
        .unwrap();
    writer.scratch_put("b", "2".into()).await.unwrap();
    assert!(
        writer
            .at(start + SECOND)
            .scratch_get("a")
            .await
            .unwrap()
            .is_none()
    );
    writer.commit().await.unwrap();

    let mut reader = bed.begin().await;
    let before = start + SECOND - Duration::from_nanos(1);
    assert!(reader.at(before).scratch_get("a").await.unwrap().is_some());
    assert_eq!(keys(&mut reader, "").await, ["a", "b"]);
    assert!(
        reader
            .at(start + SECOND)
            .scratch_get("a")
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(keys(&mut reader, "").await, ["b"]);
    // The clock has moved on, and nobody has written.
    assert_eq!(reader.commit().await, Ok(()));
}

#[tokio::test]
async fn an_expired_value_takes_no_space() {
    let bed = bed(ENTRY + 10);
    let start = SystemTime::UNIX_EPOCH;
    let mut first = bed.begin().await;
    first
        .scratch_put_for("a", "123456789".into(), SECOND)
        .await
        .unwrap();
    first.commit().await.unwrap();
    let mut second = bed.begin().await;
    let full = Err(Error::ScratchFull { limit: ENTRY + 10 });
    assert_eq!(second.scratch_put("b", "123456789".into()).await, full);
    second
        .at(start + SECOND)
        .scratch_put("b", "123456789".into())
        .await
        .unwrap();
    second.commit().await.unwrap();
    let mut third = bed.begin().await;
    assert_eq!(keys(&mut third, "").await, ["b"]);
}

#[tokio::test]
async fn entries_without_values_fill_scratch_too() {
    let bed = bed(10 * (ENTRY + 1));
    let mut writer = bed.begin().await;
    for n in 0..10 {
        writer.scratch_put(&n.to_string(), "".into()).await.unwrap();
    }
    writer.commit().await.unwrap();
    let mut other = bed.begin().await;
    let full = Err(Error::ScratchFull {
        limit: 10 * (ENTRY + 1),
    });
    assert_eq!(other.scratch_put("a", "".into()).await, full);
    other.scratch_delete("0").await.unwrap();
    other.scratch_put("a", "".into()).await.unwrap();
    other.commit().await.unwrap();
}

#[tokio::test]
async fn a_list_has_the_keys_of_a_prefix_with_its_own_changes() {
    let bed = bed(10 * ENTRY);
    let mut writer = bed.begin().await;
    for key in ["a/1", "a/2", "a", "b/1"] {
        writer.scratch_put(key, "".into()).await.unwrap();
    }
    writer.commit().await.unwrap();
    let mut other = bed.begin().await;
    other.scratch_put("a/3", "".into()).await.unwrap();
    other.scratch_delete("a/1").await.unwrap();
    assert_eq!(keys(&mut other, "a/").await, ["a/2", "a/3"]);
    assert_eq!(keys(&mut other, "").await, ["a", "a/2", "a/3", "b/1"]);
    assert_eq!(keys(&mut other, "c").await, [""; 0]);
    assert_eq!(keys(&mut bed.begin().await, "a/").await, ["a/1", "a/2"]);
}

#[tokio::test]
async fn a_list_conflicts_with_a_change_and_writers_do_not() {
    let bed = bed(10 * ENTRY);
    let mut lister = bed.begin().await;
    assert_eq!(keys(&mut lister, "a").await, [""; 0]);
    let (mut one, mut two) = (bed.begin().await, bed.begin().await);
    one.scratch_put("a1", "".into()).await.unwrap();
    two.scratch_put("a2", "".into()).await.unwrap();
    one.commit().await.unwrap();
    two.commit().await.unwrap();
    assert_eq!(lister.commit().await, Err(Error::Conflict));
    assert_eq!(keys(&mut bed.begin().await, "a").await, ["a1", "a2"]);
}

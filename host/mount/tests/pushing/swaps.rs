//! Another guest takes over, or does not.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use airlock_faults::{Call, Fault, Gate};
use airlock_sandbox::Services;
use airlock_storage::{Rejection, Storage as _, StorageEntry};
use airlock_trust::Digest;
use serde_json::{Value, json};
use tokio::time::timeout;
use vault_plugin::Backend as _;

use crate::support::*;

/// Polls a future once.
fn poll<T>(future: &mut Pin<Box<impl Future<Output = T>>>) -> Poll<T> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_pushed_guest_runs_and_runs_again_where_nobody_pushed_it() {
    let storage = storage();
    let waiting = mount(&storage).await;
    let status = read(&waiting, ".airlock").await.unwrap();
    assert_eq!(
        (&status["host"], &status["running"]),
        (&json!("airlock"), &Value::Null)
    );
    let refused = read(&waiting, "ok").await.unwrap_err();
    assert_eq!(refused.status(), 503, "{refused}");

    let mount = first(&storage, &adversary("0.1.0")).await;
    assert_eq!(read(&mount, "ok").await.unwrap(), json!({}));
    let status = read(&mount, ".airlock/status").await.unwrap();
    assert_eq!(status["running"]["source"], json!("storage"));
    assert_eq!(status["active"], status["running"]["sha256"]);
}

#[tokio::test]
async fn another_guest_takes_over_and_back_and_what_is_stored_stays() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    assert_eq!(read(&mount, "increment").await.unwrap(), json!({ "count": 1 }));
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    let answer = swap(&mount, second).await.unwrap();
    assert_eq!(answer["running"]["version"], json!("0.2.0"));
    assert_eq!(answer["rollback_possible"], json!(true));
    assert_eq!(read(&mount, "increment").await.unwrap(), json!({ "count": 2 }));
    // Again, which changes nothing.
    swap(&mount, second).await.unwrap();
    assert_eq!(runs(&mount).await, "0.2.0");

    write(&mount, ".airlock/rollback", json!({})).await.unwrap();
    assert_eq!(runs(&mount).await, "0.1.0");
    assert_eq!(read(&mount, "increment").await.unwrap(), json!({ "count": 3 }));
    let refused = write(&mount, ".airlock/rollback", json!({})).await.unwrap_err();
    assert!(refused.to_string().contains("none to go back to"), "{refused}");
}

#[tokio::test]
async fn a_request_of_the_old_guest_runs_again_on_the_new_one() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    read(&mount, "increment").await.unwrap();
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    let gets = storage.calls(Call::Get);
    let held = storage.hold(Call::Get, gets + 1);
    let running = tokio::spawn({
        let mount = mount.clone();
        async move { read(&mount, "increment").await }
    });
    while storage.calls(Call::Get) == gets {
        tokio::task::yield_now().await;
    }
    swap(&mount, second).await.unwrap();
    held.open();
    let answer = timeout(TOO_LONG, running).await.unwrap().unwrap().unwrap();
    assert_eq!(answer, json!({ "count": 2 }));
    assert_eq!(runs(&mount).await, "0.2.0");
}

#[tokio::test]
async fn a_guest_that_fails_its_trial_does_not_take_over() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    let before = storage.get(RECORD).await.unwrap();
    for command in ["trap", "panic", "write-then-fail", "loop"] {
        storage
            .put(StorageEntry::new("adversary/initialize", command))
            .await
            .unwrap();
        let refused = timeout(TOO_LONG, swap(&mount, second))
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!(refused.status(), 400, "{command}: {refused}");
        assert!(refused.to_string().contains("cannot be initialized"), "{refused}");
        assert_eq!(runs(&mount).await, "0.1.0");
        assert_eq!(read(&mount, "ok").await.unwrap(), json!({}));
    }
    assert_eq!(storage.get(RECORD).await.unwrap(), before);
    assert!(storage.get("adversary/written").await.unwrap().is_none());
}

#[tokio::test]
async fn a_guest_whose_real_initialize_fails_gives_the_mount_back() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    // It stores, which its trial does not do.
    storage
        .put(StorageEntry::new("adversary/initialize", "commit"))
        .await
        .unwrap();
    let before = storage.get(RECORD).await.unwrap();
    storage.nth(Call::Put, 2, Fault::Reject(Rejection::TooLarge));
    let refused = swap(&mount, second).await.unwrap_err();
    assert!(refused.to_string().contains("runs on"), "{refused}");
    assert_eq!(runs(&mount).await, "0.1.0");
    assert_eq!(storage.get(RECORD).await.unwrap(), before);
    storage.heal();
    swap(&mount, second).await.unwrap();
    assert_eq!(runs(&mount).await, "0.2.0");
}

#[tokio::test]
async fn storage_that_takes_no_record_keeps_the_old_guest() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    storage.every(Call::Put, Fault::Fail);
    let refused = swap(&mount, second).await.unwrap_err();
    assert_eq!(refused.status(), 503, "{refused}");
    storage.heal();
    assert_eq!(runs(&mount).await, "0.1.0");
    assert_eq!(read(&mount, "increment").await.unwrap(), json!({ "count": 1 }));
}

#[tokio::test]
async fn another_engine_and_other_special_paths_are_refused() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let kv = store(&mount, &built("kv")).await.unwrap();
    let refused = swap(&mount, kv).await.unwrap_err().to_string();
    assert!(
        refused.contains("the guest is kv, and this mount runs adversary"),
        "{refused}"
    );
    let other = store(&mount, &replaced(adversary("0.2.0"), "root/*", "rood/*"))
        .await
        .unwrap();
    let refused = swap(&mount, other).await.unwrap_err().to_string();
    assert!(
        refused.contains("other special paths (sudo) than those that Vault enforces here"),
        "{refused}"
    );
    assert_eq!(runs(&mount).await, "0.1.0");
}

#[tokio::test]
async fn an_unreadable_record_is_no_reason_to_run_another_guest() {
    let storage = storage();
    let before = first(&storage, &adversary("0.1.0")).await;
    drop(before);
    storage.put(StorageEntry::new(RECORD, "{}")).await.unwrap();
    let mount = mount(&storage).await;
    let refused = read(&mount, "ok").await.unwrap_err();
    assert_eq!(refused.status(), 503, "{refused}");
    let status = read(&mount, ".airlock/status").await.unwrap();
    assert!(
        status["cause"].as_str().unwrap().contains("not a record"),
        "{status}"
    );
}

#[tokio::test]
async fn a_node_follows_the_record_that_another_node_wrote() {
    let storage = storage();
    let here = first(&storage, &adversary("0.1.0")).await;
    assert_eq!(runs(&here).await, "0.1.0");
    let there = mount(&storage).await;
    let second = store(&there, &adversary("0.2.0")).await.unwrap();
    swap(&there, second).await.unwrap();
    assert_eq!(runs(&here).await, "0.1.0");
    here.invalidate_key(RECORD).await;
    assert_eq!(runs(&here).await, "0.2.0");
}

#[tokio::test]
async fn a_mount_at_an_unseal_does_not_wait_for_its_guest() {
    let storage = storage();
    let before = first(&storage, &adversary("0.1.0")).await;
    read(&before, "ok").await.unwrap();
    drop(before);
    storage.set_read_only(true);
    let before = storage.calls(Call::Get);
    let mount = mount(&storage).await;
    // The two records, and no piece of the guest.
    assert_eq!(storage.calls(Call::Get) - before, 2);
    storage.set_read_only(false);
    assert_eq!(read(&mount, "ok").await.unwrap(), json!({}));
}

#[tokio::test]
async fn a_change_of_which_nobody_knows_keeps_out_another_one() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    let third = store(&mount, &adversary("0.3.0")).await.unwrap();
    let late = Gate::new();
    storage.nth(Call::Put, 1, Fault::ApplyLate(late.clone()));
    let refused = swap(&mount, second).await.unwrap_err();
    assert_eq!(refused.status(), 503, "{refused}");
    assert_eq!(runs(&mount).await, "0.1.0");
    // Otherwise the record of the second could take the place of the third's.
    let refused = swap(&mount, third).await.unwrap_err();
    assert!(refused.to_string().contains("repeat that change"), "{refused}");
    assert_eq!(runs(&mount).await, "0.1.0");
    swap(&mount, second).await.unwrap();
    late.open();
    assert_eq!(runs(&mount).await, "0.2.0");
}

#[tokio::test]
async fn a_guest_of_the_process_that_cannot_be_loaded_may_not_be_replaced() {
    let storage = storage();
    let before = first(&storage, &adversary("0.1.0")).await;
    drop(before);
    // As if the guest of the process had served until now.
    storage.delete(RECORD).await.unwrap();
    let mount = mount_with(&storage, true, Services::default()).await;
    let pushed = store(&mount, &adversary("0.2.0")).await.unwrap();
    let refused = swap(&mount, pushed).await.unwrap_err();
    assert_eq!(refused.status(), 400, "{refused}");
    assert!(refused.to_string().contains("cannot be loaded"), "{refused}");
}

#[tokio::test]
async fn a_mount_is_taken_down_only_after_a_change_of_guest_that_has_begun() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    let held = storage.hold(Call::Put, 1);
    let swapping = tokio::spawn({
        let mount = mount.clone();
        async move { swap(&mount, second).await }
    });
    timeout(TOO_LONG, held.reached()).await.unwrap();
    let mut down = Box::pin(mount.cleanup());
    assert!(poll(&mut down).is_pending(), "the record is still being written");
    held.open();
    timeout(TOO_LONG, down).await.unwrap();
    timeout(TOO_LONG, swapping).await.unwrap().unwrap().unwrap();
    let back = Digest::of(&adversary("0.1.0"));
    let refused = swap(&mount, back).await.unwrap_err();
    assert!(refused.to_string().contains("taken down"), "{refused}");
}

//! A mount's requests are recorded while guests come and go.

use std::sync::Arc;

use airlock_mount::VaultMount;
use airlock_mount::recording::replay::Recorded;
use airlock_storage::{Storage as _, StorageEntry};
use serde_json::{Value, json};
use tokio::time::timeout;
use vault_plugin::{Backend as _, Operation, Request};

use crate::support::*;

async fn begin(mount: &VaultMount) {
    let begun = write(mount, ".airlock/record", json!({ "seconds": 600 })).await;
    assert_eq!(begun.unwrap()["state"], json!("running"));
}

async fn report(mount: &VaultMount) -> Value {
    read(mount, ".airlock/record").await.unwrap()
}

/// Sends requests until so many are recorded.
async fn recorded(mount: &VaultMount, path: &str, count: u64) {
    let enough = async {
        while report(mount).await["recorded"].as_u64().unwrap() < count {
            read(mount, path).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    timeout(TOO_LONG, enough).await.expect("they are not recorded");
}

async fn lines(mount: &VaultMount) -> String {
    let stopped = write(mount, ".airlock/record/stop", json!({})).await.unwrap();
    let mut text = String::new();
    for number in 0..stopped["pieces"].as_u64().unwrap() {
        let path = format!(".airlock/record/pieces/{number}");
        text += read(mount, &path).await.unwrap()["lines"].as_str().unwrap();
    }
    text
}

#[tokio::test]
async fn a_recording_ends_when_another_guest_takes_over() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    begin(&mount).await;
    recorded(&mount, "increment", 1).await;
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    swap(&mount, second).await.unwrap();
    let ended = async {
        while report(&mount).await["state"] != json!("guest-changed") {
            read(&mount, "increment").await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    timeout(TOO_LONG, ended).await.expect("it goes on");
    // What was recorded of the first guest is there.
    assert!(Recorded::read(&lines(&mount).await).is_ok());
    begin(&mount).await;
}

#[tokio::test]
async fn a_check_that_fails_is_counted_as_a_check() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let command = StorageEntry::new("adversary/check-existence", "trap");
    storage.put(command).await.unwrap();
    begin(&mount).await;
    // As Vault does: the write comes although its check could not be made.
    let mut request = Request::new(Operation::Update, "ok");
    request.id = "one".to_owned();
    assert_eq!(mount.check_existence(request.clone()).await.unwrap(), None);
    let refused = mount.handle_request(request).await.unwrap_err();
    assert!(refused.to_string().contains("existence check"), "{refused}");
    // Neither the check nor its write, which does not run, has an answer to record.
    let expected = json!({ "check": 1, "update": 1 });
    let counted = async {
        while report(&mount).await["not_comparable"] != expected {
            tokio::task::yield_now().await;
        }
    };
    timeout(TOO_LONG, counted).await.expect("they are not counted so");
}

#[tokio::test]
async fn nothing_is_recorded_while_a_guest_is_tried_or_after_a_take_down() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    let target = json!({ "sha256": second, "canary": 1000 });
    write(&mount, ".airlock/swap", target).await.unwrap();
    let refused = write(&mount, ".airlock/record", json!({})).await.unwrap_err();
    assert!(refused.to_string().contains("is being tried"), "{refused}");

    let mount: Arc<VaultMount> = first(&crate::support::storage(), &adversary("0.1.0")).await;
    begin(&mount).await;
    mount.cleanup().await;
    let gone = mount
        .handle_request(Request::new(Operation::Read, ".airlock/record"))
        .await;
    assert_eq!(gone.unwrap_err().status(), 404);
}

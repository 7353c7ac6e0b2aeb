//! A guest is tried on live requests before it takes over.

use std::sync::Arc;

use airlock_mount::VaultMount;
use airlock_sandbox::{LogLine, LogSink, Services};
use airlock_storage::{Storage as _, StorageEntry};
use airlock_trust::Digest;
use serde_json::{Value, json};
use tokio::time::timeout;
use vault_plugin::{Backend as _, Error, Operation, Request};

use crate::support::*;

/// Tries a guest on the next requests.
async fn try_on(mount: &VaultMount, digest: Digest, requests: u32, tolerate: Value) -> Value {
    let target = json!({ "sha256": digest, "canary": requests, "tolerate": tolerate });
    write(mount, ".airlock/swap", target).await.unwrap()
}

/// Sends a request until the trial has ended, and returns its report.
async fn until_tried(mount: &VaultMount, path: &str) -> Value {
    loop {
        let _ = read(mount, path).await;
        let report = read(mount, ".airlock/status").await.unwrap()["canary"]["report"].clone();
        if report["state"] != json!("running") {
            return report;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_guest_that_answers_the_same_takes_over_after_its_trial() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    try_on(&mount, second, 5, json!([])).await;
    assert_eq!(runs(&mount).await, "0.1.0");
    let report = timeout(TOO_LONG, until_tried(&mount, "increment")).await.unwrap();
    assert_eq!(
        (&report["state"], &report["differences"]),
        (&json!("passed"), &json!({}))
    );
    assert_eq!(report["same"]["read"], json!(5), "{report}");
    while runs(&mount).await != "0.2.0" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_guest_that_answers_otherwise_stays_out_and_the_report_names_no_value() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let other = replaced(adversary("0.2.0"), "{\"count\":", "{\"c0unt\":");
    let second = store(&mount, &other).await.unwrap();
    try_on(&mount, second, 5, json!([])).await;
    let report = timeout(TOO_LONG, until_tried(&mount, "increment")).await.unwrap();
    let expected = json!({ "read: field c0unt": 5, "read: field count": 5 });
    assert_eq!(
        (&report["state"], &report["differences"]),
        (&json!("differs"), &expected)
    );
    assert_eq!(runs(&mount).await, "0.1.0");

    try_on(&mount, second, 5, json!(["count", "c0unt"])).await;
    let report = timeout(TOO_LONG, until_tried(&mount, "increment")).await.unwrap();
    assert_eq!(report["state"], json!("passed"), "{report}");
}

#[tokio::test]
async fn the_time_is_the_same_and_what_cannot_be_repeated_is_counted() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    try_on(&mount, second, 2, json!([])).await;
    let report = timeout(TOO_LONG, until_tried(&mount, "now")).await.unwrap();
    assert_eq!(report["state"], json!("passed"), "{report}");

    let third = store(&mount, &adversary("0.3.0")).await.unwrap();
    while runs(&mount).await != "0.2.0" {
        tokio::task::yield_now().await;
    }
    try_on(&mount, third, 2, json!([])).await;
    // It traps on the guest that runs, so there is no answer to compare with.
    let report = timeout(TOO_LONG, until_tried(&mount, "trap")).await.unwrap();
    assert_eq!(report["state"], json!("too-few-comparable"), "{report}");
    assert_eq!(report["not_comparable"]["read"], json!(2), "{report}");
    assert_eq!(runs(&mount).await, "0.2.0");
}

/// Sends a write as Vault does: its existence check first, then a create or an update by the check's answer.
async fn checked_write(mount: &VaultMount, path: &str, number: usize) -> Result<Value, Error> {
    let request = |operation| {
        let mut request = Request::new(operation, path);
        request.id = format!("{path} {number}");
        request
    };
    let exists = mount.check_existence(request(Operation::Update)).await?;
    let operation = match exists {
        Some(false) => Operation::Create,
        Some(true) | None => Operation::Update,
    };
    let answer = mount.handle_request(request(operation)).await?;
    Ok(answer.unwrap().data.unwrap().decode().unwrap())
}

/// Sends writes with their checks until the trial has ended. Returns its report and the answers.
async fn until_tried_on_writes(mount: &VaultMount, path: &str) -> (Value, Vec<Value>) {
    let mut answers = Vec::new();
    loop {
        answers.push(checked_write(mount, path, answers.len()).await.unwrap());
        // The check and its write.
        let compared = 2 * answers.len() as u64;
        loop {
            let report = read(mount, ".airlock/status").await.unwrap()["canary"]["report"].clone();
            if report["state"] != json!("running") {
                return (report, answers);
            }
            let counts = ["same", "different"].map(|counted| report[counted].as_object().unwrap().values());
            if counts
                .into_iter()
                .flatten()
                .filter_map(Value::as_u64)
                .sum::<u64>()
                == compared
            {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn checks_are_tried_and_their_writes_go_on_in_the_same_instance() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    try_on(&mount, second, 20, json!([])).await;
    // Each write answers how many checks its instance has answered.
    let tried = timeout(TOO_LONG, until_tried_on_writes(&mount, "checked"));
    let (report, answers) = tried.await.unwrap();
    assert_eq!(report["state"], json!("passed"), "{report}");
    assert_eq!(report["same"], json!({ "check": 10, "create": 10 }), "{report}");
    // A busy machine may take too long for the check of some, whose instance is not kept then.
    assert!(answers.contains(&json!({ "checked": 1 })), "{answers:?}");
    while runs(&mount).await != "0.2.0" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_guest_whose_check_answers_otherwise_stays_out() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let other = replaced(adversary("0.2.0"), "{\"count\":", "{\"c0unt\":");
    let second = store(&mount, &other).await.unwrap();
    // What its check counts it names otherwise, and so finds nothing.
    let command = StorageEntry::new("adversary/check-existence", "increment");
    storage.put(command).await.unwrap();
    try_on(&mount, second, 5, json!(["count", "c0unt"])).await;
    let tried = timeout(TOO_LONG, until_tried_on_writes(&mount, "ok"));
    let (report, _) = tried.await.unwrap();
    assert_eq!(report["state"], json!("differs"), "{report}");
    // All of them are counted, and whatever else the requests did.
    assert_eq!(report["different"], json!({ "check": 3 }), "{report}");
    assert_eq!(report["differences"], json!({ "check: answer": 3 }), "{report}");
    assert_eq!(report["same"], json!({ "update": 2 }), "{report}");
    assert_eq!(runs(&mount).await, "0.1.0");
    assert_eq!(storage.get("adversary/count").await.unwrap(), None);
}

#[tokio::test]
async fn a_check_that_fails_is_counted_as_a_check() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    let command = StorageEntry::new("adversary/check-existence", "trap");
    storage.put(command).await.unwrap();
    try_on(&mount, second, 1, json!([])).await;
    checked_write(&mount, "ok", 0).await.unwrap_err();
    let ended = async {
        loop {
            let report = read(&mount, ".airlock/status").await.unwrap()["canary"]["report"].clone();
            if report["state"] != json!("running") {
                return report;
            }
            tokio::task::yield_now().await;
        }
    };
    let report = timeout(TOO_LONG, ended).await.unwrap();
    assert_eq!(report["not_comparable"], json!({ "check": 1 }), "{report}");
}

#[tokio::test]
async fn a_guest_that_is_being_tried_is_not_collected() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    // It was pushed long ago.
    let key = format!(".airlock/guests/{second}");
    let stored = storage.get(&key).await.unwrap().unwrap();
    let mut manifest: Value = serde_json::from_slice(&stored.value).unwrap();
    manifest["pushed"] = json!(0);
    let entry = StorageEntry::new(key, manifest.to_string());
    storage.put(entry).await.unwrap();
    try_on(&mount, second, 2, json!([])).await;
    let collected = write(&mount, ".airlock/gc", json!({})).await.unwrap();
    assert_eq!(collected["guests"], json!(0), "{collected}");
    let report = timeout(TOO_LONG, until_tried(&mount, "increment")).await.unwrap();
    assert_eq!(report["state"], json!("passed"), "{report}");
    while runs(&mount).await != "0.2.0" {
        tokio::task::yield_now().await;
    }
}

/// A log that nobody reads. Every guest on the mount holds it.
struct NoLog;

impl LogSink for NoLog {
    fn log(&self, _: LogLine<'_>) {}
}

#[tokio::test]
async fn nothing_of_a_guest_stays_in_memory_after_its_trial() {
    let storage = storage();
    drop(first(&storage, &adversary("0.1.0")).await);
    let log = Arc::new(NoLog);
    let services = Services {
        log: log.clone(),
        ..Services::default()
    };
    let mount = mount_with(&storage, false, services).await;
    let other = replaced(adversary("0.2.0"), "{\"count\":", "{\"c0unt\":");
    let second = store(&mount, &other).await.unwrap();
    read(&mount, "ok").await.unwrap();
    let before = Arc::strong_count(&log);
    try_on(&mount, second, 5, json!([])).await;
    assert!(Arc::strong_count(&log) > before);
    let report = timeout(TOO_LONG, until_tried(&mount, "increment")).await.unwrap();
    assert_eq!(report["state"], json!("differs"), "{report}");
    let dropped = async {
        while Arc::strong_count(&log) > before {
            tokio::task::yield_now().await;
        }
    };
    timeout(TOO_LONG, dropped)
        .await
        .expect("the guest that was tried is still there");
}

#[tokio::test]
async fn a_trial_ends_when_the_mount_is_taken_down() {
    let storage = storage();
    let mount = first(&storage, &adversary("0.1.0")).await;
    let second = store(&mount, &adversary("0.2.0")).await.unwrap();
    try_on(&mount, second, 1, json!([])).await;
    mount.cleanup().await;
    let before = storage.get(RECORD).await.unwrap();
    let _ = read(&mount, "ok").await;
    let status = read(&mount, ".airlock/status").await.unwrap();
    assert_eq!(status["canary"], Value::Null, "{status}");
    assert_eq!(storage.get(RECORD).await.unwrap(), before);
}

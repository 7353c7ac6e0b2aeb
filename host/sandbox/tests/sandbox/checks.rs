//! An existence check has no effect, neither when Vault asks for it nor when the host repeats it in the request.

use std::sync::Arc;
use std::time::Duration;

use airlock_faults::{Call, FaultyStorage};
use airlock_sandbox::types::{Error as Answer, Operation, Request};
use airlock_sandbox::{CallError, Limits, MountContext, Services};
use airlock_storage::{Attempt, MemoryStorage, Mount, Settings, StorageEntry};

use crate::support::{Bench, load};

/// Returns a guest whose check does what the command says. `ok` and `scratch-read` exist, so that they can be updated.
async fn checking_by(command: &str) -> Bench {
    let bench = Bench::new("adversary", Limits::default()).await;
    bench.store("adversary/check-existence", command);
    bench.store("adversary/ok", "1");
    bench.store("adversary/scratch-read", "1");
    bench
}

/// Returns an update without an id, so that the host repeats the check.
fn update(path: &str) -> Request {
    Request::new(Operation::Update, path)
}

#[tokio::test]
async fn a_repeated_check_stores_and_sends_nothing() {
    let bench = checking_by("write-with-event").await;
    assert_eq!(bench.send(update("ok")).await.unwrap(), "{}");
    assert_eq!(bench.stored("adversary/written"), None);
    assert!(bench.log.events.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_repeated_check_leaves_nothing_in_scratch() {
    let bench = checking_by("scratch-write").await;
    for _ in 0..2 {
        assert_eq!(
            bench.send(update("scratch-read")).await.unwrap(),
            r#"{"there":false}"#
        );
    }
}

#[tokio::test]
async fn a_check_that_commits_or_wraps_is_refused_and_stores_nothing() {
    for (command, told) in [("commit", "denied: "), ("wrap", "no wrapping")] {
        let bench = checking_by(command).await;
        let checked = bench.guest.check_existence(&bench.mount, update("ok")).await;
        for result in [
            checked.result.map(|_| ()),
            bench.send(update("ok")).await.map(|_| ()),
        ] {
            match result {
                Err(CallError::Guest(Answer::User(text))) => assert!(text.starts_with(told), "{text}"),
                other => panic!("{command}: {other:?}"),
            }
        }
        assert_eq!(bench.stored("adversary/written"), None, "{command}");
    }
}

#[tokio::test]
async fn a_request_is_not_run_if_its_repeated_check_fails() {
    let bench = checking_by("write-then-fail").await;
    bench.store("adversary/write-with-event", "1");
    match bench.send(update("write-with-event")).await {
        Err(CallError::Guest(Answer::User(text))) => assert_eq!(text, "changed my mind"),
        other => panic!("{other:?}"),
    }
    assert_eq!(bench.stored("adversary/written"), None);
}

#[tokio::test]
async fn a_repeated_check_that_finds_storage_busy_is_503() {
    let memory = Arc::new(MemoryStorage::new());
    let storage = FaultyStorage::over(memory.clone());
    let mut bench = Bench::over(
        load("adversary", Limits::default()).await,
        Arc::new(storage.clone()),
        memory,
    );
    let settings = Settings {
        wait: Duration::from_millis(20),
        ..bench
            .guest
            .description()
            .storage_settings(airlock_storage::Settings::default())
    };
    let mount = Mount::new(Arc::new(storage.clone()), settings);
    bench.mount = MountContext::new(mount.clone(), Services::default(), vec![], bench.guest.limits());
    bench.store("adversary/ok", "1");
    mount.recover().await.unwrap();

    // Another request is writing what the check reads.
    let written = storage.hold(Call::Put, 1);
    let mut writer = mount.begin(Attempt::FIRST).await.unwrap();
    writer.put(StorageEntry::new("adversary/ok", "2")).await.unwrap();
    let writing = tokio::spawn(async move { writer.commit().await });
    written.reached().await;
    let error = bench.send(update("ok")).await.unwrap_err();
    assert_eq!(error.status(), 503, "{error}");
    assert!(error.to_string().contains("busy"), "{error}");
    written.open();
    writing.await.unwrap().unwrap();
}

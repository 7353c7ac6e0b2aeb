//! Tests guest/kv, the file that ships.

use std::sync::Arc;

use airlock_faults::{Call, Fault, FaultyStorage};
use airlock_sandbox::types::{Error as Answer, Operation, Request};
use airlock_sandbox::{CallError, Limits};
use airlock_storage::{MemoryStorage, Result as Stored, Storage, StorageEntry};
use async_trait::async_trait;

use crate::support::{Bench, load};

async fn kv() -> Bench {
    Bench::new("kv", Limits::default()).await
}

fn write(operation: Operation, path: &str, data: &str) -> Request {
    let mut request = Request::new(operation, path);
    request.data = Some(data.into());
    request
}

fn refusal(result: Result<String, CallError>) -> Answer {
    match result {
        Err(CallError::Guest(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_written_is_read() {
    let kv = kv().await;
    let written = kv
        .send(write(Operation::Create, "a/b", r#"{"value":"hello"}"#))
        .await
        .unwrap();
    assert_eq!(written, r#"{"message":"key created"}"#);
    assert_eq!(kv.stored("kv/a/b").unwrap(), "hello");
    assert_eq!(
        kv.ask(Operation::Read, "a/b").await.unwrap(),
        r#"{"value":"hello"}"#
    );

    let written = kv
        .send(write(
            Operation::Update,
            "a/b",
            r#"{"value":{"n":12345678901234567890}}"#,
        ))
        .await
        .unwrap();
    assert_eq!(written, r#"{"message":"key updated"}"#);
    assert_eq!(kv.stored("kv/a/b").unwrap(), r#"{"n":12345678901234567890}"#);
}

#[tokio::test]
async fn a_check_is_charged_for_the_value_that_storage_sends() {
    let limits = Limits {
        transfer_bytes: 64 << 10,
        ..Limits::default()
    };
    let kv = Bench::new("kv", limits).await;
    kv.store("kv/a", &"x".repeat(65 << 10));
    let check = Request::new(Operation::Update, "a");
    let outcome = kv.guest.check_existence(&kv.mount, check).await;
    let Err(CallError::Guest(Answer::Internal(text))) = outcome.result else {
        panic!("{:?}", outcome.result);
    };
    assert!(text.contains("--transfer-mib"), "{text}");
}

#[tokio::test]
async fn what_is_deleted_is_gone_and_may_be_deleted_again() {
    let kv = kv().await;
    kv.store("kv/a", "1");
    for _ in 0..2 {
        assert_eq!(
            kv.ask(Operation::Delete, "a").await.unwrap(),
            r#"{"message":"key deleted"}"#
        );
    }
    assert_eq!(
        refusal(kv.ask(Operation::Read, "a").await),
        Answer::User("key not found".into())
    );
}

#[tokio::test]
async fn a_folder_lists_what_is_below_it() {
    let kv = kv().await;
    for key in ["kv/a/1", "kv/a/b/2", "kv/c", "other/x"] {
        kv.store(key, "v");
    }
    assert_eq!(
        kv.ask(Operation::List, "").await.unwrap(),
        r#"{"keys":["a/","c"]}"#
    );
    assert_eq!(
        kv.ask(Operation::List, "a/").await.unwrap(),
        r#"{"keys":["1","b/"]}"#
    );
    assert_eq!(
        kv.ask(Operation::List, "nothing/").await.unwrap(),
        r#"{"keys":[]}"#
    );
}

#[tokio::test]
async fn existence_is_what_decides_between_create_and_update() {
    let kv = kv().await;
    let check = || {
        kv.guest
            .check_existence(&kv.mount, Request::new(Operation::Update, "a"))
    };
    assert_eq!(check().await.result.unwrap(), Some(false));
    kv.store("kv/a", "1");
    assert_eq!(check().await.result.unwrap(), Some(true));
}

#[tokio::test]
async fn any_path_works() {
    let kv = kv().await;
    let deep = vec!["d"; 200].join("/");
    for path in [
        "ünï/çødé/日本",
        "with space/and'quote\"",
        "a.b/.c",
        "%2e%2e",
        deep.as_str(),
    ] {
        kv.send(write(Operation::Create, path, r#"{"value":"v"}"#))
            .await
            .unwrap();
        assert_eq!(
            kv.ask(Operation::Read, path).await.unwrap(),
            r#"{"value":"v"}"#,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_value_of_a_mebibyte_fits() {
    let kv = kv().await;
    let value = "x".repeat(1 << 20);
    kv.send(write(
        Operation::Create,
        "big",
        &format!(r#"{{"value":"{value}"}}"#),
    ))
    .await
    .unwrap();
    assert_eq!(kv.stored("kv/big").unwrap(), value);
    assert_eq!(
        kv.ask(Operation::Read, "big").await.unwrap().len(),
        value.len() + r#"{"value":""}"#.len()
    );
}

#[tokio::test]
async fn mistakes_are_told_to_the_caller() {
    let kv = kv().await;
    let user = |text: &str| Answer::User(text.into());
    let create = |path: &'static str, data: &'static str| kv.send(write(Operation::Create, path, data));
    assert_eq!(refusal(create("a", "{}").await), user("missing field: value"));
    assert_eq!(
        refusal(create("", r#"{"value":"v"}"#).await),
        user("missing path")
    );
    assert_eq!(
        refusal(kv.ask(Operation::Read, "none").await),
        user("key not found")
    );
    for operation in [
        Operation::Patch,
        Operation::Renew,
        Operation::Rotate,
        Operation::Other("new".into()),
    ] {
        assert_eq!(
            refusal(kv.ask(operation, "a").await),
            user("unsupported operation")
        );
    }
    assert_eq!(
        refusal(kv.ask(Operation::Rollback, "").await),
        Answer::UnsupportedOperation
    );
    assert!(kv.ask(Operation::Help, "").await.unwrap().contains("help"));
}

#[tokio::test]
async fn initialize_logs_that_the_engine_is_ready() {
    let kv = kv().await;
    kv.guest.initialize(&kv.mount).await.result.unwrap();
    assert_eq!(
        *kv.log.lines.lock().unwrap(),
        ["Level::Info kv kv engine is ready [] 1"]
    );
}

/// Storage that fails in every call that a guest makes.
struct Failing(airlock_storage::Error);

#[async_trait]
impl Storage for Failing {
    async fn get(&self, _: &str) -> Stored<Option<StorageEntry>> {
        Err(self.0.clone())
    }
    async fn put(&self, _: StorageEntry) -> Stored<()> {
        Err(self.0.clone())
    }
    async fn delete(&self, _: &str) -> Stored<()> {
        Err(self.0.clone())
    }
    /// Succeeds for the host, which looks for what a crash may have left before the first request.
    async fn list(&self, folder: &str) -> Stored<Vec<String>> {
        if folder.starts_with(".airlock/") {
            Ok(vec![])
        } else {
            Err(self.0.clone())
        }
    }
}

async fn over(error: airlock_storage::Error) -> Bench {
    let guest = load("kv", Limits::default()).await;
    Bench::over(guest, Arc::new(Failing(error)), Arc::new(MemoryStorage::new()))
}

#[tokio::test]
async fn storage_failures_say_what_failed_and_why() {
    let kv = over(airlock_storage::Error::Backend("disk on fire".into())).await;
    let failure = |result| match refusal(result) {
        Answer::Internal(text) => text,
        other => panic!("{other:?}"),
    };
    let text = failure(kv.ask(Operation::Read, "a").await);
    assert!(
        text.starts_with("failed to get data: ") && text.contains("disk on fire"),
        "{text}"
    );
    // The host commits, so it tells this failure.
    let outcome = kv
        .run(Request::new(Operation::Delete, "a"))
        .await
        .result
        .unwrap_err();
    assert_eq!(outcome.status(), 500);
    assert!(outcome.to_string().contains("disk on fire"), "{outcome}");
    // The existence check fails, so the create is not run.
    let text = failure(kv.send(write(Operation::Create, "a", r#"{"value":"v"}"#)).await);
    assert!(
        text.starts_with("failed to get data: ") && text.contains("disk on fire"),
        "{text}"
    );
}

#[tokio::test]
async fn a_storage_that_may_work_later_is_503() {
    let kv = kv().await;
    // A mount that is drained before its first request begins no request at all.
    kv.guest.initialize(&kv.mount).await.result.unwrap();
    kv.mount.storage().drain().await;
    let write = kv
        .run(write(Operation::Create, "a", r#"{"value":"v"}"#))
        .await
        .result
        .unwrap_err();
    assert_eq!(write.status(), 503);
    assert!(
        write.to_string().contains("this mount is being taken down"),
        "{write}"
    );
}

#[tokio::test]
async fn a_key_that_storage_cannot_hold_is_the_callers_mistake() {
    let kv = kv().await;
    match refusal(kv.ask(Operation::Read, "a//b").await) {
        Answer::User(text) => assert!(
            text.starts_with("failed to get data: not a storage key: "),
            "{text}"
        ),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_entry_that_storage_rejects_is_the_callers_mistake_in_the_servers_words() {
    for (rejection, status) in [
        (airlock_storage::Rejection::TooLarge, 413),
        (airlock_storage::Rejection::Key, 400),
    ] {
        let storage = Arc::new(MemoryStorage::new());
        let faulty = FaultyStorage::over(storage.clone());
        faulty.every(Call::Put, Fault::Reject(rejection));
        let kv = Bench::over(load("kv", Limits::default()).await, Arc::new(faulty), storage);
        let write = kv
            .run(write(Operation::Create, "a", r#"{"value":"v"}"#))
            .await
            .result
            .unwrap_err();
        assert_eq!(write.status(), status);
        assert!(
            write.to_string().ends_with("storage is small on purpose"),
            "{write}"
        );
    }
}

#[tokio::test]
async fn read_only_storage_is_said_so_that_the_server_forwards() {
    let kv = over(airlock_storage::Error::ReadOnly).await;
    let result = kv
        .run(write(Operation::Create, "a", r#"{"value":"v"}"#))
        .await
        .result;
    assert!(result.unwrap_err().is_read_only());
}

#[tokio::test]
async fn a_large_write_runs_once_and_keeps_what_its_check_read() {
    for bytes in [1, 600 << 10] {
        let memory = Arc::new(MemoryStorage::new());
        let storage = FaultyStorage::over(memory.clone());
        let kv = Bench::over(
            load("kv", Limits::default()).await,
            Arc::new(storage.clone()),
            memory,
        );
        let mut request = write(
            Operation::Create,
            "a",
            &format!(r#"{{"value":"{}"}}"#, "x".repeat(bytes)),
        );
        request.id = "one".into();
        let check = kv.guest.check_existence(&kv.mount, request.clone()).await;
        assert_eq!(check.result.unwrap(), Some(false));
        let outcome = kv.run(request).await;
        assert!(outcome.result.is_ok());
        assert_eq!(
            (outcome.usage.attempts, storage.calls(Call::Get)),
            (1, 1),
            "{bytes}"
        );
        assert_eq!(kv.stored("kv/a").unwrap().len(), bytes);
    }
}

/// The guest has a stack of 16 KiB.
#[tokio::test]
async fn json_is_stored_however_deep_it_is() {
    let kv = kv().await;
    let deep = format!("{}{}", "[".repeat(9_000), "]".repeat(9_000));
    let data = format!(r#"{{"value":{deep}}}"#);
    kv.send(write(Operation::Create, "a", &data)).await.unwrap();
    assert_eq!(kv.stored("kv/a").unwrap(), deep);
    assert!(kv.ask(Operation::Read, "a").await.unwrap().contains(&deep));
}

/// A guest is likely to hand over a value that it reads, which would be too much at once in the fast lane.
#[tokio::test]
async fn a_value_of_a_mebibyte_is_read_in_one_run() {
    let kv = kv().await;
    kv.store("kv/a", &format!("{:?}", "x".repeat(1 << 20)));
    // The first ones may take so long that they move for that reason.
    for _ in 0..20 {
        let outcome = kv.run(Request::new(Operation::Read, "a")).await;
        assert!(outcome.result.unwrap().unwrap().data.unwrap().as_str().len() > 1 << 20);
        assert_eq!(outcome.usage.attempts, 1);
    }
}

//! An error that rests on a state that never existed is not reported: the request runs again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use airlock_faults::{Call, FaultyStorage};
use airlock_sandbox::types::{Json, Nanoseconds, Operation, Request, WrapInfo};
use airlock_sandbox::{CallError, Limits, MountContext, Services, System, SystemError};
use airlock_storage::{Attempt, MemoryStorage, StorageEntry};
use async_trait::async_trait;

use crate::support::{Bench, load, sandbox};
use crate::synthetic::Synthetic;

/// Writes two keys together, so that their values are always the same.
async fn write_both(bench: &Bench, value: &'static str) {
    let mut transaction = bench.mount.storage().begin(Attempt::FIRST).await.unwrap();
    for key in ["adversary/one", "adversary/two"] {
        transaction.put(StorageEntry::new(key, value)).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

/// Returns limits that the commands below exceed soon.
fn limits() -> Limits {
    Limits {
        memory_bytes: 16 << 20,
        transfer_bytes: 8 << 20,
        ..Limits::default()
    }
}

#[tokio::test]
async fn every_error_over_a_snapshot_that_never_was_is_run_again() {
    for (how, is_limit) in [
        ("not-json", false),
        ("status-200", false),
        ("random", false),
        ("memory", true),
        ("write-then-trap", false),
        ("write-then-fail", false),
    ] {
        let memory = Arc::new(MemoryStorage::new());
        let storage = FaultyStorage::over(memory.clone());
        let bench = Arc::new(Bench::over(
            load("adversary", limits()).await,
            Arc::new(storage.clone()),
            memory,
        ));
        write_both(&bench, "1").await;

        // The request has read the first key when the other request writes both.
        let second = storage.hold(Call::Get, 2);
        let torn = tokio::spawn({
            let (bench, path) = (bench.clone(), format!("if-torn {how}"));
            async move { bench.run(Request::new(Operation::Read, path)).await }
        });
        second.reached().await;
        write_both(&bench, "2").await;
        second.open();
        let outcome = torn.await.unwrap();
        assert_eq!(outcome.usage.attempts, 2, "{how}: {:?}", outcome.result);
        assert_eq!(
            outcome.result.unwrap().unwrap().data.unwrap().as_str(),
            "{}",
            "{how}"
        );

        // The same error over a state that exists is reported at once.
        bench.store("adversary/two", "3");
        let outcome = bench
            .run(Request::new(Operation::Read, format!("if-torn {how}")))
            .await;
        assert_eq!(outcome.usage.attempts, 1, "{how}");
        let error = outcome.result.unwrap_err();
        assert_eq!(
            matches!(error, CallError::Limit { .. }),
            is_limit,
            "{how}: {error}"
        );
    }
}

/// A server that wraps data, and counts how often it does.
#[derive(Default)]
struct Wrapping(AtomicU32);

#[async_trait]
impl System for Wrapping {
    async fn wrap_data(&self, _: Json, ttl: Nanoseconds) -> Result<WrapInfo, SystemError> {
        self.0.fetch_add(1, SeqCst);
        Ok(WrapInfo {
            ttl,
            token: String::new(),
            accessor: String::new(),
            creation_time: None,
            wrapped_accessor: String::new(),
            wrapped_entity_id: String::new(),
            format: String::new(),
            creation_path: String::new(),
            seal_wrap: false,
        })
    }
}

/// Gives a mount such a server.
fn wrapping(bench: &mut Bench) -> Arc<Wrapping> {
    let wrapped = Arc::new(Wrapping::default());
    let services = Services {
        system: wrapped.clone(),
        ..Services::default()
    };
    let of_mount = bench.mount.storage().clone();
    bench.mount = MountContext::new(of_mount, services, vec![], bench.guest.limits());
    wrapped
}

#[tokio::test]
async fn nothing_is_wrapped_by_an_attempt_that_is_run_again() {
    let memory = Arc::new(MemoryStorage::new());
    let storage = FaultyStorage::over(memory.clone());
    let guest = load("adversary", limits()).await;
    let mut bench = Bench::over(guest, Arc::new(storage.clone()), memory);
    let wrapped = wrapping(&mut bench);
    let bench = Arc::new(bench);
    let wrap = || Request::new(Operation::Read, "if-torn wrap");
    write_both(&bench, "1").await;

    let second = storage.hold(Call::Get, 2);
    let torn = tokio::spawn({
        let bench = bench.clone();
        async move { bench.run(wrap()).await }
    });
    second.reached().await;
    write_both(&bench, "2").await;
    second.open();
    let outcome = torn.await.unwrap();
    assert_eq!(outcome.usage.attempts, 2, "{:?}", outcome.result);
    assert_eq!(wrapped.0.load(SeqCst), 0);

    bench.store("adversary/two", "3");
    assert_eq!(bench.send(wrap()).await.unwrap(), r#"{"ttl":60000000000}"#);
    assert_eq!(wrapped.0.load(SeqCst), 1);
}

#[tokio::test]
async fn data_is_wrapped_once_though_a_large_answer_follows() {
    // 600 KiB of spaces and an empty object.
    let guest = Synthetic {
        module: r#"(import "airlock:engine/system@0.1.0" "wrap-data" (func $wrap (param i32 i32 i64 i32)))
            (data (i32.const 4096) "\00\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00\01\00\00\00\00\00\01\00\02\60\09\00")
            (data (i32.const 4200) "{}")"#,
        handle_request: r#"
            (drop (memory.grow (i32.const 10)))
            (memory.fill (i32.const 65536) (i32.const 32) (i32.const 614400))
            (i32.store16 (i32.const 679936) (i32.const 0x7d7b))
            (call $wrap (i32.const 4200) (i32.const 2) (i64.const 60000000000) (i32.const 12288))
            (i32.const 4096)"#,
        ..Synthetic::default()
    };
    let guest = sandbox().load(&guest.component(), limits()).await.unwrap();
    let mut bench = Bench::of(guest);
    let wrapped = wrapping(&mut bench);
    let outcome = bench.run(Request::new(Operation::Read, "any")).await;
    assert_eq!(outcome.result.unwrap().unwrap().data.unwrap().trim(), "{}");
    assert_eq!((wrapped.0.load(SeqCst), outcome.usage.attempts), (1, 1));
}

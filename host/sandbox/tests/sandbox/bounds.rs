//! Tests what no limit may let through: calls to the host in a row, and everything that the host holds for a request.

use std::sync::Arc;
use std::time::Duration;

use airlock_sandbox::types::{Operation, Request};
use airlock_sandbox::{CallError, Limit, Limits, Services, System, SystemError};
use airlock_storage::MemoryStorage;
use async_trait::async_trait;

use crate::support::{Bench, mount, sandbox};
use crate::synthetic::{ANY_KEY, Synthetic};

const MIB: u64 = 1 << 20;

/// An address at which memory is zero, which means success without an answer.
const OK: &str = "(i32.const 16)";

const LOG: &str = r#"(import "airlock:engine/log@0.1.0" "log" (func $log (param i32 i32 i32 i32 i32)))"#;

/// Number of lines that [`logs_in_a_row`] logs.
const LINES: usize = 200;

/// Returns a body that logs `lines` lines of `bytes` bytes, one after the other: no loop, and no function of the
/// guest's own.
fn lines_in_a_row(lines: usize, bytes: usize) -> &'static str {
    let line =
        format!("(call $log (i32.const 2) (i32.const 0) (i32.const {bytes}) (i32.const 0) (i32.const 0)) ");
    let pages = bytes.div_ceil(65536);
    format!(
        "(drop (memory.grow (i32.const {pages}))) {} {OK}",
        line.repeat(lines)
    )
    .leak()
}

async fn bench(guest: Synthetic, limits: Limits) -> Bench {
    Bench::of(sandbox().load(&guest.component(), limits).await.unwrap())
}

/// Returns a guest that logs lines of 30 MiB.
async fn logs_in_a_row(limits: Limits) -> Bench {
    let guest = Synthetic {
        module: LOG,
        initialize: lines_in_a_row(LINES, 30 << 20),
        handle_request: lines_in_a_row(LINES, 30 << 20),
        ..Synthetic::default()
    };
    bench(guest, limits).await
}

fn read() -> Request {
    Request::new(Operation::Read, "any")
}

fn limit<T: std::fmt::Debug>(result: Result<T, CallError>) -> Limit {
    match result {
        Err(CallError::Limit { exceeded, .. } | CallError::Busy { exceeded, .. }) => exceeded.limit,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn host_calls_in_a_row_end_with_the_cpu_time() {
    let bench = logs_in_a_row(Limits {
        cpu: Duration::from_millis(50),
        transfer_bytes: u64::MAX,
        ..Limits::default()
    })
    .await;
    let outcome = bench.run(read()).await;
    assert_eq!(limit(outcome.result), Limit::Cpu);
    assert!(
        outcome.usage.cpu >= Duration::from_millis(50),
        "{:?}",
        outcome.usage
    );
    assert!(bench.log.lines.lock().unwrap().len() < LINES);
}

#[tokio::test]
async fn host_calls_in_a_row_end_with_the_time() {
    let bench = logs_in_a_row(Limits {
        cpu: Duration::from_secs(3600),
        wall: Duration::from_millis(50),
        transfer_bytes: u64::MAX,
        ..Limits::default()
    })
    .await;
    assert_eq!(limit(bench.run(read()).await.result), Limit::Wall);
    assert!(bench.log.lines.lock().unwrap().len() < LINES);
}

#[tokio::test]
async fn host_calls_in_a_row_end_initialize() {
    let bench = logs_in_a_row(Limits {
        start: Duration::from_millis(50),
        transfer_bytes: u64::MAX,
        ..Limits::default()
    })
    .await;
    let outcome = bench.guest.initialize(&bench.mount).await;
    assert_eq!(limit(outcome.result), Limit::Start);
    assert!(bench.log.lines.lock().unwrap().len() < LINES);
}

#[tokio::test]
async fn dropped_log_lines_are_charged() {
    let bench = logs_in_a_row(Limits {
        log_lines: 0,
        cpu: Duration::from_secs(3600),
        ..Limits::default()
    })
    .await;
    assert_eq!(limit(bench.run(read()).await.result), Limit::Transfer);
}

/// Returns the threads on which the first and the last line of a request were logged, and the number of its attempts.
async fn threads_of(lines: usize, bytes: usize) -> (String, String, u32) {
    let guest = Synthetic {
        module: LOG,
        handle_request: lines_in_a_row(lines, bytes),
        ..Synthetic::default()
    };
    let limits = Limits {
        cpu: Duration::from_secs(3600),
        wall: Duration::from_secs(3600),
        transfer_bytes: u64::MAX,
        ..Limits::default()
    };
    let bench = bench(guest, limits).await;
    let outcome = bench.run(read()).await;
    assert!(outcome.result.is_ok());
    let threads = bench.log.threads.lock().unwrap();
    let (first, last) = (threads.first().unwrap(), threads.last().unwrap());
    (first.clone(), last.clone(), outcome.usage.attempts)
}

#[tokio::test]
async fn cpu_time_in_host_calls_moves_a_request_to_the_slow_lane() {
    let (first, last, attempts) = threads_of(5_000, 100 << 10).await;
    assert_ne!(first, "slow-lane");
    assert_eq!((last.as_str(), attempts), ("slow-lane", 1));
}

#[tokio::test]
async fn a_large_copy_is_made_in_the_slow_lane() {
    let (first, _, attempts) = threads_of(1, 2 << 20).await;
    assert_eq!((first.as_str(), attempts), ("slow-lane", 2));
}

#[tokio::test]
async fn a_guest_with_much_memory_runs_in_the_slow_lane() {
    let (first, _, attempts) = threads_of(1, 30 << 20).await;
    assert_eq!((first.as_str(), attempts), ("slow-lane", 1));
}

#[tokio::test]
async fn held_writes_count_as_memory() {
    let guest = Synthetic {
        module: format!(
            r#"(import "airlock:engine/storage@0.1.0" "put" (func $put (param i32 i32 i32 i32 i32 i32)))
            {ANY_KEY}
            (data (i32.const 4200) "?/x")"#
        )
        .leak(),
        handle_request: "(local $i i32)
            (drop (memory.grow (i32.const 32)))
            (loop $next
                (i32.store8 (i32.const 4200) (i32.add (i32.const 65) (local.get $i)))
                (call $put (i32.const 4200) (i32.const 3) (i32.const 65536) (i32.const 1048576) (i32.const 0) (i32.const 4300))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $next (i32.lt_u (local.get $i) (i32.const 40))))
            (i32.const 16)",
        ..Synthetic::default()
    };
    let component = guest.component();
    let load = async |memory_bytes| {
        let limits = Limits {
            memory_bytes,
            ..Limits::default()
        };
        Bench::of(sandbox().load(&component, limits).await.unwrap())
    };
    let bench = load(16 * MIB).await;
    assert_eq!(limit(bench.run(read()).await.result), Limit::Memory);
    assert!(bench.storage.entries().is_empty());

    let bench = load(64 * MIB).await;
    let outcome = bench.run(read()).await;
    assert!(outcome.result.is_ok());
    assert!(outcome.usage.memory_bytes > 40 * MIB, "{:?}", outcome.usage);
}

#[tokio::test]
async fn an_answer_counts_as_memory() {
    // 20 MiB of spaces and an empty object.
    let guest = Synthetic {
        module: r#"(data (i32.const 4096) "\00\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00\01\00\00\00\00\00\01\00\02\00\40\01")"#,
        handle_request: r#"
            (drop (memory.grow (i32.const 340)))
            (memory.fill (i32.const 65536) (i32.const 32) (i32.const 20971520))
            (i32.store16 (i32.const 21037056) (i32.const 0x7d7b))
            (i32.const 4096)"#,
        ..Synthetic::default()
    };
    let component = guest.component();
    let run = async |memory_bytes| {
        let limits = Limits {
            memory_bytes,
            ..Limits::default()
        };
        let bench = Bench::of(sandbox().load(&component, limits).await.unwrap());
        bench.run(read()).await
    };
    assert_eq!(limit(run(32 * MIB).await.result), Limit::Memory);
    let outcome = run(64 * MIB).await;
    assert_eq!(outcome.result.unwrap().unwrap().data.unwrap().trim(), "{}");
    assert!(outcome.usage.memory_bytes > 40 * MIB, "{:?}", outcome.usage);
}

/// A server with long answers.
struct Wordy;

#[async_trait]
impl System for Wordy {
    async fn vault_version(&self) -> Result<String, SystemError> {
        Ok("1".repeat(1 << 20))
    }
}

#[tokio::test]
async fn what_the_server_answers_is_charged() {
    let guest = Synthetic {
        module: r#"(import "airlock:engine/system@0.1.0" "vault-version" (func $version (param i32)))"#,
        handle_request: "(local $i i32)
            (drop (memory.grow (i32.const 32)))
            (loop $next
                (call $version (i32.const 4096))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $next (i32.lt_u (local.get $i) (i32.const 100))))
            (i32.const 16)",
        ..Synthetic::default()
    };
    let limits = Limits {
        transfer_bytes: 4 << 20,
        ..Limits::default()
    };
    let guest = sandbox().load(&guest.component(), limits).await.unwrap();
    let services = Services {
        system: Arc::new(Wordy),
        ..Services::default()
    };
    let mount = mount(&guest, Arc::new(MemoryStorage::new()), services);
    let outcome = guest.handle_request(&mount, read()).await;
    assert_eq!(limit(outcome.result), Limit::Transfer);
    assert_eq!(outcome.usage.transfer_bytes, 4 << 20);
    assert_eq!(outcome.usage.storage_operations, 5);
}

#[tokio::test]
async fn calls_of_scratch_are_counted() {
    let guest = Synthetic {
        module: r#"(import "airlock:engine/scratch@0.1.0" "get" (func $get (param i32 i32 i32)))"#,
        handle_request: "(loop $next (call $get (i32.const 0) (i32.const 0) (i32.const 4096)) (br $next)) unreachable",
        ..Synthetic::default()
    };
    let limits = Limits {
        storage_operations: 100,
        ..Limits::default()
    };
    let outcome = bench(guest, limits).await.run(read()).await;
    assert_eq!(limit(outcome.result), Limit::StorageOperations);
    assert_eq!(outcome.usage.storage_operations, 100);
}

#[tokio::test]
async fn a_list_is_charged_for_each_call_that_it_costs() {
    let guest = Synthetic {
        module: format!(
            r#"(import "airlock:engine/storage@0.1.0" "delete" (func $delete (param i32 i32 i32)))
            (import "airlock:engine/storage@0.1.0" "list" (func $list (param i32 i32 i32)))
            {ANY_KEY}
            (data (i32.const 4200) "?/x")"#
        )
        .leak(),
        handle_request: "(local $i i32)
            (loop $next
                (i32.store8 (i32.const 4200) (i32.add (i32.const 65) (local.get $i)))
                (call $delete (i32.const 4200) (i32.const 3) (i32.const 4300))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $next (i32.lt_u (local.get $i) (i32.const 20))))
            (call $list (i32.const 0) (i32.const 0) (i32.const 4300))
            (i32.const 16)",
        ..Synthetic::default()
    };
    let bench = bench(guest, Limits::default()).await;
    for letter in 'A'..'U' {
        bench.store(&format!("{letter}/x"), "1");
    }
    let outcome = bench.run(read()).await;
    assert!(outcome.result.is_ok());
    let lists = outcome.usage.storage.lists;
    assert!(lists > 20, "{:?}", outcome.usage);
    assert_eq!(u64::from(outcome.usage.storage_operations), 20 + lists);
}

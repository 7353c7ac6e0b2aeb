//! Tests guest/adversary: each way to misbehave ends that request with a clear error, and nothing else.

use std::time::Duration;

use airlock_sandbox::types::{Error as Answer, Operation};
use airlock_sandbox::{CallError, Limit, Limits, Usage};

use crate::support::{Bench, sandbox};
use crate::synthetic::Synthetic;

async fn adversary(limits: Limits) -> Bench {
    Bench::new("adversary", limits).await
}

async fn quick() -> Bench {
    adversary(Limits {
        cpu: Duration::from_millis(100),
        ..Limits::default()
    })
    .await
}

impl Bench {
    /// Misbehaves, then checks that the mount still answers.
    async fn misbehave(&self, how: &str) -> (Result<String, CallError>, Usage) {
        let outcome = self
            .run(airlock_sandbox::types::Request::new(Operation::Read, how))
            .await;
        assert_eq!(
            self.ask(Operation::Read, "ok").await.unwrap(),
            "{}",
            "after {how}"
        );
        (
            outcome
                .result
                .map(|response| response.unwrap().data.unwrap().into_string()),
            outcome.usage,
        )
    }

    /// Returns the limit that a request exceeds.
    async fn limit_of(&self, how: &str) -> Limit {
        match self.misbehave(how).await.0 {
            Err(error @ CallError::Limit { .. }) => {
                let CallError::Limit { exceeded, .. } = &error else {
                    unreachable!()
                };
                let text = error.to_string();
                assert!(
                    text.contains("adversary") && text.contains(exceeded.limit.setting()),
                    "{text}"
                );
                exceeded.limit
            }
            other => panic!("{how}: {other:?}"),
        }
    }

    /// Returns what the guest says of the error that it got.
    async fn told(&self, how: &str) -> String {
        match self.misbehave(how).await.0 {
            Err(CallError::Guest(Answer::User(text))) => text,
            other => panic!("{how}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_loop_ends_with_its_cpu_time() {
    let bench = quick().await;
    assert_eq!(bench.limit_of("loop").await, Limit::Cpu);
    let (_, usage) = bench.misbehave("loop").await;
    assert!(
        usage.cpu >= Duration::from_millis(100) && usage.cpu < Duration::from_millis(300),
        "{usage:?}"
    );
}

#[tokio::test]
async fn a_loop_ends_with_its_time_if_that_is_less() {
    let bench = adversary(Limits {
        wall: Duration::from_millis(100),
        ..Limits::default()
    })
    .await;
    assert_eq!(bench.limit_of("loop").await, Limit::Wall);
}

#[tokio::test]
async fn a_trap_names_functions_and_no_addresses() {
    let bench = quick().await;
    for how in ["trap", "panic"] {
        match bench.misbehave(how).await.0 {
            Err(CallError::Trap {
                guest,
                reason,
                functions,
            }) => {
                assert_eq!(&*guest, "adversary");
                assert!(reason.contains("unreachable"), "{reason}");
                assert!(!functions.is_empty() && functions.len() <= 6, "{functions:?}");
                assert!(functions.iter().all(|name| !name.contains("0x")), "{functions:?}");
            }
            other => panic!("{how}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn endless_recursion_exhausts_its_own_stack() {
    let (result, _) = quick().await.misbehave("overflow").await;
    match result {
        Err(CallError::Trap { reason, .. }) => {
            assert!(
                reason.contains("stack is exhausted") || reason.contains("out of bounds"),
                "{reason}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn memory_ends_at_its_limit() {
    let bench = adversary(Limits {
        memory_bytes: 16 << 20,
        ..Limits::default()
    })
    .await;
    assert_eq!(bench.limit_of("memory").await, Limit::Memory);
    let (_, usage) = bench.misbehave("memory").await;
    assert!(
        usage.memory_bytes > 14 << 20 && usage.memory_bytes <= 16 << 20,
        "{usage:?}"
    );
    assert_eq!(bench.limit_of("one-allocation").await, Limit::Memory);
}

#[tokio::test]
async fn a_growing_table_counts_as_memory() {
    let guest = Synthetic {
        module: "(table 0 funcref)",
        handle_request: "(loop (br_if 0 (i32.ne (table.grow 0 (ref.null func) (i32.const 1000)) (i32.const -1)))) unreachable",
        ..Synthetic::default()
    };
    let limits = Limits {
        memory_bytes: 1 << 20,
        ..Limits::default()
    };
    let bench = Bench::of(sandbox().load(&guest.component(), limits).await.unwrap());
    match bench.ask(Operation::Read, "any").await {
        Err(CallError::Limit { exceeded, .. }) => assert_eq!(exceeded.limit, Limit::Memory),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_endless_list_is_not_copied() {
    let bench = quick().await;
    assert_eq!(bench.limit_of("aliased-list").await, Limit::Memory);
    let bench = adversary(Limits {
        memory_bytes: 256 << 20,
        transfer_bytes: 8 << 20,
        ..Limits::default()
    })
    .await;
    assert_eq!(bench.limit_of("huge-answer").await, Limit::Transfer);
}

#[tokio::test]
async fn storage_calls_are_counted_and_the_guest_is_told() {
    let bench = adversary(Limits {
        storage_operations: 100,
        ..Limits::default()
    })
    .await;
    for how in ["storage", "lists"] {
        let (_, usage) = bench.misbehave(how).await;
        assert_eq!(usage.storage_operations, 100);
        assert_eq!(
            bench.told(how).await,
            "limit: over the limit of 100 calls of storage and system (--storage-ops)"
        );
    }
}

#[tokio::test]
async fn calls_of_the_system_view_are_counted_too() {
    let bench = adversary(Limits {
        storage_operations: 100,
        ..Limits::default()
    })
    .await;
    assert_eq!(bench.limit_of("system").await, Limit::StorageOperations);
}

#[tokio::test]
async fn a_guest_that_ignores_that_still_ends() {
    let bench = adversary(Limits {
        storage_operations: 100,
        cpu: Duration::from_millis(100),
        ..Limits::default()
    })
    .await;
    assert_eq!(bench.limit_of("storage-ignoring-errors").await, Limit::Cpu);
}

#[tokio::test]
async fn bytes_are_counted_and_none_is_stored_of_a_request_that_is_over() {
    let bench = adversary(Limits {
        transfer_bytes: 4 << 20,
        ..Limits::default()
    })
    .await;
    assert_eq!(
        bench.told("puts").await,
        "limit: over the limit of 4 MiB moved between guest and host (--transfer-mib)"
    );
    assert!(bench.storage.entries().is_empty());
}

#[tokio::test]
async fn log_lines_over_the_limit_are_dropped_and_that_is_said_once() {
    let bench = adversary(Limits {
        log_lines: 10,
        ..Limits::default()
    })
    .await;
    let (result, usage) = bench.misbehave("log").await;
    assert_eq!((result.unwrap().as_str(), usage.log_lines), ("{}", 10));
    let lines = bench.log.lines.lock().unwrap();
    assert_eq!(lines.len(), 11);
    assert!(lines[10].contains("--log-lines"), "{}", lines[10]);
}

#[tokio::test]
async fn events_and_scratch_are_bounded() {
    let bench = quick().await;
    assert!(bench.told("events").await.contains("no more than 256 events"));
    assert!(bench.told("long-event").await.contains("more than 64 KiB"));
    assert!(bench.log.events.lock().unwrap().is_empty());
    assert!(bench.told("scratch").await.contains("scratch"));
}

#[tokio::test]
async fn a_breach_of_the_contract_is_called_so() {
    let bench = quick().await;
    for (how, what) in [
        ("random", "random.bytes"),
        ("not-json", "not a JSON object"),
        ("not-an-object", "not a JSON object"),
        ("status-200", "status 200"),
    ] {
        match bench.misbehave(how).await.0 {
            Err(error @ CallError::Contract { .. }) => {
                assert!(error.to_string().contains(what), "{how}: {error}")
            }
            other => panic!("{how}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn keys_outside_its_prefixes_are_denied() {
    let bench = quick().await;
    bench.store("kv/secret", "of another guest");
    for how in ["outside", "list-root"] {
        assert!(bench.told(how).await.starts_with("denied: "), "{how}");
    }
}

#[tokio::test]
async fn initialize_has_a_time_limit_of_its_own() {
    let bench = adversary(Limits {
        start: Duration::from_millis(100),
        ..Limits::default()
    })
    .await;
    bench.store("adversary/initialize", "loop");
    match bench.guest.initialize(&bench.mount).await.result {
        Err(CallError::Limit { exceeded, .. }) => assert_eq!(exceeded.limit, Limit::Start),
        other => panic!("{other:?}"),
    }
    bench.store("adversary/initialize", "ok");
    bench.guest.initialize(&bench.mount).await.result.unwrap();
}

#[tokio::test]
async fn an_existence_check_is_limited_too_and_stores_nothing() {
    let bench = quick().await;
    let request = || airlock_sandbox::types::Request::new(Operation::Update, "path");
    bench.store("adversary/check-existence", "loop");
    match bench.guest.check_existence(&bench.mount, request()).await.result {
        Err(CallError::Limit { exceeded, .. }) => assert_eq!(exceeded.limit, Limit::Cpu),
        other => panic!("{other:?}"),
    }
    bench.store("adversary/check-existence", "write-with-event");
    assert_eq!(
        bench
            .guest
            .check_existence(&bench.mount, request())
            .await
            .result
            .unwrap(),
        Some(false)
    );
    assert_eq!(bench.stored("adversary/written"), None);
}

#[tokio::test]
async fn invalidate_may_trap() {
    let bench = quick().await;
    assert!(matches!(
        bench.guest.invalidate(&bench.mount, "trap").await.result,
        Err(CallError::Trap { .. })
    ));
    assert_eq!(bench.ask(Operation::Read, "ok").await.unwrap(), "{}");
}

#[tokio::test]
async fn a_key_of_two_thousand_levels_costs_its_own_request_only() {
    let bench = adversary(Limits::default()).await;
    let (answer, usage) = bench.misbehave("deep").await;
    assert_eq!(answer.unwrap(), r#"{"left":0}"#);
    assert_eq!(usage.storage_operations, 4 + 2_000);
}

#[tokio::test]
async fn a_list_is_charged_for_every_folder_that_it_looks_into() {
    let folders = |bench: &Bench| (0..100).for_each(|n| bench.store(&format!("adversary/f/{n}/x"), "1"));
    let bench = adversary(Limits::default()).await;
    folders(&bench);
    let (answer, usage) = bench.misbehave("empty-folders").await;
    assert_eq!(answer.unwrap(), r#"{"left":0}"#);
    assert_eq!(usage.storage_operations, 1 + 100 + 1 + 100);
    let bench = adversary(Limits {
        storage_operations: 150,
        ..Limits::default()
    })
    .await;
    folders(&bench);
    let told = bench.told("empty-folders").await;
    assert!(
        told.starts_with("limit: ") && told.contains("--storage-ops"),
        "{told}"
    );
}

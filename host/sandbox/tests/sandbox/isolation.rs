//! Requests do not see each other, and do not keep each other waiting.

use std::sync::Arc;

use airlock_sandbox::types::Operation;
use airlock_sandbox::{CallError, Limits};

use crate::support::{Bench, load, sandbox};
use crate::synthetic::Synthetic;

#[tokio::test]
async fn no_request_sees_the_memory_of_another() {
    let bench = Bench::new("adversary", Limits::default()).await;
    for _ in 0..3 {
        assert_eq!(
            bench.ask(Operation::Read, "served").await.unwrap(),
            r#"{"served":1}"#
        );
        bench.ask(Operation::Read, "mark").await.unwrap();
        assert_eq!(
            bench.ask(Operation::Read, "scan").await.unwrap(),
            r#"{"marked":0}"#
        );
    }
    // The memory of a request that ended badly is not seen either.
    assert!(bench.ask(Operation::Read, "memory").await.is_err());
    assert_eq!(
        bench.ask(Operation::Read, "scan").await.unwrap(),
        r#"{"marked":0}"#
    );
}

#[tokio::test]
async fn mounts_have_storage_of_their_own() {
    let guest = load("adversary", Limits::default()).await;
    let (one, other) = (Bench::of(guest.clone()), Bench::of(guest));
    assert_eq!(
        one.ask(Operation::Read, "increment").await.unwrap(),
        r#"{"count":1}"#
    );
    assert_eq!(
        other.ask(Operation::Read, "increment").await.unwrap(),
        r#"{"count":1}"#
    );
}

/// Runs on one thread, as the runtime of the binary does.
#[tokio::test(flavor = "current_thread")]
async fn loops_on_one_mount_leave_another_answering() {
    const LOOPS: usize = 64;
    let guest = load("adversary", Limits::default()).await;
    let (bad, good) = (Arc::new(Bench::of(guest.clone())), Bench::of(guest));
    let loops: Vec<_> = (0..LOOPS)
        .map(|_| {
            let bad = bad.clone();
            tokio::spawn(async move { bad.ask(Operation::Read, "loop").await })
        })
        .collect();
    tokio::task::yield_now().await;

    for _ in 0..200 {
        good.ask(Operation::Read, "increment").await.unwrap();
    }
    // Requests that run in the slow lane themselves get their share of it.
    for _ in 0..3 {
        good.ask(Operation::Read, "work").await.unwrap();
    }
    assert!(
        loops.iter().filter(|handle| !handle.is_finished()).count() > LOOPS / 2,
        "the loops had ended already"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn the_runtime_s_thread_is_free_while_a_guest_computes() {
    stays_free(Bench::new("adversary", Limits::default()).await).await;
}

/// Runs a request that loops, and checks that this thread runs others meanwhile.
async fn stays_free(bench: Bench) {
    let work = tokio::spawn(async move { bench.ask(Operation::Read, "loop").await });
    let mut turns = 0_u64;
    while !work.is_finished() {
        tokio::task::yield_now().await;
        turns += 1;
    }
    assert!(matches!(work.await.unwrap(), Err(CallError::Limit { .. })));
    // On the same thread, the loop would run once for each tick, some hundreds of times.
    assert!(turns > 10_000, "{turns}");
}

/// wasmtime takes `memory.grow` for a call of the host, which returns at once.
#[tokio::test(flavor = "current_thread")]
async fn the_runtime_s_thread_is_free_while_a_guest_grows_by_nothing() {
    const STEP: &str = "(global.set $x (i32.add (i32.mul (global.get $x) (i32.const 5)) (i32.const 3)))";
    let body = format!(
        "(loop $again {} (drop (memory.grow (i32.const 0))) (br $again)) unreachable",
        STEP.repeat(2000)
    );
    let synthetic = Synthetic {
        module: "(global $x (mut i32) (i32.const 1))",
        handle_request: body.leak(),
        ..Synthetic::default()
    };
    let guest = sandbox().load(&synthetic.component(), Limits::default()).await;
    stays_free(Bench::of(guest.unwrap())).await;
}

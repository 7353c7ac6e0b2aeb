//! A request is a transaction, and continues if its caller goes away.

use std::sync::Arc;
use std::time::Duration;

use airlock_sandbox::types::{Error as Answer, Operation, Request};
use airlock_sandbox::{CallError, Events, Limit, Limits, MountContext, Services};
use airlock_storage::{MemoryStorage, Result as Stored, Storage, StorageEntry};
use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::support::{Bench, load};

/// Storage in memory whose gets and puts wait until the test lets them through.
struct Gated {
    inner: Arc<MemoryStorage>,
    /// One permit for each call that has arrived.
    arrived: Semaphore,
    /// One permit for each call that may go on.
    open: Semaphore,
    /// One permit for each write that is done.
    done: Semaphore,
}

impl Gated {
    async fn pass(&self) {
        self.arrived.add_permits(1);
        self.open.acquire().await.unwrap().forget();
    }

    async fn arrival(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }
}

#[async_trait]
impl Storage for Gated {
    async fn get(&self, key: &str) -> Stored<Option<StorageEntry>> {
        self.pass().await;
        self.inner.get(key).await
    }
    async fn put(&self, entry: StorageEntry) -> Stored<()> {
        self.pass().await;
        let stored = self.inner.put(entry).await;
        self.done.add_permits(1);
        stored
    }
    async fn delete(&self, key: &str) -> Stored<()> {
        self.inner.delete(key).await
    }
    async fn list(&self, folder: &str) -> Stored<Vec<String>> {
        self.inner.list(folder).await
    }
}

async fn gated(limits: Limits) -> (Arc<Bench>, Arc<Gated>) {
    let inner = Arc::new(MemoryStorage::new());
    let gated = Arc::new(Gated {
        inner: inner.clone(),
        arrived: Semaphore::new(0),
        open: Semaphore::new(0),
        done: Semaphore::new(0),
    });
    let bench = Bench::over(load("adversary", limits).await, gated.clone(), inner);
    (Arc::new(bench), gated)
}

fn read(path: &str) -> Request {
    Request::new(Operation::Read, path)
}

fn start(bench: &Arc<Bench>, path: &'static str) -> tokio::task::JoinHandle<Result<String, CallError>> {
    let bench = bench.clone();
    tokio::spawn(async move { bench.ask(Operation::Read, path).await })
}

#[tokio::test]
async fn only_success_is_stored() {
    let bench = Bench::new(
        "adversary",
        Limits {
            cpu: Duration::from_millis(50),
            ..Limits::default()
        },
    )
    .await;
    for how in ["write-then-trap", "write-then-fail", "write-then-loop"] {
        assert!(bench.ask(Operation::Read, how).await.is_err());
        assert_eq!(bench.stored("adversary/written"), None, "{how}");
    }
    bench.ask(Operation::Read, "write-with-event").await.unwrap();
    assert_eq!(bench.stored("adversary/written").unwrap(), "1");
}

#[tokio::test]
async fn what_was_committed_stays_and_what_came_after_goes() {
    for how in ["commit-then-trap", "commit-then-loop"] {
        let bench = Bench::new(
            "adversary",
            Limits {
                cpu: Duration::from_millis(50),
                ..Limits::default()
            },
        )
        .await;
        assert!(bench.ask(Operation::Read, how).await.is_err());
        assert_eq!(bench.stored("adversary/written").unwrap(), "1", "{how}");
    }
}

#[tokio::test]
async fn events_leave_after_the_commit_or_never() {
    let bench = Bench::new("adversary", Limits::default()).await;
    assert!(matches!(
        bench.ask(Operation::Read, "event-then-fail").await,
        Err(CallError::Guest(Answer::User(_)))
    ));
    assert!(bench.log.events.lock().unwrap().is_empty());
    bench.ask(Operation::Read, "write-with-event").await.unwrap();
    assert_eq!(
        *bench.log.events.lock().unwrap(),
        [r#"adversary/wrote {"path":"written"}"#]
    );
}

/// An event bus that never answers.
struct Hanging;

#[async_trait]
impl Events for Hanging {
    async fn send(&self, _: &str, _: &str) -> Result<(), String> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn an_event_bus_that_hangs_makes_no_error_of_what_was_committed() {
    let mut bench = Bench::new(
        "adversary",
        Limits {
            wall: Duration::from_millis(50),
            ..Limits::default()
        },
    )
    .await;
    let services = Services {
        events: Arc::new(Hanging),
        ..Services::default()
    };
    let storage = bench.mount.storage().clone();
    bench.mount = MountContext::new(storage, services, vec![], bench.guest.limits());
    assert_eq!(
        bench.ask(Operation::Read, "write-with-event").await.unwrap(),
        "{}"
    );
    assert_eq!(bench.stored("adversary/written").unwrap(), "1");
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_stop_a_commit() {
    let (bench, gate) = gated(Limits::default()).await;
    let caller = start(&bench, "write-with-event");
    gate.arrival().await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    gate.open.add_permits(1);
    gate.done.acquire().await.unwrap().forget();
    assert_eq!(bench.stored("adversary/written").unwrap(), "1");
}

#[tokio::test]
async fn a_request_that_waits_for_storage_ends_with_its_time() {
    let (bench, _gate) = gated(Limits {
        wall: Duration::from_millis(50),
        ..Limits::default()
    })
    .await;
    let outcome = bench.run(read("increment")).await;
    match outcome.result {
        Err(error @ CallError::Limit { .. }) => {
            assert_eq!(error.status(), 500);
            assert!(error.to_string().contains("--wall-ms"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert!(
        outcome.usage.cpu < Duration::from_millis(50),
        "waiting was charged as CPU time"
    );
}

#[tokio::test]
async fn a_commit_is_not_given_up_though_the_time_is_over() {
    let (bench, gate) = gated(Limits {
        wall: Duration::from_millis(50),
        ..Limits::default()
    })
    .await;
    let caller = start(&bench, "write-with-event");
    gate.arrival().await;
    // The deadline passes while the commit is under way. The test must sleep for that, because nothing signals it.
    tokio::time::sleep(Duration::from_millis(80)).await;
    gate.open.add_permits(1);
    assert_eq!(caller.await.unwrap().unwrap(), "{}");
    assert_eq!(bench.stored("adversary/written").unwrap(), "1");
}

#[tokio::test]
async fn a_full_mount_refuses_and_says_why() {
    let (bench, gate) = gated(Limits {
        instances: 1,
        queue: 1,
        ..Limits::default()
    })
    .await;
    let running = start(&bench, "increment");
    gate.arrival().await;
    let waiting = start(&bench, "ok");
    tokio::task::yield_now().await;
    match bench.ask(Operation::Read, "ok").await {
        Err(error @ CallError::Busy { .. }) => {
            assert_eq!(error.status(), 429);
            assert!(
                error.to_string().contains("1 requests waiting (--queue)"),
                "{error}"
            );
        }
        other => panic!("{other:?}"),
    }
    gate.open.add_permits(10);
    assert_eq!(running.await.unwrap().unwrap(), r#"{"count":1}"#);
    assert_eq!(waiting.await.unwrap().unwrap(), "{}");
}

#[tokio::test]
async fn a_commit_lock_that_does_not_come_in_time_is_refused() {
    let (bench, gate) = gated(Limits {
        instances: 1,
        wall: Duration::from_millis(50),
        ..Limits::default()
    })
    .await;
    let running = start(&bench, "write-with-event");
    gate.arrival().await;
    match bench.ask(Operation::Read, "ok").await {
        Err(CallError::Busy { exceeded, .. }) => assert_eq!(exceeded.limit, Limit::Instances),
        other => panic!("{other:?}"),
    }
    gate.open.add_permits(10);
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn callers_that_hang_up_in_a_burst_leave_the_mount_answering() {
    let (bench, gate) = gated(Limits {
        instances: 4,
        queue: 300,
        ..Limits::default()
    })
    .await;
    let callers: Vec<_> = (0..256).map(|_| start(&bench, "increment")).collect();
    for _ in 0..4 {
        gate.arrival().await;
    }
    for caller in &callers {
        caller.abort();
    }
    gate.open.add_permits(100_000);
    assert_eq!(bench.ask(Operation::Read, "ok").await.unwrap(), "{}");
}

#[tokio::test]
async fn a_create_of_what_exists_and_an_update_of_what_does_not_are_refused() {
    let kv = Bench::new("kv", Limits::default()).await;
    let write = |operation| {
        let mut request = Request::new(operation, "a");
        request.data = Some(r#"{"value":"new"}"#.into());
        request
    };
    match kv.send(write(Operation::Update)).await {
        Err(error @ CallError::ExistenceChanged { exists: false }) => assert_eq!(error.status(), 412),
        other => panic!("{other:?}"),
    }
    kv.store("kv/a", "old");
    match kv.send(write(Operation::Create)).await {
        Err(error @ CallError::ExistenceChanged { exists: true }) => assert_eq!(error.status(), 412),
        other => panic!("{other:?}"),
    }
    assert_eq!(kv.stored("kv/a").unwrap(), "old");
}

#[tokio::test]
async fn requests_that_are_in_each_other_s_way_are_run_again_and_lose_nothing() {
    let bench = Arc::new(Bench::new("adversary", Limits::default()).await);
    let callers: Vec<_> = (0..32).map(|_| start(&bench, "increment")).collect();
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    assert_eq!(bench.stored("adversary/count").unwrap(), "32");
}

#[tokio::test]
async fn a_second_attempt_is_a_new_instance_with_the_same_budget() {
    let (bench, gate) = gated(Limits::default()).await;
    let first = tokio::spawn({
        let bench = bench.clone();
        async move { bench.run(read("increment")).await }
    });
    // The request waits for its read, which the other request changes.
    gate.arrival().await;
    bench.mount.storage().invalidate("adversary/count");
    gate.open.add_permits(100);
    let outcome = first.await.unwrap();
    assert_eq!(
        outcome.result.unwrap().unwrap().data.unwrap().as_str(),
        r#"{"count":1}"#
    );
    assert_eq!(outcome.usage.attempts, 2);
    assert_eq!(outcome.usage.storage_operations, 4, "two of each attempt");
}

#[tokio::test]
async fn an_update_after_its_existence_check_reads_nothing_again() {
    let kv = Bench::new("kv", Limits::default()).await;
    kv.store("kv/a", "old");
    let mut request = Request::new(Operation::Update, "a");
    request.id = "one".into();
    request.data = Some(r#"{"value":"new"}"#.into());
    let checked = kv.guest.check_existence(&kv.mount, request.clone()).await;
    assert_eq!(
        (checked.result.unwrap(), checked.usage.storage.gets),
        (Some(true), 1)
    );
    let written = kv.run(request).await;
    written.result.unwrap();
    assert_eq!((written.usage.storage.gets, written.usage.storage.puts), (0, 1));
    assert_eq!(kv.stored("kv/a").unwrap(), "new");
}

#[tokio::test]
async fn wrapping_is_refused_where_vault_does_not_offer_it() {
    let bench = Bench::new("adversary", Limits::default()).await;
    assert!(matches!(
        bench.ask(Operation::Read, "wrap").await,
        Err(CallError::Guest(Answer::User(_)))
    ));
}

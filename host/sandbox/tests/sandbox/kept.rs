//! An existence check leaves its instance for its own request, and for nothing else.

use std::sync::Arc;
use std::time::Duration;

use airlock_sandbox::types::{Operation, Request};
use airlock_sandbox::{CallError, Compiler, Limits, Outcome, Sandbox, SandboxSettings};
use tokio::sync::Semaphore;

use crate::support::{Bench, sandbox};
use crate::synthetic::{ANY_KEY, Synthetic};

const PAGE: u64 = 64 << 10;

/// A guest that counts the checks in its memory, and answers a request with that number. The answer is at 3008 and has
/// its data at 3072.
const COUNTER: &str = r#"
    (import "airlock:engine/storage@0.1.0" "get" (func $get (param i32 i32 i32)))
    (import "airlock:engine/storage@0.1.0" "put" (func $put (param i32 i32 i32 i32 i32 i32)))
    (global $checks (mut i32) (i32.const 0))
    (data (i32.const 3072) "{\22n\22:0}")
    (data (i32.const 4200) "key")
    (func $checked (result i32)
        (global.set $checks (i32.add (global.get $checks) (i32.const 1)))
        (i32.store8 (i32.const 2904) (i32.const 1))
        (i32.const 2900))
    (func $answer (result i32)
        (i32.store8 (i32.const 3008) (i32.const 0))
        (i32.store8 (i32.const 3016) (i32.const 1))
        (i32.store8 (i32.const 3024) (i32.const 1))
        (i32.store (i32.const 3028) (i32.const 3072))
        (i32.store (i32.const 3032) (i32.const 7))
        (i32.store8 (i32.const 3077) (i32.add (i32.const 48) (global.get $checks)))
        (i32.const 3008))"#;
const READ: &str = "(call $get (i32.const 4200) (i32.const 3) (i32.const 4300))";
/// Reads the key `ke`.
const READ_OTHER: &str = "(call $get (i32.const 4200) (i32.const 2) (i32.const 4300))";
const WRITE: &str = "(call $put (i32.const 4200) (i32.const 3) (i32.const 4200) (i32.const 1) (i32.const 0) (i32.const 4300))";

fn counter(check: &str, request: &str) -> Vec<u8> {
    let text = |body: String| -> &'static str { body.leak() };
    let guest = Synthetic {
        module: text(format!("{COUNTER} {ANY_KEY}")),
        check_existence: text(format!("{check} (call $checked)")),
        handle_request: text(format!("{request} (call $answer)")),
        ..Synthetic::default()
    };
    guest.component()
}

async fn bench(check: &str, request: &str, limits: Limits) -> Bench {
    Bench::of(sandbox().load(&counter(check, request), limits).await.unwrap())
}

/// Returns a create, as the guest's check answers that nothing exists.
fn create(id: &str, path: &str) -> Request {
    let mut request = Request::new(Operation::Create, path);
    request.id = id.into();
    request.client_token = "token".into();
    request.entity_id = "entity".into();
    request
}

async fn check(bench: &Bench, request: &Request) {
    let checked = bench.guest.check_existence(&bench.mount, request.clone()).await;
    assert_eq!(checked.result.unwrap(), Some(false));
}

/// Returns the number of checks of which the request finds traces, and the number of its attempts.
fn found<T>(outcome: Outcome<Option<Box<T>>>, data: impl Fn(T) -> String) -> (String, u32) {
    (data(*outcome.result.unwrap().unwrap()), outcome.usage.attempts)
}

async fn run(bench: &Bench, request: Request) -> (String, u32) {
    found(bench.run(request).await, |answer| {
        answer.data.unwrap().into_string()
    })
}

/// Checks what is found if the instance of the check is kept. A busy machine makes a check look long, and then it is not
/// kept: tries again.
async fn expect_kept(expected: (String, u32), attempt: impl AsyncFn() -> (String, u32)) {
    let mut found = attempt().await;
    for _ in 0..50 {
        if found == expected {
            return;
        }
        found = attempt().await;
    }
    assert_eq!(found, expected);
}

fn answers(number: u32) -> (String, u32) {
    (format!(r#"{{"n":{number}}}"#), 1)
}

#[tokio::test]
async fn a_request_goes_on_in_the_instance_of_its_check() {
    let bench = bench(READ, "", Limits::default()).await;
    let request = create("one", "a");
    expect_kept(answers(1), async || {
        check(&bench, &request).await;
        let outcome = bench.run(request.clone()).await;
        assert!(outcome.usage.memory_bytes >= PAGE, "its memory is the request's");
        found(outcome, |a| a.data.unwrap().into_string())
    })
    .await;
    assert_eq!(run(&bench, request).await, answers(0), "it is used once");
}

#[tokio::test]
async fn no_request_finds_the_memory_of_anothers_check() {
    let bench = bench("", "", Limits::default()).await;
    let own = create("one", "a");
    let of_entity = |entity: &str| Request {
        entity_id: entity.into(),
        ..own.clone()
    };
    let strangers = [
        create("two", "a"),
        create("one", "b"),
        of_entity("other"),
        Request {
            data: Some("{}".into()),
            ..own.clone()
        },
        Request {
            client_token: "other".into(),
            ..own.clone()
        },
    ];
    for stranger in strangers {
        check(&bench, &own).await;
        assert_eq!(run(&bench, stranger).await, answers(0));
    }
    let other = Bench::of(bench.guest.clone());
    check(&bench, &own).await;
    assert_eq!(run(&other, own.clone()).await, answers(0), "on another mount");
    expect_kept(answers(1), async || {
        check(&bench, &own).await;
        run(&bench, own.clone()).await
    })
    .await;

    let unnamed = create("", "a");
    check(&bench, &unnamed).await;
    assert_eq!(run(&bench, unnamed).await, answers(0), "without an id");
}

#[tokio::test]
async fn an_instance_waits_for_a_second_at_most() {
    let bench = bench("", "", Limits::default()).await;
    let request = create("one", "a");
    check(&bench, &request).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(run(&bench, request).await, answers(0));
}

#[tokio::test]
async fn a_request_whose_checks_reads_changed_gets_a_fresh_instance() {
    let bench = bench(READ, "", Limits::default()).await;
    let request = create("one", "a");
    check(&bench, &request).await;
    bench.mount.storage().invalidate("key");
    assert_eq!(run(&bench, request).await, answers(0));
}

/// The data that the check read changes while the request waits for storage.
#[tokio::test]
async fn a_second_attempt_gets_a_fresh_instance() {
    let guest = sandbox()
        .load(&counter(READ_OTHER, READ), Limits::default())
        .await;
    let storage = Waits::new();
    let bench = Arc::new(Bench::over(
        guest.unwrap(),
        storage.clone(),
        storage.inner.clone(),
    ));
    check(&bench, &create("one", "a")).await;
    let request = tokio::spawn({
        let bench = bench.clone();
        async move { run(&bench, create("one", "a")).await }
    });
    storage.arrived.acquire().await.unwrap().forget();
    bench.mount.storage().invalidate("ke");
    storage.open.add_permits(100);
    assert_eq!(request.await.unwrap(), (r#"{"n":0}"#.into(), 2));
}

#[tokio::test]
async fn what_a_check_wrote_is_not_remembered_either() {
    let bench = bench(WRITE, "", Limits::default()).await;
    let request = create("one", "a");
    check(&bench, &request).await;
    assert_eq!(run(&bench, request).await, answers(0));
}

#[tokio::test]
async fn a_guest_that_cannot_be_called_twice_starts_over() {
    let only_fresh = "(if (global.get $checks) (then unreachable))";
    let bench = bench("", only_fresh, Limits::default()).await;
    let request = create("one", "a");
    expect_kept((r#"{"n":0}"#.into(), 2), async || {
        check(&bench, &request).await;
        run(&bench, request.clone()).await
    })
    .await;
}

#[tokio::test]
async fn a_check_that_traps_leaves_no_instance() {
    let trap = "(if (i32.eqz (global.get $checks)) (then (global.set $checks (i32.const 5)) unreachable))";
    let bench = bench(trap, "", Limits::default()).await;
    let request = create("one", "a");
    let checked = bench.guest.check_existence(&bench.mount, request.clone()).await;
    assert!(matches!(checked.result, Err(CallError::Trap { .. })));
    let mut read = request;
    read.operation = Operation::Read;
    assert_eq!(run(&bench, read).await, answers(0));
}

/// One page, 2 that the check takes, and 14 that the request takes are more than the limit of 16.
#[tokio::test]
async fn memory_that_the_check_took_is_charged_and_starts_over_at_the_limit() {
    let limits = Limits {
        memory_bytes: 16 * PAGE + 4096,
        ..Limits::default()
    };
    let aborts = |pages: u32| {
        format!("(if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then unreachable))")
    };
    let ignores = |pages: u32| format!("(drop (memory.grow (i32.const {pages})))");
    for (request, number, attempts) in [(aborts(13), 1, 1), (aborts(14), 0, 2), (ignores(14), 0, 2)] {
        let bench = bench(&aborts(2), &request, limits.clone()).await;
        let request = create("one", "a");
        expect_kept((format!(r#"{{"n":{number}}}"#), attempts), async || {
            check(&bench, &request).await;
            let outcome = bench.run(request.clone()).await;
            found(outcome, |a| a.data.unwrap().into_string())
        })
        .await;
    }
}

#[tokio::test]
async fn a_check_that_took_much_leaves_no_instance() {
    let much_memory = "(drop (memory.grow (i32.const 5)))";
    let much_time = "(local $i i32)
        (loop $next
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $i) (i32.const 30000000))))";
    for check_body in [much_memory, much_time] {
        let bench = bench(check_body, "", Limits::default()).await;
        let request = create("one", "a");
        check(&bench, &request).await;
        assert_eq!(run(&bench, request).await, answers(0), "{check_body}");
    }
}

#[tokio::test]
async fn the_limits_of_a_request_hold_in_its_checks_instance() {
    let limits = Limits {
        cpu: Duration::from_millis(20),
        storage_operations: 10,
        ..Limits::default()
    };
    let five_reads = READ.repeat(5);
    let bench_of_reads = bench(&five_reads, &five_reads, limits.clone()).await;
    let request = create("one", "a");
    expect_kept(answers(1), async || {
        check(&bench_of_reads, &request).await;
        let outcome = bench_of_reads.run(request.clone()).await;
        assert_eq!(outcome.usage.storage_operations, 5, "of its own");
        found(outcome, |a| a.data.unwrap().into_string())
    })
    .await;

    let endless = bench("", "(loop $again (br $again)) unreachable", limits).await;
    check(&endless, &request).await;
    let outcome = endless.run(request).await;
    assert!(matches!(outcome.result, Err(CallError::Limit { .. })));
    assert!(
        outcome.usage.cpu < Duration::from_millis(200),
        "{:?}",
        outcome.usage
    );
}

/// A pool of eight slots: more checks than that come without a request, and then eight requests at once.
#[tokio::test]
async fn checks_without_requests_keep_no_slot_from_a_request() {
    let sandbox = Sandbox::new(SandboxSettings {
        compiler: Compiler::InProcess,
        cache: None,
        memory_bytes: Some(32 << 20),
    })
    .unwrap();
    let guest = sandbox
        .load(
            &counter("", READ),
            Limits {
                memory_bytes: 1 << 20,
                ..Limits::default()
            },
        )
        .await
        .unwrap();
    let waits = Waits::new();
    let bench = Arc::new(Bench::over(guest, waits.clone(), waits.inner.clone()));
    bench.mount.storage().recover().await.unwrap();
    for n in 0..20 {
        check(&bench, &create(&n.to_string(), "a")).await;
    }
    let requests: Vec<_> = (0..8)
        .map(|_| {
            let bench = bench.clone();
            let read = Request::new(Operation::Read, "a");
            tokio::spawn(async move { run(&bench, read).await })
        })
        .collect();
    let all = tokio::time::timeout(Duration::from_secs(5), waits.arrived.acquire_many(8));
    all.await.expect("all eight run at once").unwrap().forget();
    waits.open.add_permits(100);
    for request in requests {
        assert_eq!(request.await.unwrap(), answers(0));
    }
}

/// Storage whose gets wait until the test lets them through.
struct Waits {
    inner: Arc<airlock_storage::MemoryStorage>,
    arrived: Semaphore,
    open: Semaphore,
}

impl Waits {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: Arc::default(),
            arrived: Semaphore::new(0),
            open: Semaphore::new(0),
        })
    }
}

#[async_trait::async_trait]
impl airlock_storage::Storage for Waits {
    async fn get(&self, key: &str) -> airlock_storage::Result<Option<airlock_storage::StorageEntry>> {
        if key == "key" {
            self.arrived.add_permits(1);
            self.open.acquire().await.unwrap().forget();
        }
        self.inner.get(key).await
    }
    async fn put(&self, entry: airlock_storage::StorageEntry) -> airlock_storage::Result<()> {
        self.inner.put(entry).await
    }
    async fn delete(&self, key: &str) -> airlock_storage::Result<()> {
        self.inner.delete(key).await
    }
    async fn list(&self, folder: &str) -> airlock_storage::Result<Vec<String>> {
        self.inner.list(folder).await
    }
}

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, SystemTime};

use airlock_faults::{Call, Fault, FaultyStorage};
use airlock_sandbox::{Clock, Compiler, Limits, Sandbox, SandboxSettings, Services};
use airlock_storage::{MemoryStorage, Prefixes, Storage as _, StorageEntry};
use tokio::time::timeout;

use vault_plugin::ServerError;

use super::*;
use crate::invalidations::QUEUE;
use crate::source::GrantedGuest;

/// Ends a test that would hang.
const TOO_LONG: Duration = Duration::from_secs(60);

/// Returns the adversary, of which one request runs at once.
async fn adversary() -> GrantedGuest {
    granted("adversary").await
}

/// Returns a guest, of which one request runs at once.
async fn granted(name: &str) -> GrantedGuest {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests");
    let file = guests.join(name).with_extension("wasm");
    let component = std::fs::read(file).expect("run `guest/build.sh --with-tests` first");
    let sandbox = Sandbox::new(SandboxSettings {
        compiler: Compiler::InProcess,
        cache: None,
        memory_bytes: None,
    });
    let limits = Limits {
        instances: 1,
        ..Limits::default()
    };
    GrantedGuest {
        guest: sandbox.unwrap().load(&component, limits).await.unwrap(),
        voucher: None,
        cacheable: Prefixes::none(),
        unauthenticated: Prefixes::none(),
    }
}

async fn mount(storage: &FaultyStorage) -> Arc<GuestMount> {
    mount_with(storage, Services::default()).await
}

async fn mount_with(storage: &FaultyStorage, services: Services) -> Arc<GuestMount> {
    mount_of(Parts {
        services,
        ..parts(storage)
    })
    .await
}

async fn mount_of(parts: Parts) -> Arc<GuestMount> {
    Arc::new(GuestMount::set_up(&adversary().await, parts).await.unwrap())
}

fn parts(storage: &FaultyStorage) -> Parts {
    Parts {
        config: Vec::new(),
        storage: Arc::new(storage.clone()),
        storage_settings: airlock_storage::Settings::default(),
        services: Services::default(),
        is_standby: false,
        on_usage: |_| {},
        metrics: Arc::default(),
        breaker: breaker::Settings::default(),
    }
}

fn read(path: &str) -> Request {
    Request::new(Operation::Read, path)
}

#[tokio::test]
async fn initializes_again_once_storage_has_healed() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    let mount = mount(&storage).await;
    storage.every(Call::Get, Fault::Fail);
    mount.initialize().await.unwrap_err();
    let Err(Error::Coded { status: 503, message }) = mount.handle_request(read("ok")).await else {
        panic!("it served");
    };
    assert!(message.contains("broken on purpose"), "{message}");

    storage.heal();
    let served = async {
        while let Err(error) = mount.handle_request(read("ok")).await {
            assert!(matches!(error, Error::Coded { status: 503, .. }), "{error}");
            tokio::task::yield_now().await;
        }
    };
    timeout(TOO_LONG, served).await.expect("it never served again");
}

#[tokio::test]
async fn whether_a_key_exists_is_remembered_unless_the_operator_says_otherwise_or_others_write() {
    for (cacheable, is_standby, asked) in [
        (Prefixes::all(), false, 1),
        (Prefixes::none(), false, 3),
        (Prefixes::all(), true, 3),
    ] {
        let storage = FaultyStorage::new(MemoryStorage::new());
        let kv = GrantedGuest {
            cacheable,
            ..granted("kv").await
        };
        let parts = Parts {
            is_standby,
            ..parts(&storage)
        };
        let mount = GuestMount::set_up(&kv, parts).await.unwrap();
        mount.initialize().await.unwrap();
        let before = storage.calls(Call::Get);
        for _ in 0..3 {
            let write = Request::new(Operation::Update, "a");
            assert_eq!(mount.check_existence(write).await.unwrap(), Some(false));
        }
        assert_eq!(storage.calls(Call::Get) - before, asked);
    }
}

#[tokio::test]
async fn what_a_guest_says_at_initialize_is_told_in_one_printable_line() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    let command = StorageEntry::new("adversary/initialize", "x\n[ERROR] core: \u{1b}[2J");
    storage.put(command).await.unwrap();
    let mount = mount(&storage).await;
    let refused = mount.initialize().await.unwrap_err().to_string();
    assert!(refused.ends_with("x\\n[ERROR] core: \\u{1b}[2J"), "{refused}");
}

#[tokio::test]
async fn a_changed_key_does_not_wait_for_the_guest() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    let mount = mount(&storage).await;
    mount.initialize().await.unwrap();
    let gate = storage.hold(Call::Get, 1);
    let running = tokio::spawn({
        let mount = mount.clone();
        async move { mount.handle_request(read("increment")).await }
    });
    gate.reached().await;
    // The only instance is taken, so the guest cannot be told yet.
    let told = timeout(TOO_LONG, mount.invalidate_key("adversary/count"));
    told.await.expect("it waited for the guest");
    gate.open();
    // The guest was told that a key which it had read was changed, so the request ran again.
    running.await.unwrap().unwrap();
    assert_eq!(storage.calls(Call::Put), 1);
}

#[tokio::test]
async fn a_key_the_guest_is_not_told_of_costs_cache_and_scratch() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    let mount = mount(&storage).await;
    mount.initialize().await.unwrap();
    let data = async |path: &str| {
        let answer = mount.handle_request(read(path)).await.unwrap().unwrap();
        answer.data.unwrap().as_str().to_owned()
    };
    data("scratch-write").await;
    mount.invalidate_key("adversary/other").await;
    assert_eq!(data("scratch-read").await, r#"{"there":true}"#);

    let gate = storage.hold(Call::Get, 1);
    let running = tokio::spawn({
        let mount = mount.clone();
        async move { mount.handle_request(read("increment")).await }
    });
    gate.reached().await;
    // The only instance is taken. The guest has one key at hand, and one more does not fit.
    for number in 0..QUEUE + 2 {
        mount.invalidate_key(&format!("adversary/{number}")).await;
    }
    gate.open();
    running.await.unwrap().unwrap();
    assert_eq!(data("scratch-read").await, r#"{"there":false}"#);
}

/// A clock that fails, once it is broken, as a defect of the host would.
#[derive(Default)]
struct Breakable(AtomicBool);

impl Clock for Breakable {
    fn now(&self) -> SystemTime {
        assert!(!self.0.load(SeqCst), "on purpose");
        SystemTime::now()
    }
}

#[tokio::test]
async fn a_panic_while_the_guest_is_told_does_not_end_the_telling() {
    let clock = Arc::new(Breakable::default());
    let services = Services {
        clock: clock.clone(),
        ..Services::default()
    };
    let mount = mount_with(&FaultyStorage::new(MemoryStorage::new()), services).await;
    mount.initialize().await.unwrap();
    let data = async |path: &str| {
        let answer = mount.handle_request(read(path)).await.unwrap().unwrap();
        answer.data.unwrap().as_str().to_owned()
    };
    data("scratch-write").await;
    mount.invalidate_key("ok").await;
    mount.settled().await;
    assert_eq!(data("scratch-read").await, r#"{"there":true}"#);
    clock.0.store(true, SeqCst);
    for key in ["now", "ok"] {
        mount.invalidate_key(key).await;
    }
    timeout(TOO_LONG, mount.settled())
        .await
        .expect("the worker is gone");
    clock.0.store(false, SeqCst);
    assert_eq!(data("scratch-read").await, r#"{"there":false}"#);
}

#[tokio::test]
async fn a_question_for_the_path_of_a_request_runs_no_guest() {
    let mount = mount(&FaultyStorage::new(MemoryStorage::new())).await;
    mount.initialize().await.unwrap();
    let asked = Request::new(Operation::Other("resolve-path".to_owned()), "ok");
    let answer = mount.handle_request(asked).await;
    assert!(matches!(answer, Err(Error::UnsupportedOperation)));
}

#[tokio::test]
async fn a_check_that_a_standby_made_too_early_is_the_active_nodes() {
    let storage = FaultyStorage::new(MemoryStorage::new());
    storage.put(StorageEntry::new("adversary/ok", "1")).await.unwrap();
    for is_standby in [false, true] {
        let mount = mount_of(Parts {
            is_standby,
            ..parts(&storage)
        });
        // The check found nothing.
        let create = Request::new(Operation::Create, "ok");
        let error = mount.await.handle_request(create).await.unwrap_err();
        match is_standby {
            false => assert!(matches!(error, Error::Coded { status: 412, .. }), "{error:?}"),
            true => assert!(matches!(error, Error::Server(ServerError::ReadOnly)), "{error:?}"),
        }
    }
}

#[tokio::test]
async fn a_request_for_the_hosts_own_paths_does_not_reach_the_guest() {
    let mount = mount(&FaultyStorage::new(MemoryStorage::new())).await;
    mount.initialize().await.unwrap();
    for path in [".airlock", ".airlock/", ".airlock/ok"] {
        let answer = mount.handle_request(read(path)).await;
        assert!(matches!(answer, Err(Error::UnsupportedPath)), "{path}");
        let answer = mount.check_existence(read(path)).await;
        assert!(matches!(answer, Err(Error::UnsupportedPath)), "{path}");
    }
}

//! Tests guest/versioned-kv, the file that ships: the storage calls of its requests, with what the operator may let the
//! host cache.

use std::sync::Arc;

use airlock_sandbox::types::{Operation, Request};
use airlock_sandbox::{Guest, Limits, MountContext, Services};
use airlock_storage::{MemoryStorage, Mount, Prefixes, Settings};

use crate::support::load;

/// The `--cache` flags in docs/versioned-kv.md.
const CACHED: [&str; 4] = ["names", "config", "upgrade", "metadata/"];

/// Returns a mount of version 2 with one secret, every key of which has been read once, and the mount's storage.
async fn mount(guest: &Guest, cached: &[&str]) -> (Arc<MountContext>, Arc<MemoryStorage>) {
    let memory = Arc::new(MemoryStorage::new());
    let declared = Prefixes::from_iter(guest.description().cacheable.clone());
    let settings = Settings {
        cacheable: declared.and(&Prefixes::from_iter(cached.iter().copied())),
        ..guest
            .description()
            .storage_settings(airlock_storage::Settings::default())
    };
    let mount = Mount::new(memory.clone(), settings);
    let config = vec![("version".to_owned(), "2".to_owned())];
    let mount = MountContext::new(mount, Services::default(), config, guest.limits());
    guest.initialize(&mount).await.result.unwrap();
    for operation in [Operation::Create, Operation::Update] {
        let written = guest.handle_request(&mount, write(operation, "")).await;
        written.result.unwrap();
    }
    cost(guest, &mount, Request::new(Operation::Read, "data/a")).await;
    (mount, memory)
}

fn write(operation: Operation, id: &str) -> Request {
    let mut request = Request::new(operation, "data/a");
    request.id = id.into();
    request.data = Some(r#"{"data":{"x":1}}"#.into());
    request
}

/// Returns the gets, the puts and all calls of storage that a request makes.
async fn cost(guest: &Guest, mount: &Arc<MountContext>, request: Request) -> (u64, u64, u64) {
    let outcome = guest.handle_request(mount, request).await;
    outcome.result.unwrap();
    let storage = outcome.usage.storage;
    (storage.gets, storage.puts, storage.calls())
}

#[tokio::test]
async fn with_its_cache_a_read_costs_one_call_and_an_update_two() {
    let guest = load("versioned-kv", Limits::default()).await;
    let read = || Request::new(Operation::Read, "data/a");
    let (uncached, _) = mount(&guest, &[]).await;
    assert_eq!(cost(&guest, &uncached, read()).await, (3, 0, 3));

    let (cached, _) = mount(&guest, &CACHED).await;
    assert_eq!(cost(&guest, &cached, read()).await, (1, 0, 1));
    let checked = guest
        .check_existence(&cached, write(Operation::Update, "id"))
        .await;
    assert_eq!(checked.result.unwrap(), Some(true));
    assert_eq!(checked.usage.storage.calls(), 0);
    assert_eq!(
        cost(&guest, &cached, write(Operation::Update, "id")).await,
        (0, 2, 2)
    );
}

#[tokio::test]
async fn what_a_secret_holds_is_never_cached() {
    let guest = load("versioned-kv", Limits::default()).await;
    // This holds even if the operator grants everything.
    let (mount, memory) = mount(&guest, &[""]).await;
    let versions = memory.entries().into_iter().map(|entry| entry.key);
    let versions: Vec<_> = versions.filter(|key| key.starts_with("versions/")).collect();
    assert_eq!(versions.len(), 2);
    for _ in 0..2 {
        let read = Request::new(Operation::Read, "data/a");
        assert_eq!(cost(&guest, &mount, read).await, (1, 0, 1));
    }
    let cacheable = Prefixes::from_iter(guest.description().cacheable.clone());
    for key in versions.iter().map(String::as_str).chain(["v1/a"]) {
        assert!(!cacheable.contain(key), "{key}");
    }
}

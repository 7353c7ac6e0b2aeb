//! Tests requests and guests for which there is not enough room.

use std::sync::{Arc, Mutex};

use airlock_sandbox::types::{Operation, Request};
use airlock_sandbox::{Compiler, Limits, Sandbox, SandboxSettings, Services};
use airlock_storage::{Result as Stored, Storage, StorageEntry};
use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::support::{load, mount};
use crate::synthetic::{ANY_KEY, Synthetic};

const MIB: u64 = 1 << 20;

fn read() -> Request {
    Request::new(Operation::Read, "any")
}

/// Storage that answers when the test lets it.
struct Slow {
    /// The keys of the calls that have arrived.
    keys: Mutex<Vec<String>>,
    /// One permit for each call that has arrived.
    arrived: Semaphore,
    /// One permit for each call that may end.
    open: Semaphore,
}

#[async_trait]
impl Storage for Slow {
    async fn get(&self, key: &str) -> Stored<Option<StorageEntry>> {
        self.keys.lock().unwrap().push(key.to_owned());
        self.arrived.add_permits(1);
        self.open.acquire().await.unwrap().forget();
        Ok(None)
    }
    async fn put(&self, _entry: StorageEntry) -> Stored<()> {
        Ok(())
    }
    async fn delete(&self, _key: &str) -> Stored<()> {
        Ok(())
    }
    async fn list(&self, _folder: &str) -> Stored<Vec<String>> {
        Ok(Vec::new())
    }
}

impl Slow {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            keys: Mutex::default(),
            arrived: Semaphore::new(0),
            open: Semaphore::new(0),
        })
    }
}

#[tokio::test]
async fn a_request_without_memory_gets_429_and_the_next_one_runs() {
    let sandbox = Sandbox::new(SandboxSettings {
        compiler: Compiler::InProcess,
        cache: None,
        memory_bytes: Some(8 * MIB),
    })
    .unwrap();
    // Each request holds 5 MiB while it waits for storage.
    let guest = Synthetic {
        module: format!(
            r#"(import "airlock:engine/storage@0.1.0" "get" (func $get (param i32 i32 i32)))
            {ANY_KEY}
            (data (i32.const 4200) "key")"#
        )
        .leak(),
        handle_request: "(drop (memory.grow (i32.const 79)))
            (call $get (i32.const 4200) (i32.const 3) (i32.const 4300))
            (i32.const 16)",
        ..Synthetic::default()
    };
    let limits = Limits {
        memory_bytes: 7 * MIB,
        ..Limits::default()
    };
    let guest = sandbox.load(&guest.component(), limits).await.unwrap();
    let storage = Slow::new();
    let mount = mount(&guest, storage.clone(), Services::default());

    let first = tokio::spawn({
        let (guest, mount) = (guest.clone(), mount.clone());
        async move { guest.handle_request(&mount, read()).await.result }
    });
    storage.arrived.acquire().await.unwrap().forget();
    let error = guest.handle_request(&mount, read()).await.result.unwrap_err();
    assert_eq!(error.status(), 429);
    assert_eq!(
        error.to_string(),
        "this mount is busy: guest synthetic is over the limit of 8 MiB of memory for all requests together (--process-memory-mib)"
    );
    storage.open.add_permits(2);
    assert!(first.await.unwrap().is_ok());
    assert!(guest.handle_request(&mount, read()).await.result.is_ok());
}

#[tokio::test]
async fn few_large_requests_run_at_once_and_small_ones_pass_them() {
    const LARGE: usize = 8;
    let limits = Limits::default();
    // More than have an instance permit.
    let requests = limits.instances as usize + 4;
    let guest = load("kv", limits).await;
    let storage = Slow::new();
    let mount = mount(&guest, storage.clone(), Services::default());
    let send = |request: Request| {
        let (guest, mount) = (guest.clone(), mount.clone());
        tokio::spawn(async move { guest.handle_request(&mount, request).await.result })
    };
    let requests: Vec<_> = (0..requests)
        .map(|number| {
            let mut request = Request::new(Operation::Create, format!("large-{number}"));
            request.data = Some(format!(r#"{{"value":"{}"}}"#, "x".repeat(300 << 10)).into());
            send(request)
        })
        .collect();
    storage.arrived.acquire_many(LARGE as u32).await.unwrap().forget();
    let small = send(Request::new(Operation::Read, "small"));
    storage.arrived.acquire().await.unwrap().forget();
    // Others are answered, so a ninth would have arrived by now.
    for _ in 0..200 {
        let help = Request::new(Operation::Help, "");
        guest.handle_request(&mount, help).await.result.unwrap();
    }
    let keys = storage.keys.lock().unwrap().clone();
    assert_eq!(keys.len(), LARGE + 1, "{keys:?}");
    assert!(keys.contains(&"kv/small".to_owned()), "{keys:?}");

    storage.open.add_permits(requests.len() + 1);
    assert!(small.await.unwrap().is_err(), "the key is missing");
    for request in requests {
        assert!(request.await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn a_guest_whose_requests_cannot_fit_is_not_loaded() {
    let sandbox = Sandbox::new(SandboxSettings {
        compiler: Compiler::InProcess,
        cache: None,
        memory_bytes: Some(8 * MIB),
    })
    .unwrap();
    let loaded = sandbox
        .load(&Synthetic::default().component(), Limits::default())
        .await;
    assert_eq!(
        loaded.unwrap_err().to_string(),
        "it needs 64 MiB of memory for a request (--memory-mib); over the limit of 8 MiB of memory for all requests together (--process-memory-mib)"
    );
}

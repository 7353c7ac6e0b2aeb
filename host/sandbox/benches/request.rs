//! Measures what a request costs without Vault: an instance, a read of storage in memory, the answer.
//!
//!     guest/build.sh && cargo bench -p airlock-sandbox [-- PART-OF-A-NAME]
//!
//! Runs on one thread, as the binary serves. Prints microseconds of the process's CPU time for each request, all
//! threads together: the median and the best of the rounds. (Elapsed time says more about what else the machine does.)

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use airlock_sandbox::types::{Operation, Request};
use airlock_sandbox::{Compiler, Guest, Limits, MountContext, Sandbox, SandboxSettings, Services};
use airlock_storage::{MemoryStorage, Mount, StorageEntry};
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 30;
const REQUESTS: u32 = 1_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guests/kv.wasm");
    let component = std::fs::read(file).expect("target/guests/kv.wasm; run guest/build.sh first");
    let sandbox = Sandbox::new(SandboxSettings {
        compiler: Compiler::InProcess,
        cache: None,
        memory_bytes: None,
    })
    .unwrap();

    let begun = Instant::now();
    let guest = sandbox.load(&component, Limits::default()).await.unwrap();
    println!(
        "load, with compilation: {:.1} ms",
        begun.elapsed().as_secs_f64() * 1e3
    );

    let storage = Arc::new(MemoryStorage::new());
    storage.insert(StorageEntry::new("kv/small", vec![b'x'; 32]));
    storage.insert(StorageEntry::new("kv/large", vec![b'x'; 64 << 10]));
    let mount = Mount::new(
        storage,
        guest
            .description()
            .storage_settings(airlock_storage::Settings::default()),
    );
    let mount = MountContext::new(mount, Services::default(), vec![], &Limits::default());

    measure(
        "help, which uses no storage",
        &guest,
        &mount,
        &Request::new(Operation::Help, ""),
    )
    .await;
    measure(
        "read of 32 bytes",
        &guest,
        &mount,
        &Request::new(Operation::Read, "small"),
    )
    .await;
    measure(
        "read of 64 KiB",
        &guest,
        &mount,
        &Request::new(Operation::Read, "large"),
    )
    .await;
    let mut write = Request::new(Operation::Update, "small");
    write.data = Some(format!(r#"{{"value":"{}"}}"#, "y".repeat(32)).into());
    measure(
        "update of 32 bytes, with its existence check",
        &guest,
        &mount,
        &write,
    )
    .await;
}

async fn measure(what: &str, guest: &Guest, mount: &Arc<MountContext>, request: &Request) {
    if std::env::args()
        .skip(1)
        .any(|part| !part.starts_with('-') && !what.contains(&part))
    {
        return;
    }
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let begun = cpu_seconds();
        for _ in 0..REQUESTS {
            guest.handle_request(mount, request.clone()).await.result.unwrap();
        }
        rounds.push((cpu_seconds() - begun) * 1e6 / f64::from(REQUESTS));
    }
    rounds.sort_by(f64::total_cmp);
    println!("{what}: {:.1} µs (best {:.1})", rounds[ROUNDS / 2], rounds[0]);
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

//! Shared by the tests: one sandbox, the guests that were built, and mounts over storage in memory.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use airlock_sandbox::types::{Operation, Request, Response};
use airlock_sandbox::{
    CallError, Compiler, Events, Guest, Limits, LogLine, LogSink, MountContext, Outcome, Sandbox,
    SandboxSettings, Services,
};
use airlock_storage::{MemoryStorage, Mount, Storage, StorageEntry};
use async_trait::async_trait;

/// Returns a mount of a guest.
pub fn mount(guest: &Guest, storage: Arc<dyn Storage>, services: Services) -> Arc<MountContext> {
    let settings = airlock_storage::Settings::default();
    let mount = Mount::new(storage, guest.description().storage_settings(settings));
    MountContext::new(mount, services, vec![], guest.limits())
}

/// Returns the sandbox of this process. It compiles guests in the process.
pub fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| {
        // Without a cache, each test would compile what it loads.
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled-guests");
        Sandbox::new(SandboxSettings {
            compiler: Compiler::InProcess,
            cache: Some(cache),
            memory_bytes: None,
        })
        .unwrap()
    })
}

pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns a guest's file, the one that ships.
pub fn component(name: &str) -> Vec<u8> {
    let file = repository().join(format!("target/guests/{name}.wasm"));
    std::fs::read(&file).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; build the guests first: guest/build.sh --with-tests",
            file.display()
        )
    })
}

pub async fn load(name: &str, limits: Limits) -> Guest {
    sandbox().load(&component(name), limits).await.unwrap()
}

/// A guest with a mount, and everything that left the guest.
pub struct Bench {
    pub guest: Guest,
    pub mount: Arc<MountContext>,
    pub storage: Arc<MemoryStorage>,
    pub log: Arc<Recorder>,
}

/// Keeps what a guest logged and sent.
#[derive(Default)]
pub struct Recorder {
    pub lines: Mutex<Vec<String>>,
    pub events: Mutex<Vec<String>>,
    /// The thread of each line.
    pub threads: Mutex<Vec<String>>,
}

impl LogSink for Recorder {
    fn log(&self, line: LogLine<'_>) {
        let text = format!(
            "{:?} {} {} {:?} {}",
            line.level, line.guest, line.message, line.fields, line.attempt
        );
        self.lines.lock().unwrap().push(text);
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        self.threads.lock().unwrap().push(thread);
    }
}

#[async_trait]
impl Events for Recorder {
    async fn send(&self, event_type: &str, metadata: &str) -> Result<(), String> {
        self.events
            .lock()
            .unwrap()
            .push(format!("{event_type} {metadata}"));
        Ok(())
    }
}

impl Bench {
    pub async fn new(name: &str, limits: Limits) -> Self {
        Self::of(load(name, limits).await)
    }

    pub fn of(guest: Guest) -> Self {
        let storage = Arc::new(MemoryStorage::new());
        Self::over(guest, storage.clone(), storage)
    }

    /// Sets up a mount over `through`, which may be another storage than the one in memory.
    pub fn over(guest: Guest, through: Arc<dyn Storage>, storage: Arc<MemoryStorage>) -> Self {
        let log = Arc::new(Recorder::default());
        let services = Services {
            log: log.clone(),
            events: log.clone(),
            ..Services::default()
        };
        let mount = mount(&guest, through, services);
        Self {
            guest,
            mount,
            storage,
            log,
        }
    }

    pub async fn run(&self, request: Request) -> Outcome<Option<Box<Response>>> {
        self.guest.handle_request(&self.mount, request).await
    }

    /// Sends a request without data, and returns the data of its answer.
    pub async fn ask(&self, operation: Operation, path: &str) -> Result<String, CallError> {
        self.send(Request::new(operation, path)).await
    }

    pub async fn send(&self, request: Request) -> Result<String, CallError> {
        self.run(request)
            .await
            .result
            .map(|response| response.unwrap().data.unwrap().into_string())
    }

    pub fn stored(&self, key: &str) -> Option<String> {
        let entry = self
            .storage
            .entries()
            .into_iter()
            .find(|entry| entry.key == key)?;
        Some(String::from_utf8(entry.value.to_vec()).unwrap())
    }

    pub fn store(&self, key: &str, value: &str) {
        self.storage
            .insert(StorageEntry::new(key, value.as_bytes().to_vec()));
    }
}

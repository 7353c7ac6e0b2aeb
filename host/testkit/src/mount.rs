//! A mount: a guest over a storage, and the work that Vault does for each request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use airlock_faults::FaultyStorage;
use airlock_sandbox::types::{self, Operation, Response, Timestamp};
use airlock_sandbox::{MountContext, Services, System, Usage, is_control};
use airlock_storage::{Attempt, MemoryStorage, Settings, Storage, StorageEntry};
use serde_json::Value;

use crate::answer::Asked;
use crate::services::nanoseconds;
use crate::{
    Answer, Clock, Error, FakeSystem, FolderStorage, Guest, Lease, Recorder, Request, Result, Seeded,
    block_on,
};

/// The settings of a mount. [`start`](Self::start) mounts the guest.
#[must_use = "a mount begins with `start`"]
pub struct MountBuilder {
    guest: Guest,
    entries: Entries,
    options: Vec<(String, String)>,
    path: String,
    identity: Identity,
    system: Arc<dyn System>,
    seed: u64,
    is_real: bool,
    retry: Duration,
    busy_after: Option<Duration>,
}

#[derive(Default)]
struct Identity {
    entity: String,
    display_name: String,
}

#[derive(Clone)]
enum Entries {
    Memory(Arc<MemoryStorage>),
    Folder(Arc<FolderStorage>),
}

impl Entries {
    fn storage(&self) -> Arc<dyn Storage> {
        match self {
            Self::Memory(storage) => storage.clone(),
            Self::Folder(storage) => storage.clone(),
        }
    }

    fn all(&self) -> Vec<StorageEntry> {
        match self {
            Self::Memory(storage) => storage.entries(),
            Self::Folder(storage) => storage.entries(),
        }
    }
}

impl MountBuilder {
    pub(crate) fn new(guest: Guest) -> Self {
        Self {
            entries: Entries::Memory(Arc::default()),
            options: Vec::new(),
            path: format!("{}/", guest.description().name),
            identity: Identity::default(),
            system: Arc::new(FakeSystem::default()),
            seed: 0,
            is_real: false,
            retry: Duration::ZERO,
            busy_after: None,
            guest,
        }
    }

    /// Uses a storage in memory, which may already hold entries. Default: an empty one.
    pub fn memory(mut self, storage: Arc<MemoryStorage>) -> Self {
        self.entries = Entries::Memory(storage);
        self
    }

    /// Uses a storage in a directory.
    pub fn folder(mut self, storage: Arc<FolderStorage>) -> Self {
        self.entries = Entries::Folder(storage);
        self
    }

    /// Adds an option, as `vault secrets enable -options` does.
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.options.push((name.into(), value.into()));
        self
    }

    /// Sets the path of the mount. Default: the engine's name.
    pub fn path(mut self, path: &str) -> Self {
        self.path = format!("{}/", path.trim_matches('/'));
        self
    }

    /// Sets the entity that makes requests, for requests that do not name one. Default: none, as with the root token.
    pub fn entity(mut self, id: &str) -> Self {
        id.clone_into(&mut self.identity.entity);
        self
    }

    /// Sets the display name of the caller. Default: empty.
    pub fn display_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.identity.display_name);
        self
    }

    /// Sets the system view. Default: [`FakeSystem::default`].
    pub fn system(mut self, system: impl System) -> Self {
        self.system = Arc::new(system);
        self
    }

    /// Sets the seed of the guest's randomness, which repeats in every run. Default: 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Uses the machine's clock and the kernel's randomness.
    pub fn real_time_and_randomness(mut self) -> Self {
        self.is_real = true;
        self
    }

    /// Sets how long the host retries a write that storage did not accept. Default: not at all, so that a call that is
    /// made to fail stays failed; `airlock serve` retries for 10 s. Set it also if you make a write slow, because the
    /// host gives up on a write after this time.
    pub fn retry_storage(mut self, time: Duration) -> Self {
        self.retry = time;
        self
    }

    /// Sets how long a request that writes waits for the commit lock before it fails because storage is busy. Default:
    /// 10 s, as in `airlock serve`. After this call, [`Mount::occupy`] may hold the lock for an hour.
    pub fn busy_after(mut self, time: Duration) -> Self {
        self.busy_after = Some(time);
        self
    }

    /// Mounts the guest and initializes it.
    ///
    /// # Errors
    /// Returns [`Error::Initialize`] or [`Error::Runtime`].
    pub fn start(self) -> Result<Mount> {
        let faults = FaultyStorage::over(self.entries.storage());
        let (clock, recorder) = (Clock::default(), Recorder::default());
        let log = Arc::new(recorder.clone());
        let mut services = Services {
            system: self.system.clone(),
            events: log.clone(),
            log,
            ..Services::default()
        };
        if !self.is_real {
            services.clock = Arc::new(clock.clone());
            services.random = Arc::new(Seeded::new(self.seed));
        }
        let context = self.context(&faults, services.clone())?;
        Ok(Mount {
            context,
            faults,
            clock,
            recorder,
            services,
            requests: AtomicU64::new(0),
            built: self,
        })
    }

    /// Creates the sandbox's context of the mount and initializes the guest.
    fn context(&self, faults: &FaultyStorage, services: Services) -> Result<Arc<MountContext>> {
        let guest = &self.guest.inner;
        let mut settings = Settings {
            flush: self.retry,
            late: Duration::ZERO,
            // All that an operator could grant with `--cache`.
            cacheable: guest.description().cacheable.iter().collect(),
            ..guest.description().storage_settings()
        };
        if let Some(time) = self.busy_after {
            (settings.wait, settings.lock_time) = (time, Duration::from_secs(3600));
        }
        let started = block_on(async {
            // The mount is made in here because its flushes run on the runtime where it was made, and the test's own
            // runtime is blocked meanwhile.
            let storage = airlock_storage::Mount::new(Arc::new(faults.clone()), settings);
            let context = MountContext::new(storage, services, self.options.clone(), guest.limits());
            (guest.initialize(&context).await.result, context)
        });
        let (initialized, context) = started?;
        match initialized {
            // A standby cannot write, but Vault serves the mount nonetheless.
            Err(error) if !error.is_read_only() => Err(Error::Initialize(error)),
            _ => Ok(context),
        }
    }
}

/// A mounted guest. Several threads may send requests at once.
pub struct Mount {
    built: MountBuilder,
    services: Services,
    faults: FaultyStorage,
    clock: Clock,
    recorder: Recorder,
    requests: AtomicU64,
    context: Arc<MountContext>,
}

impl Mount {
    /// Restarts the host: storage stays, scratch and cache are lost, and the guest is initialized again.
    ///
    /// # Errors
    /// Returns [`Error::Initialize`] or [`Error::Runtime`].
    pub fn restart(&mut self) -> Result<()> {
        self.context = self.built.context(&self.faults, self.services.clone())?;
        Ok(())
    }

    /// Reads a path.
    pub fn read(&self, path: &str) -> Answer {
        self.send(Request::read(path))
    }

    /// Writes to a path; the existence check decides whether that is a create or an update.
    pub fn write(&self, path: &str, data: Value) -> Answer {
        self.send(Request::write(path).data(&data))
    }

    /// Patches a path.
    pub fn patch(&self, path: &str, data: Value) -> Answer {
        self.send(Request::patch(path).data(&data))
    }

    /// Deletes a path.
    pub fn delete(&self, path: &str) -> Answer {
        self.send(Request::delete(path))
    }

    /// Lists below a path.
    pub fn list(&self, path: &str) -> Answer {
        self.send(Request::list(path))
    }

    /// Sends a request as Vault does: with an id, the mount's path and the caller's identity. A write is sent after its
    /// existence check.
    ///
    /// # Panics
    /// Panics if this machine cannot start the threads to run on; [`MountBuilder::start`] would already have failed
    /// then.
    pub fn send(&self, request: Request) -> Answer {
        block_on(self.deliver(request)).unwrap_or_else(|error| panic!("{error}"))
    }

    async fn deliver(&self, request: Request) -> Answer {
        let (guest, context) = (&self.built.guest.inner, &self.context);
        let Request {
            inner: mut request,
            undecided,
        } = request;
        self.sign(&mut request);
        let mut usage = Usage::default();
        if is_control(&request.path) {
            // The host answers these requests itself, too.
            let unsupported = airlock_sandbox::CallError::Guest(types::Error::UnsupportedPath);
            return Answer::new(&asked(&request), Err(unsupported), usage);
        }
        if undecided {
            let outcome = guest.check_existence(context, request.clone()).await;
            add(&mut usage, &outcome.usage);
            request.operation = match outcome.result {
                Ok(Some(false)) => Operation::Create,
                Ok(_) | Err(airlock_sandbox::CallError::Guest(types::Error::UnsupportedPath)) => {
                    Operation::Update
                }
                // The host does not run a request either if its existence check failed.
                Err(error) => return Answer::new(&asked(&request), Err(error.of_existence_check()), usage),
            };
        }
        let asked = asked(&request);
        let path = request.path.clone();
        let outcome = guest.handle_request(context, request).await;
        add(&mut usage, &outcome.usage);
        let mut result = outcome.result;
        let lease = match &mut result {
            Ok(Some(response)) => self.lease(&path, &asked.id, response).await,
            _ => None,
        };
        Answer::new(&asked, result, usage).with_lease(lease)
    }

    /// Adds the fields that Vault adds to a request.
    fn sign(&self, request: &mut types::Request) {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let MountBuilder {
            guest,
            path,
            identity,
            ..
        } = &self.built;
        request.id = format!("00000000-0000-0000-0000-{number:012}");
        request.mount_point.clone_from(path);
        request.mount_type.clone_from(&guest.description().name);
        request.mount_accessor = format!("{}_00000000", guest.description().name);
        if request.entity_id.is_empty() {
            request.entity_id.clone_from(&identity.entity);
        }
        request.display_name.clone_from(&identity.display_name);
    }

    /// Registers the lease of an answer, as Vault does. Its times are limited by those of the mount.
    async fn lease(&self, path: &str, id: &str, response: &mut Response) -> Option<Lease> {
        let secret = response.secret.as_mut()?;
        let month = nanoseconds(FakeSystem::default().max_lease_ttl);
        if secret.lease.ttl == 0 {
            secret.lease.ttl = self.built.system.default_lease_ttl().await.unwrap_or(month);
        }
        let longest = self.built.system.max_lease_ttl().await.unwrap_or(month);
        secret.lease.ttl = secret.lease.ttl.min(longest);
        secret.lease_id = format!("{}{path}/{}", self.built.path, id.replace('-', ""));
        let now = self.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        secret.lease.issue_time = Some(Timestamp {
            seconds: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
            nanoseconds: now.subsec_nanos(),
        });
        Some(Lease {
            path: path.to_owned(),
            secret: secret.clone(),
            data: response.data.clone(),
        })
    }

    /// Returns the value that is stored at a key.
    pub fn stored(&self, key: &str) -> Option<Vec<u8>> {
        self.entries()
            .into_iter()
            .find(|entry| entry.key == key)
            .map(|entry| entry.value.to_vec())
    }

    /// Returns all stored entries, in the order of their keys.
    pub fn entries(&self) -> Vec<StorageEntry> {
        self.built.entries.all()
    }

    /// Stores an entry without the guest, which is then told of the change as Vault would tell it.
    ///
    /// # Errors
    /// Returns the error of the storage.
    pub fn store(&self, entry: StorageEntry) -> airlock_storage::Result<()> {
        let key = entry.key.clone();
        let stored = block_on(self.built.entries.storage().put(entry));
        self.context.storage().invalidate(&key);
        stored.unwrap_or_else(|error| Err(airlock_storage::Error::Backend(error.to_string())))
    }

    /// Takes the mount's commit lock as another request would, until the result is dropped, but for at most 2 s. A
    /// request that writes meanwhile waits for the lock, and finds storage busy after [`MountBuilder::busy_after`].
    ///
    /// # Errors
    /// Returns the error of the storage.
    pub fn occupy(&self) -> airlock_storage::Result<impl Sized + use<>> {
        let storage = self.context.storage().clone();
        let taken = block_on(async move {
            let mut transaction = storage.begin(Attempt::FIRST).await?;
            transaction.lock_commits().await?;
            Ok(transaction)
        });
        taken.unwrap_or_else(|error| Err(airlock_storage::Error::Backend(error.to_string())))
    }

    /// Returns the faults to inject into storage; [`FaultyStorage::heal`] removes them.
    pub fn faults(&self) -> &FaultyStorage {
        &self.faults
    }

    /// Returns the guest's clock, which stands still. It has no effect after
    /// [`real_time_and_randomness`](MountBuilder::real_time_and_randomness).
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Returns the lines that the guest has logged and the events that it has sent.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }
}

fn asked(request: &types::Request) -> Asked {
    Asked {
        operation: request.operation.clone(),
        id: request.id.clone(),
        mount_type: request.mount_type.clone(),
    }
}

fn add(usage: &mut Usage, more: &Usage) {
    usage.cpu += more.cpu;
    usage.wall += more.wall;
    usage.memory_bytes = usage.memory_bytes.max(more.memory_bytes);
    usage.storage_operations += more.storage_operations;
    usage.storage += more.storage;
    usage.transfer_bytes += more.transfer_bytes;
    usage.log_lines += more.log_lines;
    usage.attempts += more.attempts;
}

//! Builds a mount: its storage, its options, and what stands for Vault.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use airlock_faults::FaultyStorage;
use airlock_mount::{GrantedGuest, GuestMount, Parts};
use airlock_sandbox::{Services, System};
use airlock_storage::{MemoryStorage, Prefixes, Settings, Storage, StorageEntry};
use vault_plugin::Backend as _;

use super::leases::Leases;
use super::{Mount, usage};
use crate::{Clock, Error, FakeSystem, FolderStorage, Guest, Recorder, Result, Seeded, block_on};

/// The settings of a mount. [`start`](Self::start) mounts the guest.
#[must_use = "a mount begins with `start`"]
pub struct MountBuilder {
    pub(super) guest: Guest,
    pub(super) entries: Entries,
    options: Vec<(String, String)>,
    pub(super) path: String,
    pub(super) identity: Identity,
    pub(super) system: Arc<dyn System>,
    clock: Clock,
    seed: u64,
    is_real: bool,
    retry: Duration,
    busy_after: Option<Duration>,
}

impl Guest {
    /// Prepares a mount of the guest.
    pub fn mount(&self) -> MountBuilder {
        MountBuilder::new(self.clone())
    }
}

#[derive(Default)]
pub(super) struct Identity {
    pub(super) entity: String,
    pub(super) display_name: String,
}

#[derive(Clone)]
pub(super) enum Entries {
    Memory(Arc<MemoryStorage>),
    Folder(Arc<FolderStorage>),
}

impl Entries {
    pub(super) fn storage(&self) -> Arc<dyn Storage> {
        match self {
            Self::Memory(storage) => storage.clone(),
            Self::Folder(storage) => storage.clone(),
        }
    }

    pub(super) fn all(&self) -> Vec<StorageEntry> {
        match self {
            Self::Memory(storage) => storage.entries(),
            Self::Folder(storage) => storage.entries(),
        }
    }
}

impl MountBuilder {
    pub(crate) fn new(guest: Guest) -> Self {
        let clock = Clock::default();
        Self {
            entries: Entries::Memory(Arc::default()),
            options: Vec::new(),
            path: format!("{}/", guest.description().name),
            identity: Identity::default(),
            system: Arc::new(FakeSystem {
                clock: clock.clone(),
                ..FakeSystem::default()
            }),
            clock,
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

    /// Sets the system view, which shares the mount's clock.
    pub fn system_view(self, system: FakeSystem) -> Self {
        let clock = self.clock.clone();
        self.system(FakeSystem { clock, ..system })
    }

    /// Sets the time at which the clock stands at the start. Default: 2026-01-01T00:00:00Z.
    pub fn starts_at(self, moment: SystemTime) -> Self {
        self.clock.set(moment);
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
    /// Returns [`Error::SetUp`], [`Error::Initialize`] or [`Error::Runtime`].
    pub fn start(self) -> Result<Mount> {
        let faults = FaultyStorage::over(self.entries.storage());
        let (clock, recorder) = (self.clock.clone(), Recorder::default());
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
        let guest = self.set_up(&faults, services.clone())?;
        Ok(Mount {
            guest,
            faults,
            clock,
            recorder,
            services,
            requests: AtomicU64::new(0),
            leases: Leases::default(),
            built: self,
        })
    }

    /// Sets the guest up on the mount and initializes it, as `airlock serve` does.
    pub(super) fn set_up(&self, faults: &FaultyStorage, services: Services) -> Result<GuestMount> {
        let mut settings = Settings {
            flush: self.retry,
            late: Duration::ZERO,
            ..Settings::default()
        };
        if let Some(time) = self.busy_after {
            (settings.wait, settings.lock_time) = (time, Duration::from_secs(3600));
        }
        // All that an operator could grant.
        let granted = GrantedGuest {
            voucher: None,
            guest: self.guest.inner.clone(),
            cacheable: Prefixes::all(),
            unauthenticated: Prefixes::all(),
        };
        let parts = Parts {
            config: self.options.clone(),
            storage: Arc::new(faults.clone()),
            storage_settings: settings,
            services,
            is_standby: false,
            on_usage: usage::note,
            metrics: Arc::default(),
            breaker: airlock_mount::BreakerSettings::OFF,
        };
        // The mount is made in here because its flushes run on the runtime where it was made, and the test's own runtime is
        // blocked meanwhile.
        block_on(async {
            let mount = GuestMount::set_up(&granted, parts).await.map_err(Error::SetUp)?;
            mount.initialize().await.map_err(Error::Initialize)?;
            Ok(mount)
        })?
    }
}

//! A guest's mount: its storage, Vault's services, and its instance permits.

use std::sync::{Arc, OnceLock, Weak};
use std::time::SystemTime;

use airlock_storage::Term;
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::bindings::airlock::engine::{log, system};
use crate::limits::Limits;
use crate::replay::{Record, Second};
use crate::run::gate::Gate;
use crate::run::kept::KeptInstances;
use crate::run::lanes::SLOW_PERMITS;
use crate::types::{Json, Nanoseconds, WrapInfo};

pub use airlock_logical::{Alias, Entity, Group};
pub use log::Level;
pub use system::{Error as SystemError, Replication};

/// One guest's mount, as the sandbox sees it. A guest that takes over has its own, over the same storage.
pub struct MountContext {
    pub(crate) storage: Arc<airlock_storage::Mount>,
    /// The term of office of the guest.
    term: Mutex<Term>,
    pub(crate) services: Services,
    pub(crate) config: Vec<(String, String)>,
    pub(crate) gate: Gate,
    pub(crate) slow_permits: Arc<Semaphore>,
    /// The gate of large requests, which they pass before the other one.
    pub(crate) large: Gate,
    /// Set for a request whose run is recorded.
    pub(crate) record: Option<Arc<Record>>,
    /// Set for the second run of a request.
    pub(crate) second: Option<Arc<Second>>,
    /// Set in the context of one request: that of the whole mount.
    whole: Option<Arc<Self>>,
    /// The place for kept instances of this mount, once there are any.
    kept_in: OnceLock<Weak<KeptInstances>>,
}

/// Most large requests of one mount that run at once. A large request leaves its slot of the pool larger than small ones
/// need it.
const LARGE: u32 = 8;

impl MountContext {
    /// Creates the context of a mount with its options (`config`), as Vault gives them at setup. Of `limits`, only
    /// `instances` and `queue` apply here. The guest is in office for as long as the storage's present term lasts.
    pub fn new(
        storage: Arc<airlock_storage::Mount>,
        services: Services,
        config: Vec<(String, String)>,
        limits: &Limits,
    ) -> Arc<Self> {
        Arc::new(Self {
            term: Mutex::new(storage.term()),
            storage,
            services,
            config,
            gate: Gate::new(limits),
            slow_permits: Arc::new(Semaphore::new(SLOW_PERMITS)),
            large: Gate::new(&Limits {
                instances: LARGE.min(limits.instances),
                ..limits.clone()
            }),
            record: None,
            second: None,
            whole: None,
            kept_in: OnceLock::new(),
        })
    }

    /// Returns this context for one request whose run is recorded.
    pub(crate) fn recorded(self: &Arc<Self>, record: &Arc<Record>) -> Arc<Self> {
        let mut view = self.view();
        view.services = self.services.recorded(record);
        view.record = Some(record.clone());
        Arc::new(view)
    }

    /// Returns this context for the second run of one request.
    pub(crate) fn replayed(self: &Arc<Self>, second: &Arc<Second>) -> Arc<Self> {
        let mut view = self.view();
        view.services = Services::replayed(&second.replayer);
        view.second = Some(second.clone());
        Arc::new(view)
    }

    fn view(self: &Arc<Self>) -> Self {
        Self {
            storage: self.storage.clone(),
            term: Mutex::new(*self.term.lock()),
            services: self.services.clone(),
            config: self.config.clone(),
            gate: self.gate.clone(),
            slow_permits: self.slow_permits.clone(),
            large: self.large.clone(),
            record: None,
            second: None,
            whole: Some(self.clone()),
            kept_in: OnceLock::new(),
        }
    }

    /// Returns the context of the whole mount, for which instances are kept.
    pub(crate) fn whole(self: &Arc<Self>) -> &Arc<Self> {
        self.whole.as_ref().unwrap_or(self)
    }

    /// Puts the guest in office: `term` is what [`replace_guest`](airlock_storage::Mount::replace_guest) returned.
    pub fn take_office(&self, term: Term) {
        *self.term.lock() = term;
    }

    /// Returns true if another guest has taken over.
    pub(crate) fn is_replaced(&self) -> bool {
        *self.term.lock() != self.storage.term()
    }

    /// Tells the mount where instances are kept for it, so that they end with it.
    pub(crate) fn keeps_in(&self, kept: &Arc<KeptInstances>) {
        self.kept_in.get_or_init(|| Arc::downgrade(kept));
    }

    /// Returns how many requests have an instance's permit, and how many wait for one.
    pub fn load(&self) -> (u32, u32) {
        self.gate.load()
    }

    /// Returns the mount's options.
    pub fn options(&self) -> &[(String, String)] {
        &self.config
    }

    /// Returns the mount's storage.
    pub fn storage(&self) -> &Arc<airlock_storage::Mount> {
        &self.storage
    }
}

impl Drop for MountContext {
    fn drop(&mut self) {
        if let Some(kept) = self.kept_in.get().and_then(Weak::upgrade) {
            kept.mount_ended();
        }
    }
}

/// The services that a guest can reach besides storage. [`Services::default`] offers only the clock and randomness.
#[derive(Clone)]
pub struct Services {
    /// Vault's `SystemView`.
    pub system: Arc<dyn System>,
    /// Vault's event bus.
    pub events: Arc<dyn Events>,
    /// The destination of log lines.
    pub log: Arc<dyn LogSink>,
    /// The source of the time.
    pub clock: Arc<dyn Clock>,
    /// The source of random bytes.
    pub random: Arc<dyn Random>,
}

impl Default for Services {
    fn default() -> Self {
        let nothing = Arc::new(Nothing);
        Self {
            system: nothing.clone(),
            events: nothing.clone(),
            log: nothing,
            clock: Arc::new(Real),
            random: Arc::new(Real),
        }
    }
}

/// Vault's `SystemView` of one mount. A method that an implementation leaves out answers that the server does not offer
/// it.
#[async_trait]
#[allow(missing_docs)] // the contract documents them
pub trait System: Send + Sync + 'static {
    async fn default_lease_ttl(&self) -> Result<Nanoseconds, SystemError> {
        Err(SystemError::Unsupported)
    }
    async fn max_lease_ttl(&self) -> Result<Nanoseconds, SystemError> {
        Err(SystemError::Unsupported)
    }
    async fn tainted(&self) -> Result<bool, SystemError> {
        Err(SystemError::Unsupported)
    }
    async fn caching_disabled(&self) -> Result<bool, SystemError> {
        Err(SystemError::Unsupported)
    }
    async fn local_mount(&self) -> Result<bool, SystemError> {
        Err(SystemError::Unsupported)
    }
    async fn replication_state(&self) -> Result<Replication, SystemError> {
        Err(SystemError::Unsupported)
    }
    async fn vault_version(&self) -> Result<String, SystemError> {
        Err(SystemError::Unsupported)
    }
    async fn cluster_id(&self) -> Result<String, SystemError> {
        Err(SystemError::Unsupported)
    }
    async fn entity_info(&self, _entity_id: &str) -> Result<Option<Entity>, SystemError> {
        Err(SystemError::Unsupported)
    }
    async fn groups_for_entity(&self, _entity_id: &str) -> Result<Vec<Group>, SystemError> {
        Err(SystemError::Unsupported)
    }
    async fn generate_password(&self, _policy: &str) -> Result<String, SystemError> {
        Err(SystemError::Unsupported)
    }
    async fn identity_token(
        &self,
        _audience: &str,
        _ttl: Nanoseconds,
    ) -> Result<(String, Nanoseconds), SystemError> {
        Err(SystemError::Unsupported)
    }
    /// Wraps data. The host calls this with the mount's commit lock taken, because the effect is outside the
    /// transaction.
    async fn wrap_data(&self, _data: Json, _ttl: Nanoseconds) -> Result<WrapInfo, SystemError> {
        Err(SystemError::Unsupported)
    }
}

/// Vault's event bus.
#[async_trait]
pub trait Events: Send + Sync + 'static {
    /// Sends an event whose request has been committed. `metadata` is a JSON object. If it fails, the host logs a
    /// warning and the request still succeeds.
    async fn send(&self, event_type: &str, metadata: &str) -> Result<(), String>;
}

/// Takes a guest's log lines.
pub trait LogSink: Send + Sync + 'static {
    /// Takes one line. Must not block.
    fn log(&self, line: LogLine<'_>);
}

/// One line of a guest's log.
///
/// It does not implement `Debug`, so that nothing prints it by accident. It holds what the guest meant for the log.
pub struct LogLine<'a> {
    /// The guest's `description.name`.
    pub guest: &'a str,
    /// Number of the request's attempt, 1 for the first. A request that runs again logs its lines again.
    pub attempt: u32,
    /// Severity of the line.
    pub level: Level,
    /// The text: at most 16 KiB together with the fields.
    pub message: &'a str,
    /// Names and values.
    pub fields: &'a [(String, String)],
}

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Returns the current time.
    fn now(&self) -> SystemTime;
}

/// Gives random bytes fit for keys.
pub trait Random: Send + Sync + 'static {
    /// Fills the buffer. The error says why no random bytes are available; the guest's request then fails.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), String>;
}

/// The machine's clock and the kernel's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct Real;

impl Clock for Real {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

impl Random for Real {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), String> {
        getrandom::fill(buffer).map_err(|error| error.to_string())
    }
}

/// Stands in for a missing Vault: offers nothing and keeps nothing.
struct Nothing;

impl System for Nothing {}

#[async_trait]
impl Events for Nothing {
    async fn send(&self, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }
}

impl LogSink for Nothing {
    fn log(&self, _: LogLine<'_>) {}
}

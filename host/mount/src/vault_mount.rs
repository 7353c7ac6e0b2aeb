//! A mount of Vault: the guest that serves it, or the reason why no guest does.
//!
//! Vault answers 404 for a mount that it could not set up, which clients take for a deleted secret. So only a new mount
//! fails with its guest, at `vault secrets enable`. Any other mount is set up without a guest. It answers 503 with the
//! cause, and serves as soon as the guest's file is right; see [`Source`] for when the file is checked.
//!
//! A guest serves only while Vault enforces the special paths that the guest has; see [`Told`].
//!
//! The guest is that of the process, or one that was pushed into the mount's storage ([`crate::pushed`]). Then another one can
//! take over while the mount serves: see [`swap`].

mod candidate;
mod look;
pub(crate) mod swap;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::time::Duration;

use airlock_sandbox::{Services, is_control, types};
use airlock_trust::Digest;
use parking_lot::{Mutex, RwLock};
use tokio::time::timeout;
use vault_plugin::{Backend, Error, Operation, Report, Request, Response, Setup, SpecialPaths, async_trait};

use crate::bridge::{self, HostLog, VaultEvents, VaultStorage, VaultSystem};
use crate::caching;
use crate::canary::{Canary, Next, Trial};
use crate::control::{self, Running};
use crate::existence::Checks;
use crate::guest_mount::{GuestMount, Parts, Replaced, unavailable};
use crate::pushed::{self, Guests, PushError, Record, RecordWriter};
use crate::source::Source;
use crate::told::{self, Told};
use candidate::{Candidate, Finder};

/// The time for which a status waits for a guest that is being loaded.
const STATUS: Duration = Duration::from_secs(2);

/// Most guests that take over from each other while one request is served.
const MOST_GUESTS: u32 = 8;

/// One mount, for as long as Vault has it set up.
pub struct VaultMount {
    pub(crate) finder: Finder,
    /// What should run here, or the reason why nobody knows.
    pub(crate) record: Mutex<Result<Record, String>>,
    /// Counts the changes of the record by other nodes, and of what Vault enforces.
    changes: AtomicU64,
    /// The number of changes that were seen when the guest was last looked for.
    read_at: Mutex<Option<u64>>,
    told: Told,
    pub(crate) candidate: Mutex<Candidate>,
    /// The candidate, once it may serve.
    serving: RwLock<Option<Arc<GuestMount>>>,
    /// The checks that failed because the mount had no guest.
    checks: Checks,
    looking: tokio::sync::Mutex<()>,
    /// Locked while guests are pushed or take over.
    pub(crate) moving: tokio::sync::Mutex<()>,
    pub(crate) is_standby: bool,
    /// The guest that is being tried, or that was tried last.
    pub(crate) canary: RwLock<Option<Arc<Canary>>>,
    this: Weak<Self>,
    /// True if the mount had no record when it was set up.
    is_new: bool,
    /// True if Vault has taken the mount down.
    ended: AtomicBool,
}

impl VaultMount {
    /// Sets up a mount.
    ///
    /// # Errors
    /// For a new mount only: the reason why its guest cannot be loaded.
    pub async fn set_up(source: Arc<dyn Source>, setup: Setup) -> Result<Arc<Self>, Error> {
        let system = VaultSystem(setup.system);
        let is_standby = system.is_standby().await;
        let storage = match is_standby {
            true => VaultStorage::of_standby(setup.storage).await,
            false => VaultStorage::new(setup.storage),
        };
        let parts = Parts {
            config: setup.config.into_iter().collect(),
            storage: Arc::new(storage),
            storage_settings: airlock_storage::Settings::default(),
            services: Services {
                system: Arc::new(system),
                events: Arc::new(VaultEvents(setup.events)),
                log: Arc::new(HostLog),
                ..Services::default()
            },
            on_usage: |_| {},
        };
        Self::over(source, parts, is_standby).await
    }

    /// Sets up a mount whose storage and services are not those of a server's plugin connection. `is_standby` is true if
    /// another server takes the writes.
    ///
    /// # Errors
    /// The same as for [`set_up`](Self::set_up).
    pub async fn over(source: Arc<dyn Source>, parts: Parts, is_standby: bool) -> Result<Arc<Self>, Error> {
        let told = told::read(&*parts.storage).await;
        let record = Self::read_record(&parts).await;
        let guests = Guests::new(parts.storage.clone());
        let writer = RecordWriter::new(parts.storage.clone(), parts.storage_settings.late);
        let storage = airlock_storage::Mount::new(parts.storage.clone(), parts.storage_settings.clone());
        caching::follow(&storage, &parts.services.system).await;
        let finder = Finder {
            source,
            parts,
            guests,
            writer,
            storage,
        };
        let can_wait = Self::can_wait(&finder, &told, &record).await;
        let candidate = match can_wait {
            true => Candidate::untried(),
            false => match &record {
                Ok(record) => finder.try_out(record, None).await,
                Err(reason) => Candidate {
                    mount: Err(reason.clone()),
                    ..Candidate::untried()
                },
            },
        };
        let paths = match (&candidate.mount, &told) {
            (Err(_), _) if can_wait => None,
            (Ok(mount), _) => Some(mount.paths().clone()),
            (Err(reason), Ok(None)) if !Self::awaits_push(&finder) => return Err(cannot_serve(reason)),
            (Err(reason), _) => {
                tracing::error!(reason, "the mount answers 503 until its guest can be loaded");
                None
            }
        };
        // Logs no error text: the server's words about its storage may name a key.
        if told.is_err() {
            tracing::error!("the record of the mount's special paths cannot be read");
        }
        let is_new = matches!(told, Ok(None));
        let told = Told::new(finder.parts.storage.clone(), told, paths).await;
        let mount = Arc::new_cyclic(|this| Self {
            is_new,
            ended: AtomicBool::new(false),
            told,
            finder,
            record: Mutex::new(record),
            changes: AtomicU64::new(0),
            read_at: Mutex::new(Some(0)),
            candidate: Mutex::new(candidate),
            serving: RwLock::new(None),
            checks: Checks::default(),
            looking: tokio::sync::Mutex::new(()),
            moving: tokio::sync::Mutex::new(()),
            is_standby,
            canary: RwLock::new(None),
            this: this.clone(),
        });
        if can_wait {
            // Loads the guest beside the rest of the unseal, so that the first request finds it loaded.
            let mount = mount.clone();
            tokio::spawn(async move {
                let record = mount.record.lock().clone();
                let found = match &record {
                    Ok(record) => mount.finder.find(record, None).await.map(drop),
                    Err(reason) => Err(reason.clone()),
                };
                if let Err(reason) = found {
                    tracing::error!(reason, "the mount answers 503 until its guest can be loaded");
                }
            });
        }
        Ok(mount)
    }

    async fn read_record(parts: &Parts) -> Result<Record, String> {
        match Record::read(&*parts.storage).await {
            Ok(record) => Ok(record),
            // The server's words about its storage may name a key.
            Err(PushError::Storage(_)) => {
                Err("the record of what runs here cannot be read: the mount's storage failed".to_owned())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Returns true if a pushed guest need not be loaded now. At an unseal, Vault sets up one mount after the other and waits
    /// for each; and it goes on enforcing what it was told before. At a reload it asks for the guest's special paths.
    async fn can_wait(
        finder: &Finder,
        told: &Result<Option<told::Record>, airlock_storage::Error>,
        record: &Result<Record, String>,
    ) -> bool {
        let (Ok(Some(told)), Ok(Record { active: Some(_), .. })) = (told, record) else {
            return false;
        };
        told.len() == 1 && told::is_read_only(&*finder.parts.storage, told).await
    }

    /// Returns true if a mount without a guest should exist, because one will be pushed.
    fn awaits_push(finder: &Finder) -> bool {
        !finder.source.has_guest() && finder.source.takes_pushed().is_ok()
    }

    /// Returns the guest that runs, for an answer.
    pub(crate) fn running(&self) -> Option<Running> {
        let active = self
            .record
            .lock()
            .as_ref()
            .ok()
            .and_then(|record| record.active.clone());
        let candidate = self.candidate.lock();
        candidate.mount.as_ref().ok()?;
        let granted = candidate.guest.as_ref()?;
        let source = match active {
            Some(_) => "storage",
            None => self.finder.source.origin(),
        };
        Some(Running::of(granted, source))
    }

    /// Compares a guest that is tried, when the caller has its answer. If it passed, it takes over.
    fn try_out(&self, canary: Arc<Canary>, request: Arc<types::Request>, trial: Trial) {
        let this = self.this.clone();
        tokio::spawn(async move {
            if canary.compare(request, trial).await == Next::TakeOver
                && let Some(mount) = this.upgrade()
            {
                match mount.shift_tried(&canary).await {
                    Ok(()) => canary.took_over(),
                    Err(error) => {
                        tracing::error!(%error, "a guest that passed its trial could not take over");
                        canary.failed(error.to_string());
                    }
                }
            }
        });
    }

    /// Returns the guest that is being tried, or is about to take over.
    pub(crate) fn tried_guest(&self) -> Option<Digest> {
        let canary = self.canary.read();
        let canary = canary.as_ref().filter(|canary| canary.is_open());
        canary.map(|canary| canary.digest)
    }

    /// Forgets a guest whose trial has not ended, because it was compared with another one.
    fn drop_canary(&self) {
        self.canary.write().take_if(|canary| canary.is_open());
    }

    /// Returns once a guest runs. Does not wait for long.
    pub(crate) async fn state(&self) -> Result<(), Error> {
        let Some(this) = self.this.upgrade() else {
            return Err(cannot_serve("it is being taken down"));
        };
        // In a task of its own, so that nobody gives up a search half way.
        let looked = tokio::spawn(async move { this.guest().await.map(drop) });
        match timeout(STATUS, looked).await {
            Ok(Ok(looked)) => looked,
            Ok(Err(_)) | Err(_) => Err(cannot_serve("its guest is being loaded")),
        }
    }
}

fn cannot_serve(reason: &str) -> Error {
    unavailable(format!("airlock cannot serve this mount: {reason}"))
}

#[async_trait]
impl Backend for VaultMount {
    fn special_paths(&self) -> SpecialPaths {
        // The next request checks again which guest may serve, under the paths that Vault takes now.
        let answer = self.told.answer();
        self.changes.fetch_add(1, SeqCst);
        *self.serving.write() = None;
        answer
    }

    async fn initialize(&self) -> Result<(), Error> {
        if self.told.is_made_up() {
            // If this succeeded at a reload, Vault would enforce the made-up paths from then on. If it fails, Vault
            // keeps the paths that it enforces. OpenBao drops the mount's backend and answers 404.
            return Err(cannot_serve(
                "neither its guest nor the record of its special paths could be read; see the log, then reload the plugin",
            ));
        }
        self.told.initializing();
        // Records the paths now, because a request may not come before the next unseal. If this fails, a request tries
        // again and gets the error.
        if (self.told.is_taken() || self.told.enforced().is_none()) && self.told.record().await.is_err() {
            tracing::warn!("the mount's special paths are not recorded yet");
        }
        let mount = self.candidate.lock().mount.clone();
        let (error, may_pass) = match &mount {
            Ok(mount) => match mount.initialize().await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    let error = format!("its guest could not be initialized: {}", Report::new(&error));
                    (error, mount.may_yet_start())
                }
            },
            // `set_up` has logged the reason.
            Err(reason) => (reason.clone(), false),
        };
        if self.is_new && !(mount.is_err() && Self::awaits_push(&self.finder)) {
            // The guest's status is never passed on: after a crash Vault answers a request with this error, and a 404
            // would look like a deleted secret.
            return Err(cannot_serve(&error));
        }
        // After an error here, Vault would keep the old special paths at a reload, and then the guest could not serve
        // before another reload. OpenBao would have no backend for the mount, and answer 404. So `initialize` succeeds,
        // and each request gets 503 with the cause. The log gets the guest's name and the kind of failure, because the
        // guest may have worded the error.
        let guest = mount.as_ref().map(|mount| mount.name()).unwrap_or_default();
        let kind = mount.as_ref().map(|mount| mount.failure()).unwrap_or_default();
        if may_pass {
            tracing::warn!(
                guest,
                kind,
                "the guest is not initialized yet; this is tried again before a request"
            );
        } else if mount.is_ok() {
            tracing::error!(
                guest,
                kind,
                "the guest cannot be initialized; the mount answers 503 with the cause until a reload"
            );
        }
        Ok(())
    }

    async fn handle_request(&self, request: Request) -> Result<Option<Response>, Error> {
        if is_control(&request.path) {
            return match self.finder.source.has_control() {
                // Boxed, so that the future of every request does not reserve space for it.
                true => Box::pin(control::answer(self, &request)).await,
                false => Err(Error::UnsupportedPath),
            };
        }
        self.checks.take_failure(&request.id)?;
        let caller = request.caller.clone();
        let request = Arc::new(bridge::request(request));
        let canary = self.canary.read().clone();
        let mut trial = canary.and_then(|canary| Some((canary.try_request(&request)?, canary)));
        for _ in 0..MOST_GUESTS {
            let guest = match self.guest().await {
                Ok(guest) => guest,
                // Otherwise Vault would log an error each minute. There is nothing to roll back.
                Err(_) if request.operation == Operation::Rollback => {
                    return Err(Error::UnsupportedOperation);
                }
                Err(error) => return Err(error),
            };
            let tried = trial.as_ref().map(|(trial, _)| trial);
            if let Ok(answer) = guest.answer(&request, &caller, tried).await {
                if let Some((trial, canary)) = trial {
                    self.try_out(canary, request, trial);
                }
                return answer;
            }
            // Another guest has taken over.
            trial = None;
            tokio::task::yield_now().await;
        }
        Err(Replaced.into())
    }

    async fn check_existence(&self, request: Request) -> Result<Option<bool>, Error> {
        if is_control(&request.path) {
            return Err(Error::UnsupportedPath);
        }
        let caller = request.caller.clone();
        let request = Arc::new(bridge::request(request));
        let canary = self.canary.read().clone();
        let mut trial = canary.and_then(|canary| Some((canary.try_check(&request)?, canary)));
        for _ in 0..MOST_GUESTS {
            match self.guest().await {
                Ok(guest) => {
                    let tried = trial.as_ref().map(|(trial, _)| trial);
                    if let Ok(answer) = guest.check(&request, &caller, tried).await {
                        if let Some((trial, canary)) = trial {
                            self.try_out(canary, request, trial);
                        }
                        return answer;
                    }
                    // Another guest has taken over.
                    trial = None;
                    tokio::task::yield_now().await;
                }
                Err(error) => return self.checks.not_made(&request.id, error),
            }
        }
        self.checks.not_made(&request.id, Replaced.into())
    }

    async fn invalidate_key(&self, key: &str) {
        if key == pushed::record::KEY {
            // The next request finds out which guest runs now.
            self.changes.fetch_add(1, SeqCst);
            *self.serving.write() = None;
            return;
        }
        let mount = self.candidate.lock().mount.clone();
        if let Ok(mount) = mount {
            mount.invalidate_key(key).await;
        }
    }

    async fn cleanup(&self) {
        self.ended.store(true, SeqCst);
        *self.canary.write() = None;
        self.finder.storage.drain().await;
        tracing::trace!("a mount was taken down");
    }
}

#[cfg(test)]
mod tests;

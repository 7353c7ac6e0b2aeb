//! A mount of Vault: the guest that serves it, or the reason why no guest does.
//!
//! Vault answers 404 for a mount that it could not set up, which clients take for a deleted secret. So only a new mount
//! fails with its guest, at `vault secrets enable`. Any other mount is set up without a guest. It answers 503 with the
//! cause, and serves as soon as the guest's file is right; see [`Source`] for when the file is checked.
//!
//! A guest serves only while Vault enforces the special paths that the guest has; see [`Told`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Instant;

use airlock_sandbox::{Services, is_control};
use parking_lot::{Mutex, RwLock};
use vault_plugin::{
    Backend, Error, Operation, Report, Request, Response, ServerError, Setup, SpecialPaths, async_trait,
};

use crate::bridge::{HostLog, VaultEvents, VaultStorage, VaultSystem};
use crate::existence::Checks;
use crate::guest_mount::{GuestMount, Parts, unavailable};
use crate::source::{GrantedGuest, PATIENCE, Source};
use crate::told::{self, Told};

/// One mount, for as long as Vault has it set up.
pub struct VaultMount {
    source: Arc<dyn Source>,
    parts: Parts,
    told: Told,
    candidate: Mutex<Candidate>,
    /// The candidate, once it may serve.
    serving: RwLock<Option<Arc<GuestMount>>>,
    /// The checks that failed because the mount had no guest.
    checks: Checks,
    looking: tokio::sync::Mutex<()>,
    /// True if the mount had no record when it was set up.
    is_new: bool,
    /// True if Vault has taken the mount down.
    ended: AtomicBool,
}

/// The guest that was tried last on this mount.
struct Candidate {
    /// The guest that was loaded last, so that it is not tried again for nothing.
    guest: Option<Arc<GrantedGuest>>,
    /// The guest on this mount, or the reason why it cannot be set up.
    mount: Result<Arc<GuestMount>, String>,
    at: Instant,
}

impl Candidate {
    async fn try_out(source: &dyn Source, unfit: Option<&Arc<GrantedGuest>>, parts: &Parts) -> Self {
        let granted = source.guest(unfit).await;
        let mount = match &granted {
            Ok(granted) => match GuestMount::set_up(granted, parts.clone()).await {
                Ok(mount) => Ok(Arc::new(mount)),
                Err(error) => Err(Report::new(&error).to_string()),
            },
            Err(reason) => Err(reason.clone()),
        };
        Self {
            guest: granted.ok().or_else(|| unfit.cloned()),
            mount,
            at: Instant::now(),
        }
    }
}

impl VaultMount {
    /// Sets up a mount.
    ///
    /// # Errors
    /// For a new mount only: the reason why its guest cannot be loaded.
    pub async fn set_up(source: Arc<dyn Source>, setup: Setup) -> Result<Self, Error> {
        let system = VaultSystem(setup.system);
        let storage = match system.is_standby().await {
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
        Self::of(source, parts).await
    }

    async fn of(source: Arc<dyn Source>, parts: Parts) -> Result<Self, Error> {
        let record = told::read(&*parts.storage).await;
        let candidate = Candidate::try_out(&*source, None, &parts).await;
        let paths = match (&candidate.mount, &record) {
            (Ok(mount), _) => Some(mount.paths().clone()),
            (Err(reason), Ok(None)) => return Err(cannot_serve(reason)),
            (Err(reason), _) => {
                tracing::error!(reason, "the mount answers 503 until its guest can be loaded");
                None
            }
        };
        // Logs no error text: the server's words about its storage may name a key.
        if record.is_err() {
            tracing::error!("the record of the mount's special paths cannot be read");
        }
        Ok(Self {
            is_new: matches!(record, Ok(None)),
            ended: AtomicBool::new(false),
            told: Told::new(parts.storage.clone(), record, paths).await,
            source,
            parts,
            candidate: Mutex::new(candidate),
            serving: RwLock::new(None),
            checks: Checks::default(),
            looking: tokio::sync::Mutex::new(()),
        })
    }

    /// Returns the guest, if it may serve now.
    ///
    /// # Errors
    /// 503 with the cause. [`ServerError::ReadOnly`] if another server has to answer.
    async fn guest(&self) -> Result<Arc<GuestMount>, Error> {
        let serving = self.serving.read().clone();
        let guest = match serving {
            Some(guest) => guest,
            // Boxed, so that the future of every request does not reserve space for it.
            None => Box::pin(self.look()).await?,
        };
        guest.ready().await?;
        Ok(guest)
    }

    /// Returns a guest that may serve. Tries another one if the last one cannot.
    async fn look(&self) -> Result<Arc<GuestMount>, Error> {
        let _alone = self.looking.lock().await;
        match self.told.record().await {
            Ok(()) => {}
            Err(airlock_storage::Error::ReadOnly) => return Err(ServerError::ReadOnly.into()),
            Err(error) => {
                let reason = format!("its special paths cannot be recorded: {error}");
                return Err(cannot_serve(&reason));
            }
        }
        let enforced = self.told.enforced();
        let fits = |mount: &Arc<GuestMount>| enforced.as_ref() == Some(mount.paths());
        if !self.candidate.lock().mount.as_ref().is_ok_and(fits) {
            self.try_another().await;
        }
        let mount = self.candidate.lock().mount.clone();
        let mount = mount.map_err(|reason| cannot_serve(&reason))?;
        if !fits(&mount) {
            return Err(cannot_serve(match enforced {
                Some(_) => {
                    "the guest has other special paths than those that Vault enforces here; reload the plugin"
                }
                None => "it is not certain which special paths Vault enforces here; reload the plugin",
            }));
        }
        *self.serving.write() = Some(mount.clone());
        Ok(mount)
    }

    /// Tries the guest that the file holds now, unless it was the last one that was tried.
    async fn try_another(&self) {
        let (last, is_recent) = {
            let candidate = self.candidate.lock();
            let is_recent = candidate.mount.is_ok() || candidate.at.elapsed() < PATIENCE;
            (candidate.guest.clone(), is_recent)
        };
        if let Some(last) = &last
            && is_recent
            && matches!(self.source.guest(Some(last)).await, Ok(same) if Arc::ptr_eq(&same, last))
        {
            return;
        }
        let next = Candidate::try_out(&*self.source, last.as_ref(), &self.parts).await;
        let last = std::mem::replace(&mut *self.candidate.lock(), next);
        if let Ok(mount) = last.mount {
            mount.cleanup().await;
        }
        // `cleanup` may have run before this candidate was there to be cleaned up.
        if self.ended.load(SeqCst) {
            self.cleanup().await;
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
        *self.serving.write() = None;
        self.told.answer()
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
        if self.is_new {
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
            return Err(Error::UnsupportedPath);
        }
        self.checks.take_failure(&request.id)?;
        match self.guest().await {
            Ok(guest) => guest.handle_request(request).await,
            // Otherwise Vault would log an error each minute. There is nothing to roll back.
            Err(_) if request.operation == Operation::Rollback => Err(Error::UnsupportedOperation),
            Err(error) => Err(error),
        }
    }

    async fn check_existence(&self, request: Request) -> Result<Option<bool>, Error> {
        if is_control(&request.path) {
            return Err(Error::UnsupportedPath);
        }
        match self.guest().await {
            Ok(guest) => guest.check_existence(request).await,
            Err(error) => self.checks.not_made(&request.id, error),
        }
    }

    async fn invalidate_key(&self, key: &str) {
        let mount = self.candidate.lock().mount.clone();
        if let Ok(mount) = mount {
            mount.invalidate_key(key).await;
        }
    }

    async fn cleanup(&self) {
        self.ended.store(true, SeqCst);
        let mount = self.candidate.lock().mount.clone();
        if let Ok(mount) = mount {
            mount.cleanup().await;
        }
    }
}

#[cfg(test)]
mod tests;

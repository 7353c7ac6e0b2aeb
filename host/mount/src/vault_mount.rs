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
pub(crate) mod change;
mod look;
mod set_up;
pub(crate) mod swap;
mod trial;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::time::Duration;

use airlock_sandbox::is_control;
use parking_lot::{Mutex, RwLock};
use time::OffsetDateTime;
use tokio::time::timeout;
use vault_plugin::{Backend, Error, Operation, Report, Request, Response, SpecialPaths, async_trait};

use crate::bridge;
use crate::canary::Canary;
use crate::control::{self, Running};
use crate::existence::{Blame, Checks};
use crate::guest_mount::{GuestMount, Replaced, operation_name, unavailable};
use crate::pushed::{self, Record};
use crate::recording::Recording;
use crate::told::Told;
use candidate::{Candidate, Finder};
use change::Refused;

/// The time for which a status waits for a guest that is being loaded.
const STATUS: Duration = Duration::from_secs(2);

/// Most guests that take over from each other while one request is served.
const MOST_GUESTS: u32 = 8;

/// One mount, for as long as Vault has it set up.
pub struct VaultMount {
    pub(crate) finder: Finder,
    /// The record of the guest that should run here, or the reason why it is unknown.
    pub(crate) record: Mutex<Result<Record, String>>,
    /// Counts the changes of the record by other nodes, and of what Vault enforces.
    changes: AtomicU64,
    /// The number of changes that were seen when the guest was last looked for.
    read_at: Mutex<Option<u64>>,
    told: Told,
    pub(crate) candidate: Mutex<Candidate>,
    /// The candidate, once it may serve.
    serving: RwLock<Option<Arc<GuestMount>>>,
    /// The path of the mount, as the last request had it.
    path: RwLock<Arc<str>>,
    /// The checks that failed because the mount had no guest.
    checks: Checks,
    looking: tokio::sync::Mutex<()>,
    /// Locked while guests are pushed or take over.
    pub(crate) moving: tokio::sync::Mutex<()>,
    /// Locked while a page of an export is made.
    pub(crate) exporting: tokio::sync::Mutex<()>,
    /// The last change of guest, if it did not come about.
    pub(crate) refused: Mutex<Option<Refused>>,
    /// The guest that is being tried, or that was tried last.
    pub(crate) canary: RwLock<Option<Arc<Canary>>>,
    /// The recording that runs, or that ran last.
    pub(crate) recording: RwLock<Option<Arc<Recording>>>,
    this: Weak<Self>,
    /// True if the mount had no record when it was set up.
    is_new: bool,
    /// True if Vault has taken the mount down.
    ended: AtomicBool,
}

impl VaultMount {
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
        let since = OffsetDateTime::now_utc() - candidate.at.elapsed();
        Some(Running::of(granted, source, since))
    }

    /// Returns the guest that was set up last, if one could be.
    pub(crate) fn current(&self) -> Option<Arc<GuestMount>> {
        self.candidate.lock().mount.clone().ok()
    }

    /// Returns the path at which the mount was when the last request came, with a slash at its end. Empty before the first
    /// one: Vault tells a plugin the path only with requests.
    pub fn path(&self) -> Arc<str> {
        self.path.read().clone()
    }

    /// Records the special paths now, because a request may not come before the next unseal. If this fails, a request tries
    /// again and gets the error.
    async fn record_told(&self) {
        let is_due = self.told.is_taken() || self.told.enforced().is_none();
        if is_due && self.told.record().await.is_err() {
            tracing::warn!("the mount's special paths are not recorded yet");
        }
    }

    fn note_path(&self, path: &str) {
        if !path.is_empty() && &**self.path.read() != path {
            *self.path.write() = path.into();
        }
    }

    /// Returns false if it is known that no guest serves. Looks for none: that would store what Vault enforces, at a time that
    /// Vault has not chosen.
    pub(crate) fn may_serve(&self) -> bool {
        let candidate = self.candidate.lock();
        match &candidate.mount {
            Ok(guest) => guest.failure().is_empty(),
            // Nothing was tried yet.
            Err(_) => candidate.record.is_none(),
        }
    }

    /// Returns how many requests run in an instance, and how many wait for one.
    pub(crate) fn load(&self) -> (u32, u32) {
        self.current().map(|guest| guest.load()).unwrap_or_default()
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
        let mount = self.candidate.lock().mount.clone();
        let start = async {
            match &mount {
                Ok(mount) => mount.initialize().await.map_err(|error| {
                    let error = format!("its guest could not be initialized: {}", Report::new(&error));
                    (error, mount.may_yet_start())
                }),
                // `set_up` has logged the reason.
                Err(reason) => Err((reason.clone(), false)),
            }
        };
        let ((), started) = tokio::join!(self.record_told(), start);
        let Err((error, may_pass)) = started else {
            return Ok(());
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
        self.note_path(&request.mount_point);
        if is_control(&request.path) {
            return match self.finder.source.has_control() {
                // Boxed, so that the future of every request does not reserve space for it.
                true => Box::pin(control::answer(self, &request)).await,
                false => Err(Error::UnsupportedPath),
            };
        }
        let operation = operation_name(&request.operation);
        self.checks.take_failure(&request.id).map_err(|cause| {
            self.finder.parts.metrics.count_unserved(operation);
            cause.error
        })?;
        let caller = request.caller.clone();
        let request = Arc::new(bridge::request(request));
        let mut trial = self.observe(&request);
        for _ in 0..MOST_GUESTS {
            let guest = match self.guest().await {
                Ok(guest) => guest,
                // Otherwise Vault would log an error each minute. There is nothing to roll back.
                Err(_) if request.operation == Operation::Rollback => {
                    return Err(Error::UnsupportedOperation);
                }
                Err(error) => {
                    self.finder.parts.metrics.count_unserved(operation);
                    return Err(error);
                }
            };
            let tried = trial.as_ref().map(|(trial, _)| trial);
            if let Ok(answer) = guest.answer(&request, &caller, tried).await {
                if let Some((trial, observer)) = trial {
                    self.tell(observer, request, trial, &guest);
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
        let mut trial = self.observe_check(&request);
        for _ in 0..MOST_GUESTS {
            match self.guest().await {
                Ok(guest) => {
                    let tried = trial.as_ref().map(|(trial, _)| trial);
                    if let Ok(answer) = guest.check(&request, &caller, tried).await {
                        if let Some((trial, observer)) = trial {
                            self.tell(observer, request, trial, &guest);
                        }
                        return answer;
                    }
                    // Another guest has taken over.
                    trial = None;
                    tokio::task::yield_now().await;
                }
                Err(error) => return self.checks.not_made(&request.id, error, Blame::Other),
            }
        }
        self.checks.not_made(&request.id, Replaced.into(), Blame::Other)
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
        self.forget_recording();
        self.finder.storage.drain().await;
        tracing::trace!("a mount was taken down");
    }
}

#[cfg(test)]
mod tests;

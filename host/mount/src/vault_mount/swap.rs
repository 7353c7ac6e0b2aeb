//! Another pushed guest takes over a mount that goes on serving.
//!
//! 1. The guest is loaded, which checks who vouches for it, and compared with the one that runs: its name, its version, what
//!    it stores, and the special paths that Vault enforces.
//! 2. Its `initialize` is tried in a transaction that is dropped.
//! 3. New requests wait. The old guest's transactions end or conflict (`airlock_storage`, `succession.rs`).
//! 4. The record names the new guest. From here on, a crash does not bring the old one back.
//! 5. The new guest's `initialize` runs, and requests go on, those of the old guest that conflicted included.
//!
//! If a step fails, the old guest serves on, and the record names it again; but not if the new one stores its data in another
//! layout and has begun to.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use airlock_storage::Undrained;
use airlock_trust::Digest;
use time::OffsetDateTime;
use vault_plugin::{Backend as _, Error, Report};

use super::VaultMount;
use super::candidate::Candidate;
use super::change::{Change, Move, Moved, Prepared, Refused, Successor};
use crate::control::time_text;
use crate::guest_mount::{GuestMount, unavailable};
use crate::pushed::{Build, PushError, Record};
use crate::source::GrantedGuest;

/// Longest time for which new requests wait for those of the old guest that have committed and go on.
pub(super) const HANDOVER: Duration = Duration::from_secs(10);

/// A guest could not begin.
enum Failed {
    /// The one that ran before runs on.
    Back(Error),
    /// It cannot, because what is stored may be the new guest's already.
    Converted(Error),
}

impl VaultMount {
    /// Lets another guest take over. One that [needs a reload](Change::reload) is named by the record, and runs after it.
    ///
    /// # Errors
    /// The guest that ran still runs.
    pub(crate) async fn shift(&self, change: Change) -> Result<Moved, Error> {
        let _one = self.moving.lock().await;
        self.drop_canary();
        self.carry_out(change).await
    }

    pub(super) async fn carry_out(&self, change: Change) -> Result<Moved, Error> {
        let digest = change.digest;
        // Boxed, because it is large and rare.
        let moved = Box::pin(self.try_carry_out(change)).await;
        self.name_in_log();
        match &moved {
            Ok(_) => {
                self.finder.parts.metrics.count_swap(true);
                *self.refused.lock() = None;
            }
            Err(error) => self.refuse(digest, error),
        }
        moved
    }

    /// Notes that a guest may not run here, if the error is about the guest: storage that fails refuses none.
    pub(crate) fn refuse_guest(&self, sha256: Option<Digest>, error: &Error) {
        if matches!(error, Error::User(_)) {
            self.refuse(sha256, error);
        }
    }

    /// Notes that a change of guest did not come about: in the status, the numbers and the log.
    fn refuse(&self, sha256: Option<Digest>, reason: &Error) {
        self.finder.parts.metrics.count_swap(false);
        *self.refused.lock() = Some(Refused {
            sha256,
            at: time_text(OffsetDateTime::now_utc()),
            reason: Report::new(reason).to_string(),
        });
        // Without the reason: the guest may have worded it.
        let sha256 = sha256.as_ref().map(tracing::field::display);
        tracing::warn!(
            sha256,
            "another guest was not let run on this mount; its status says why"
        );
    }

    /// Says in the log's lines about the request which guest runs.
    pub(crate) fn name_in_log(&self) {
        let running = self.candidate.lock().mount.clone();
        if let Ok(running) = running {
            running.name_in_log();
        }
    }

    async fn try_carry_out(&self, change: Change) -> Result<Moved, Error> {
        match self.prepare(change).await? {
            Prepared::Runs(record) => Ok(Moved {
                record,
                reload_needed: false,
            }),
            Prepared::NeedsReload { record, next } => {
                let _no_other_writes = self.looking.lock().await;
                let _undrained = self.undrained()?;
                self.is_unchanged(&record).await?;
                self.finder.writer.write(&next).await.map_err(refused)?;
                Ok(Moved {
                    record: next,
                    reload_needed: true,
                })
            }
            Prepared::Ready(successor) => self.take_over(successor).await,
        }
    }

    /// Loads a guest and checks everything that can be checked before it takes over.
    pub(super) async fn prepare(&self, change: Change) -> Result<Prepared, Error> {
        let Change {
            digest,
            way,
            reload,
            by,
        } = change;
        // Read anew: another node may have written it.
        let record = Record::read(&*self.finder.parts.storage).await.map_err(refused)?;
        let (build, next) = self.target(&record, digest, way).await?;
        let granted = self.finder.load(&build).await.map_err(Error::User)?;
        let build = Build::of(&granted, build.sha256);
        let next = match next {
            Some(next) => next,
            None => record.then(build.clone(), granted.voucher.as_ref()),
        };
        let next = next.activated(by);
        self.compare(&record, &build, &granted, way)?;
        let old = self.candidate.lock().mount.clone().ok();
        if record.active.as_ref() == Some(&build)
            && old.as_ref().is_some_and(|old| self.is_running(old, &build))
        {
            return Ok(Prepared::Runs(record));
        }
        let new = Arc::new(self.finder.prepare(&granted).await.map_err(as_refusal)?);
        let enforced = self.told.enforced();
        if enforced.as_ref() != Some(new.paths()) {
            if reload {
                return Ok(Prepared::NeedsReload { record, next });
            }
            let kinds = enforced.map_or(Vec::new(), |enforced| new.paths().differences(&enforced));
            let kinds = match kinds.is_empty() {
                true => String::new(),
                false => format!(" ({})", kinds.join(", ")),
            };
            return Err(Error::User(format!(
                "the guest has other special paths{kinds} than those that Vault enforces here: run the command again \
                 with --reload, which reloads the mount too"
            )));
        }
        new.try_initialize().await.map_err(|error| {
            Error::User(format!(
                "the guest cannot be initialized: {}",
                Report::new(&error)
            ))
        })?;
        Ok(Prepared::Ready(Successor {
            record,
            next,
            granted,
            new,
            old,
        }))
    }

    /// Returns the guest to which the mount moves, and for a way back the record after it.
    async fn target(
        &self,
        record: &Record,
        digest: Option<Digest>,
        way: Move,
    ) -> Result<(Build, Option<Record>), Error> {
        if way == Move::Rollback {
            let back = record.back();
            let build = back.as_ref().and_then(|back| back.active.clone());
            return match build {
                Some(build) => Ok((build, back)),
                None => Err(Error::User(
                    "no guest that was pushed ran here before, so there is none to go back to".to_owned(),
                )),
            };
        }
        let sha256 = digest.ok_or_else(|| Error::User("name the guest: sha256 is missing".to_owned()))?;
        let manifest = self.finder.guests.manifest(sha256).await.map_err(refused)?;
        let Some(about) = manifest.about else {
            return Err(Error::User(format!(
                "guest {sha256} was pushed in part only: push it again"
            )));
        };
        let build = Build {
            sha256,
            name: about.name,
            version: about.version,
            layout: 0,
        };
        Ok((build, None))
    }

    /// Compares a guest with what ran on this mount.
    fn compare(
        &self,
        record: &Record,
        build: &Build,
        granted: &GrantedGuest,
        way: Move,
    ) -> Result<(), Error> {
        let running = self.candidate.lock().guest.clone();
        let running = running.map(|running| {
            let description = running.guest.description();
            (description.name.clone(), description.storage_version)
        });
        let active = record.active.as_ref();
        let before = active
            .map(|active| (active.name.clone(), active.layout))
            .or(running);
        if before.is_none() && self.finder.source.has_guest() {
            return Err(Error::User(
                "nothing was pushed to this mount before, and the guest of its process cannot be loaded, so it is not known \
                 what the mount stores: mend that guest first; `airlock status` says what is wrong"
                    .to_owned(),
            ));
        }
        if let Some((name, layout)) = before {
            if name != build.name {
                return Err(Error::User(format!(
                    "the guest is {}, and this mount runs {}: mount it elsewhere",
                    build.name, name
                )));
            }
            if layout > build.layout {
                return Err(Error::User(format!(
                    "guest {} {} stores version {} of its data, and this mount holds version {} already: no way back",
                    build.name, build.version, build.layout, layout
                )));
            }
        }
        if way == Move::Swap
            && let Some(highest) = record.is_above(granted.voucher.as_ref())
        {
            return Err(Error::User(format!(
                "version {} is below {highest}, which ran on this mount before: use `airlock downgrade` if that is meant",
                build.version
            )));
        }
        Ok(())
    }

    async fn take_over(&self, successor: Successor) -> Result<Moved, Error> {
        let Successor {
            record,
            next,
            granted,
            new,
            old,
        } = successor;
        let _no_other_looks = self.looking.lock().await;
        let _undrained = self.undrained()?;
        let seen = self.changes.load(SeqCst);
        let now = self.candidate.lock().mount.clone().ok();
        let is_same = now.as_ref().map(Arc::as_ptr) == old.as_ref().map(Arc::as_ptr);
        self.is_unchanged(&record).await?;
        if !is_same {
            return Err(just_changed());
        }
        *self.serving.write() = None;
        new.take_over(HANDOVER)
            .await
            .map_err(|error| unavailable(error.to_string()))?;
        let (error, goes_on) = match self.begin(&record, &next, &new, old.as_deref()).await {
            Ok(()) => (None, true),
            Err(Failed::Back(error)) => (Some(error), false),
            Err(Failed::Converted(error)) => (Some(error), true),
        };
        if goes_on {
            tracing::info!("another guest has taken over the mount");
            self.end_recording("guest-changed");
            *self.candidate.lock() = Candidate {
                guest: Some(granted.clone()),
                mount: Ok(new),
                record: Some(next.clone()),
                at: Instant::now(),
            };
            *self.record.lock() = Ok(next.clone());
            *self.read_at.lock() = Some(seen);
        } else if let Some(old) = &old
            && let Err(error) = old.take_over(HANDOVER).await
        {
            // Nothing of the new guest is running, so this cannot be; and if it is, no request may go round and round.
            tracing::error!(%error, "the guest that ran before could not take over again");
            let mut candidate = self.candidate.lock();
            candidate.mount = Err("a change of guest failed; reload the plugin".to_owned());
            candidate.at = Instant::now();
        }
        match error {
            Some(error) => Err(error),
            None => Ok(Moved {
                record: next,
                reload_needed: false,
            }),
        }
    }

    /// Makes sure that the record is still the one with which a guest was compared.
    async fn is_unchanged(&self, record: &Record) -> Result<(), Error> {
        let stored = Record::read(&*self.finder.parts.storage).await.map_err(refused)?;
        match stored == *record && !self.ended.load(SeqCst) {
            true => Ok(()),
            false => Err(just_changed()),
        }
    }

    /// Writes the record and initializes the new guest. If that fails, the record is as before, unless the new guest may have
    /// converted what the old one stored.
    async fn begin(
        &self,
        record: &Record,
        next: &Record,
        new: &GuestMount,
        old: Option<&GuestMount>,
    ) -> Result<(), Failed> {
        let writer = &self.finder.writer;
        writer
            .write(next)
            .await
            .map_err(|error| Failed::Back(refused(error)))?;
        let Err(error) = new.initialize().await else {
            return Ok(());
        };
        let cause = Report::new(&error).to_string();
        let layout = |mount: &GuestMount| mount.guest().description().storage_version;
        if old.is_some_and(|old| layout(old) != layout(new)) {
            return Err(Failed::Converted(unavailable(format!(
                "the guest could not be initialized, and may have begun to convert what is stored, so the one that ran before \
                 cannot run on: {cause}"
            ))));
        }
        Err(Failed::Back(match writer.write(record).await {
            Ok(()) => Error::User(format!(
                "the guest could not be initialized, and the one that ran before runs on: {cause}"
            )),
            Err(unwritten) => unavailable(format!(
                "the guest could not be initialized ({cause}), and the record of what runs here could not be written back \
                 ({unwritten}): push the guest that ran before again, once that is possible"
            )),
        }))
    }

    /// Makes a take-down of the mount wait for what is written meanwhile.
    ///
    /// # Errors
    /// The mount is being taken down.
    fn undrained(&self) -> Result<Undrained, Error> {
        self.finder
            .storage
            .undrained()
            .map_err(|error| unavailable(error.to_string()))
    }

    fn is_running(&self, running: &GuestMount, build: &Build) -> bool {
        running.guest().digest() == build.sha256.to_string() && self.serving.read().is_some()
    }
}

fn just_changed() -> Error {
    unavailable("what runs here has just changed: try again".to_owned())
}

/// Converts an error of the guests in storage to an answer.
pub(crate) fn refused(error: PushError) -> Error {
    use airlock_storage::Error as Storage;
    match error {
        PushError::Storage(Storage::ReadOnly) => vault_plugin::ServerError::ReadOnly.into(),
        PushError::Storage(error) => unavailable(format!("the mount's storage failed: {error}")),
        error @ PushError::Unsettled { .. } => unavailable(error.to_string()),
        error @ PushError::Unreadable { .. } => Error::Internal(error.to_string()),
        error @ PushError::NotStored { .. } => Error::Coded {
            status: 404,
            message: error.to_string(),
        },
        error => Error::User(error.to_string()),
    }
}

/// Makes of a guest's failure an answer to who pushed it: it is that one who can mend it.
fn as_refusal(error: Error) -> Error {
    Error::User(Report::new(&error).to_string())
}

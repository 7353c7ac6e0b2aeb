//! A guest is tried on the mount's live requests, and takes over if it passes; see [`canary`](crate::canary).

use std::collections::BTreeSet;
use std::sync::Arc;

use airlock_sandbox::types;
use airlock_trust::Digest;
use vault_plugin::Error;

use super::VaultMount;
use super::change::{Change, Move, Prepared, Successor};
use crate::canary::{Canary, Next, Trial};
use crate::guest_mount::{GuestMount, unavailable};
use crate::pushed::{Actor, Record};
use crate::recording::Recording;

/// The trial or the recording that a request's run is recorded for.
pub(super) enum Observer {
    Canary(Arc<Canary>),
    Recording(Arc<Recording>),
}

impl VaultMount {
    /// Begins to record a request for a guest that is tried, or else for a recording.
    pub(super) fn observe(&self, request: &types::Request) -> Option<(Trial, Observer)> {
        let canary = self.canary.read().clone();
        let tried = canary.and_then(|canary| Some((canary.try_request(request)?, Observer::Canary(canary))));
        tried.or_else(|| {
            let recording = self.recording.read().clone()?;
            Some((recording.try_request(request)?, Observer::Recording(recording)))
        })
    }

    /// Does the same for an existence check.
    pub(super) fn observe_check(&self, request: &types::Request) -> Option<(Trial, Observer)> {
        let canary = self.canary.read().clone();
        let tried = canary.and_then(|canary| Some((canary.try_check(request)?, Observer::Canary(canary))));
        tried.or_else(|| {
            let recording = self.recording.read().clone()?;
            Some((recording.try_check(request)?, Observer::Recording(recording)))
        })
    }

    /// Tells the observer of a request how that ran on this guest, when the caller has its answer.
    pub(super) fn tell(
        &self,
        observer: Observer,
        request: Arc<types::Request>,
        trial: Trial,
        guest: &Arc<GuestMount>,
    ) {
        match observer {
            Observer::Canary(canary) => self.try_out(canary, request, trial),
            Observer::Recording(recording) => {
                let guest = guest.clone();
                tokio::spawn(async move {
                    recording.keep(request, trial, guest.guest().digest()).await;
                });
            }
        }
    }

    /// Tries another guest on the next `wanted` requests. It takes over if it answers them as the present one does, but for
    /// the fields in `tolerated`.
    ///
    /// # Errors
    /// The guest could not take over now either, or nothing runs to compare it with.
    pub(crate) async fn begin_canary(
        &self,
        digest: Option<Digest>,
        wanted: u32,
        tolerated: BTreeSet<String>,
        by: Actor,
    ) -> Result<Record, Error> {
        let _one = self.moving.lock().await;
        let prepared = self.prepare(swap_to(digest, &by)).await;
        match prepared.inspect_err(|error| self.refuse_guest(digest, error))? {
            Prepared::Ready(Successor {
                record,
                granted,
                new,
                old: Some(_),
                ..
            }) => {
                let digest = granted.guest.digest().parse().map_err(|_| Error::Unrecoverable)?;
                *self.canary.write() = Some(Canary::begin(digest, new, wanted, tolerated, by));
                Ok(record)
            }
            Prepared::Runs(_) => Err(Error::User("this guest runs already".to_owned())),
            Prepared::Ready(_) | Prepared::NeedsReload { .. } => Err(Error::User(
                "no guest runs on this mount to compare it with: push it without --canary".to_owned(),
            )),
        }
    }

    /// Compares a guest that is tried. If it passed, it takes over.
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
    pub(super) fn drop_canary(&self) {
        self.canary.write().take_if(|canary| canary.is_open());
    }

    /// Lets a guest take over that has passed its trial, unless something else has happened since.
    ///
    /// # Errors
    /// The guest that ran still runs.
    async fn shift_tried(&self, tried: &Arc<Canary>) -> Result<(), Error> {
        let _one = self.moving.lock().await;
        let is_still = self
            .canary
            .read()
            .as_ref()
            .is_some_and(|canary| Arc::ptr_eq(canary, tried));
        if !is_still {
            return Err(unavailable("its trial was ended by another change".to_owned()));
        }
        let change = swap_to(Some(tried.digest), &tried.by);
        self.carry_out(change).await.map(drop)
    }
}

/// Returns the change of guest that a trial is for. It cannot wait for a reload.
fn swap_to(digest: Option<Digest>, by: &Actor) -> Change {
    Change {
        digest,
        way: Move::Swap,
        reload: false,
        by: by.clone(),
    }
}

//! The guest that a mount should run, and how far it got.

use std::sync::Arc;
use std::time::Instant;

use airlock_trust::Digest;
use tokio::time::timeout;
use vault_plugin::{Error, Report};

use super::swap::HANDOVER;
use crate::guest_mount::{GuestMount, Parts};
use crate::pushed::{Build, Guests, Manifest, PushError, Record, RecordWriter};
use crate::source::{GrantedGuest, PATIENCE, Source};

/// The parts with which a mount finds its guest.
pub(crate) struct Finder {
    pub source: Arc<dyn Source>,
    pub parts: Parts,
    pub guests: Guests,
    pub writer: RecordWriter,
    /// The mount's transactions. Every guest of the mount is over this one, so that none commits beside another.
    pub storage: Arc<airlock_storage::Mount>,
}

/// The guest that was tried last on a mount.
pub(crate) struct Candidate {
    /// The guest that was loaded last, so that it is not tried again for nothing.
    pub guest: Option<Arc<GrantedGuest>>,
    /// The guest on this mount, or the reason why it cannot be set up.
    pub mount: Result<Arc<GuestMount>, String>,
    /// The record that named it, unless nothing was tried yet.
    pub record: Option<Record>,
    pub at: Instant,
}

impl Candidate {
    /// Returns a candidate of which nothing is known yet: the first request tries it out.
    pub fn untried() -> Self {
        Self {
            guest: None,
            mount: Err("its guest is being loaded".to_owned()),
            record: None,
            at: Instant::now(),
        }
    }

    /// Returns true if this is the pushed guest that the record names.
    pub fn is_pushed_by(&self, record: &Record) -> bool {
        let (Ok(mount), Some(active)) = (&self.mount, &record.active) else {
            return false;
        };
        mount.guest().digest() == active.sha256.to_string()
    }

    /// Returns true if the pushed guest that the record names has just failed.
    pub fn has_just_failed(&self, record: &Record) -> bool {
        let is_recent = self.mount.is_err() && self.at.elapsed() < PATIENCE;
        is_recent && record.active.is_some() && self.record.as_ref() == Some(record)
    }
}

impl Finder {
    /// Finds the guest that the record names, loads it and sets it up. It takes over from the one that serves, if there is one.
    pub async fn try_out(&self, record: &Record, unfit: Option<&Arc<GrantedGuest>>) -> Candidate {
        let granted = self.find(record, unfit).await;
        let mount = match &granted {
            Ok(granted) => self.set_up(granted).await.map(Arc::new),
            Err(reason) => Err(reason.clone()),
        };
        Candidate {
            guest: granted.ok().or_else(|| unfit.cloned()),
            mount,
            record: Some(record.clone()),
            at: Instant::now(),
        }
    }

    async fn set_up(&self, granted: &GrantedGuest) -> Result<GuestMount, String> {
        let mount = self.prepare(granted).await;
        let mount = mount.map_err(|error| Report::new(&error).to_string())?;
        let taken = mount.take_over(HANDOVER).await;
        taken.map(|()| mount).map_err(|error| error.to_string())
    }

    /// Prepares a guest that may take over.
    pub async fn prepare(&self, granted: &GrantedGuest) -> Result<GuestMount, Error> {
        GuestMount::over(self.storage.clone(), granted, self.parts.clone()).await
    }

    /// Returns the guest that the record names: a pushed one, or that of the process. `unfit` is as in [`Source::guest`].
    pub async fn find(
        &self,
        record: &Record,
        unfit: Option<&Arc<GrantedGuest>>,
    ) -> Result<Arc<GrantedGuest>, String> {
        if let Some(build) = &record.active {
            let loaded = timeout(PATIENCE, self.load(build)).await;
            return loaded.unwrap_or_else(|_| {
                let seconds = PATIENCE.as_secs();
                Err(format!("the pushed guest took longer than {seconds} s to load"))
            });
        }
        let granted = self.source.guest(unfit).await?;
        match record.is_above(granted.voucher.as_ref()) {
            None => Ok(granted),
            Some(highest) => Err(format!(
                "the guest is version {}, and version {highest} ran on this mount before: an older signed build runs only \
                 after `airlock push` and `airlock downgrade`",
                granted.guest.description().version
            )),
        }
    }

    /// Loads a guest that is stored on this mount.
    pub async fn load(&self, build: &Build) -> Result<Arc<GrantedGuest>, String> {
        let words = |error: PushError| {
            let (name, version) = (&build.name, &build.version);
            format!("the pushed guest {name} {version} cannot be read: {error}")
        };
        self.source.takes_pushed()?;
        let manifest = self.guests.manifest(build.sha256).await.map_err(words)?;
        let loaded = self.load_stored(build.sha256, &manifest).await;
        loaded.map_err(words)?
    }

    /// Loads a guest whose pieces are stored, unless the process has loaded it already. The inner error is the reason why it
    /// may not run or cannot.
    pub async fn load_stored(
        &self,
        digest: Digest,
        manifest: &Manifest,
    ) -> Result<Result<Arc<GrantedGuest>, String>, PushError> {
        let signature = manifest.signature.as_deref();
        if let Some(loaded) = self.source.loaded(digest, signature) {
            return Ok(Ok(loaded));
        }
        let component = self.guests.assemble(digest, manifest).await?;
        Ok(self.source.load(component, signature).await)
    }
}

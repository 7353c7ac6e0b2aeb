//! The guest that a mount should run, and how far it got.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout;
use vault_plugin::{Error, Report};

use super::swap::HANDOVER;
use crate::guest_mount::{GuestMount, Parts};
use crate::pushed::{Build, Guests, PushError, Record};
use crate::source::{GrantedGuest, PATIENCE, Source};

/// What a mount finds its guest with.
pub(crate) struct Finder {
    pub source: Arc<dyn Source>,
    pub parts: Parts,
    pub guests: Guests,
}

/// The guest that was tried last on a mount.
pub(crate) struct Candidate {
    /// The guest that was loaded last, so that it is not tried again for nothing.
    pub guest: Option<Arc<GrantedGuest>>,
    /// The guest on this mount, or the reason why it cannot be set up.
    pub mount: Result<Arc<GuestMount>, String>,
    pub at: Instant,
}

impl Candidate {
    /// Returns a candidate of which nothing is known yet: the first request tries it out.
    pub fn untried() -> Self {
        Self {
            guest: None,
            mount: Err("its guest is being loaded".to_owned()),
            at: Instant::now(),
        }
    }
}

impl Finder {
    /// Finds the guest that the record names, loads it and sets it up. It takes over from `old`, if there is that.
    pub async fn try_out(
        &self,
        record: &Result<Record, String>,
        unfit: Option<&Arc<GrantedGuest>>,
        old: Option<&GuestMount>,
    ) -> Candidate {
        let granted = self.find(record, unfit).await;
        let mount = match &granted {
            Ok(granted) => self.set_up(granted, old).await.map(Arc::new),
            Err(reason) => Err(reason.clone()),
        };
        Candidate {
            guest: granted.ok().or_else(|| unfit.cloned()),
            mount,
            at: Instant::now(),
        }
    }

    async fn set_up(&self, granted: &GrantedGuest, old: Option<&GuestMount>) -> Result<GuestMount, String> {
        let words = |error: Error| Report::new(&error).to_string();
        let Some(old) = old else {
            let mount = GuestMount::set_up(granted, self.parts.clone()).await;
            return mount.map_err(words);
        };
        let mount = old.successor(granted, self.parts.clone()).await.map_err(words)?;
        let taken = mount.take_over(HANDOVER).await;
        taken.map(|()| mount).map_err(|error| error.to_string())
    }

    /// Returns the guest that the record names: a pushed one, or that of the process. `unfit` is as in [`Source::guest`].
    pub async fn find(
        &self,
        record: &Result<Record, String>,
        unfit: Option<&Arc<GrantedGuest>>,
    ) -> Result<Arc<GrantedGuest>, String> {
        let record = record.as_ref().map_err(Clone::clone)?;
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
        let signature = manifest.signature.as_deref();
        if let Some(loaded) = self.source.loaded(build.sha256, signature) {
            return Ok(loaded);
        }
        let component = self
            .guests
            .assemble(build.sha256, &manifest)
            .await
            .map_err(words)?;
        self.source.load(component, signature).await
    }
}

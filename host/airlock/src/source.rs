//! The guests of a serving process: its own, and those that were pushed into its mounts.

use std::collections::VecDeque;
use std::sync::Arc;

use airlock_mount::{BreakerSettings, GrantedGuest, Source};
use airlock_trust::Digest;
use async_trait::async_trait;
use parking_lot::Mutex;
use printable::Report;

use crate::args::ServeArgs;
use crate::guest_file::GuestFile;
use crate::loader::Loader;
use crate::origin::Origin;

/// Most pushed guests that stay loaded for the next mount that wants them. Those that run on a mount stay loaded anyway.
const MOST_LOADED: usize = 8;

/// Gives mounts their guests. `args` may be the reason why they could not be read.
pub struct ProcessGuests {
    own: GuestFile,
    loader: Result<Arc<Loader>, String>,
    /// The pushed guests that were loaded, the last one first.
    pushed: Mutex<VecDeque<Pushed>>,
    loading: tokio::sync::Mutex<()>,
}

struct Pushed {
    digest: Digest,
    signature: Option<String>,
    guest: Arc<GrantedGuest>,
}

impl ProcessGuests {
    pub fn new(args: Result<ServeArgs, String>) -> Self {
        let loader =
            args.and_then(|args| Loader::new(args).map_err(|error| Report::new(error.as_ref()).to_string()));
        Self {
            own: GuestFile::new(loader.clone()),
            loader,
            pushed: Mutex::default(),
            loading: tokio::sync::Mutex::new(()),
        }
    }

    fn loader(&self) -> Result<&Loader, String> {
        self.loader.as_deref().map_err(Clone::clone)
    }
}

#[async_trait]
impl Source for ProcessGuests {
    async fn guest(&self, unfit: Option<&Arc<GrantedGuest>>) -> Result<Arc<GrantedGuest>, String> {
        self.own.guest(unfit).await
    }

    fn origin(&self) -> &'static str {
        match self.loader.as_deref().map(Loader::origin) {
            Ok(Origin::ThisProgram(_)) => "executable",
            _ => "file",
        }
    }

    fn has_guest(&self) -> bool {
        !matches!(self.loader.as_deref().map(Loader::origin), Ok(Origin::Pushed))
    }

    fn has_control(&self) -> bool {
        !self.loader().is_ok_and(|loader| loader.args().no_control)
    }

    fn breaker(&self) -> BreakerSettings {
        self.loader().map_or_else(
            |_| BreakerSettings::default(),
            |loader| loader.args().breaker.settings(),
        )
    }

    fn allows_record(&self) -> bool {
        self.loader().is_ok_and(|loader| loader.args().allow_record)
    }

    fn allows_export(&self) -> bool {
        self.loader().is_ok_and(|loader| loader.args().allow_export)
    }

    fn takes_pushed(&self) -> Result<(), String> {
        let loader = self.loader()?;
        if loader.trust().is_empty() {
            return Err(
                "this program runs the guest that it contains, and no other: register it with --trust=KEY to push guests"
                    .to_owned(),
            );
        }
        Ok(())
    }

    fn loaded(&self, digest: Digest, signature: Option<&str>) -> Option<Arc<GrantedGuest>> {
        let pushed = self.pushed.lock();
        let found = pushed
            .iter()
            .find(|pushed| pushed.digest == digest && pushed.signature.as_deref() == signature)?;
        Some(found.guest.clone())
    }

    async fn load(&self, component: Vec<u8>, signature: Option<&str>) -> Result<Arc<GrantedGuest>, String> {
        let loader = self.loader()?;
        let digest = Digest::of(&component);
        // Several mounts may want the same guest at once.
        let _alone = self.loading.lock().await;
        if let Some(loaded) = self.loaded(digest, signature) {
            return Ok(loaded);
        }
        let guest = loader.load_pushed(&component, signature).await;
        let guest = Arc::new(guest.map_err(|error| Report::new(error.as_ref()).to_string())?);
        let mut pushed = self.pushed.lock();
        pushed.retain(|pushed| pushed.digest != digest);
        pushed.truncate(MOST_LOADED - 1);
        pushed.push_front(Pushed {
            digest,
            signature: signature.map(str::to_owned),
            guest: guest.clone(),
        });
        Ok(guest)
    }
}

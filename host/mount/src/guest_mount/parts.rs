//! Sets a mount up from the parts that a server gives it.

use std::sync::Arc;

use airlock_sandbox::{MountContext, Services, Usage};
use airlock_storage::{Prefixes, Settings, Storage};
use vault_plugin::{Error, Report};

use super::GuestMount;
use super::report::report;
use crate::breaker::{self, Breaker};
use crate::bridge;
use crate::caching;
use crate::existence::Checks;
use crate::invalidations::Invalidations;
use crate::metrics::Metrics;
use crate::options::MountOptions;
use crate::source::GrantedGuest;
use crate::special_paths;
use crate::start::Start;

/// The parts that a server gives a mount.
#[derive(Clone)]
pub struct Parts {
    /// The mount's options: the host's own, see [`MountOptions`], and the guest's.
    pub config: Vec<(String, String)>,
    /// The mount's storage.
    pub storage: Arc<dyn Storage>,
    /// The timeouts and sizes of the storage's transactions. The guest's description and what its operator grants set the
    /// rest.
    pub storage_settings: Settings,
    /// The services that the guest can reach besides storage.
    pub services: Services,
    /// True if another server takes the writes. This one then answers from what it has been told so far.
    pub is_standby: bool,
    /// Called with what each call of the guest used. If a request waits for the call, that is in the request's task.
    pub on_usage: fn(&Usage),
    /// Counts the mount's calls. Guests that take over from each other share it.
    pub metrics: Arc<Metrics>,
    /// When a guest that fails again and again is set aside for a while.
    pub breaker: breaker::Settings,
}

impl GuestMount {
    /// Prepares a mount, and asks the guest for its special paths. Stores nothing yet.
    ///
    /// # Errors
    /// The guest does not answer, or it may not have its special paths.
    pub async fn set_up(granted: &GrantedGuest, parts: Parts) -> Result<Self, Error> {
        let storage = airlock_storage::Mount::new(parts.storage.clone(), parts.storage_settings.clone());
        caching::follow(&storage, &parts.services.system).await;
        let mount = Self::over(storage, granted, parts).await?;
        mount.storage().adopt(mount.settings.clone());
        Ok(mount)
    }

    /// Prepares a guest over the storage of a mount that another guest may be serving. Until it has [taken
    /// over](Self::take_over), it may only be [tried](Self::try_initialize).
    ///
    /// # Errors
    /// The same as for [`set_up`](Self::set_up).
    pub(crate) async fn over(
        storage: Arc<airlock_storage::Mount>,
        granted: &GrantedGuest,
        parts: Parts,
    ) -> Result<Self, Error> {
        let options = MountOptions::read(&parts.config).map_err(refused)?;
        let granted = options.grant(granted).map_err(refused)?;
        let guest = granted.guest;
        let paths = guest
            .special_paths(&options.for_guest)
            .await
            .map_err(bridge::refusal)?;
        let mut paths = special_paths::check(paths, &granted.unauthenticated)
            .map_err(|refused| Error::Internal(format!("guest {}: {refused}", guest.description().name)))?;
        bridge::add_local_records(&mut paths, guest.description().redo_record);
        let mut settings = guest.description().storage_settings(parts.storage_settings);
        settings.seal_wrapped = bridge::storage_prefixes(&paths.seal_wrap_storage);
        settings.local = bridge::storage_prefixes(&paths.local_storage);
        // Beneath a standby others write, and nobody may tell it.
        if !parts.is_standby {
            settings.cacheable = Prefixes::from_iter(&guest.description().cacheable).and(&granted.cacheable);
            settings.remembered = granted.cacheable;
        }
        let context = MountContext::new(storage, parts.services, options.for_guest, guest.limits());
        let invalidations = Invalidations::new(guest.clone(), context.clone(), {
            let (guest, on_usage, metrics) = (guest.clone(), parts.on_usage, parts.metrics.clone());
            move |outcome| {
                on_usage(&outcome.usage);
                metrics.count("invalidate", &outcome.result, &outcome.usage);
                report(&guest, "invalidate", outcome)
            }
        });
        let breaker = Breaker::new(parts.breaker, &guest.description().name, parts.metrics.clone());
        Ok(Self {
            guest,
            context,
            settings,
            paths,
            start: Start::default(),
            checks: Checks::default(),
            invalidations,
            on_usage: parts.on_usage,
            metrics: parts.metrics,
            breaker,
            is_standby: parts.is_standby,
        })
    }
}

fn refused(error: impl std::error::Error + 'static) -> Error {
    Error::Internal(Report::new(&error).to_string())
}

//! Sets up a mount: finds out what should run on it, and what Vault is to be told of that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use airlock_sandbox::Services;
use parking_lot::{Mutex, RwLock};
use vault_plugin::{Error, Setup};

use super::candidate::{Candidate, Finder};
use super::{VaultMount, cannot_serve};
use crate::bridge::{HostLog, VaultEvents, VaultStorage, VaultSystem};
use crate::caching;
use crate::existence::Checks;
use crate::guest_mount::Parts;
use crate::options::MountOptions;
use crate::pushed::{Guests, PushError, Record, RecordWriter};
use crate::retry::retry;
use crate::source::Source;
use crate::told::{self, Told};

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
            is_standby,
            on_usage: |_| {},
            metrics: Arc::default(),
            breaker: source.breaker(),
        };
        Self::over(source, parts).await
    }

    /// Sets up a mount whose storage and services are not those of a server's plugin connection.
    ///
    /// # Errors
    /// The same as for [`set_up`](Self::set_up).
    pub async fn over(source: Arc<dyn Source>, parts: Parts) -> Result<Arc<Self>, Error> {
        let storage = airlock_storage::Mount::new(parts.storage.clone(), parts.storage_settings.clone());
        // Vault sets up one mount after the other, and waits for each. So calls that do not need each other's answers are made
        // at once.
        let (told, record, ()) = tokio::join!(
            told::read(&*parts.storage),
            retry(|| Record::entry(&*parts.storage)),
            caching::follow(&storage, &parts.services.system),
        );
        let record = readable(record.map_err(PushError::Storage).and_then(Record::of));
        let is_new = matches!(told, Ok(None));
        let options = MountOptions::read(&parts.config);
        if is_new {
            let checked = options
                .as_ref()
                .map_err(Clone::clone)
                .and_then(MountOptions::check_names);
            checked.map_err(|error| cannot_serve(&error.to_string()))?;
        }
        let guests = Guests::new(parts.storage.clone());
        let writer = RecordWriter::new(parts.storage.clone(), parts.storage_settings.late);
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
        if let (Ok(options), Some(granted), true) = (&options, &candidate.guest, is_new) {
            let checked = options.check(granted.guest.limits());
            checked.map_err(|error| cannot_serve(&error.to_string()))?;
        }
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
            path: RwLock::new("".into()),
            checks: Checks::default(),
            looking: tokio::sync::Mutex::new(()),
            moving: tokio::sync::Mutex::new(()),
            exporting: tokio::sync::Mutex::new(()),
            refused: Mutex::default(),
            canary: RwLock::new(None),
            recording: RwLock::new(None),
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
}

/// Returns the record, or the reason why it cannot be read.
pub(super) fn readable(record: Result<Record, PushError>) -> Result<Record, String> {
    record.map_err(|error| match error {
        // The server's words about its storage may name a key.
        PushError::Storage(_) => {
            "the record of what runs here cannot be read: the mount's storage failed".to_owned()
        }
        error => error.to_string(),
    })
}

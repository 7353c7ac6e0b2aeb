//! Engines to mount, which the server gets from a factory, and the services that each engine gets from the server.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use airlock_storage::Storage;
use async_trait::async_trait;
use vault_plugin::{Backend, Error};

use crate::journal::Journal;
use crate::store::Store;
use crate::system::DevSystem;

/// Makes the engines of mounts.
#[async_trait]
pub trait EngineFactory: Send + Sync + 'static {
    /// Returns the engines that can be mounted, for the plugin catalog. Called each time that the catalog is shown.
    fn engines(&self) -> Vec<EngineInfo>;

    /// Sets up a mount with the engine of this name, which `vault secrets enable` gave as its type. It is called again,
    /// with the same storage, to replace a mount's engine. After each call the server calls [`Backend::initialize`].
    ///
    /// # Errors
    /// Any error. Its text is shown to the caller who enables the mount, or to the operator if a stored mount is loaded
    /// or its engine is replaced.
    async fn mount(&self, engine: &str, mount: MountSetup) -> Result<Arc<dyn Backend>, Error>;
}

/// An engine that can be mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineInfo {
    /// The type that `vault secrets enable` takes.
    pub name: String,
    /// A semantic version with a leading `v`, or empty.
    pub version: String,
    /// The hexadecimal SHA-256 of the engine's file, or empty.
    pub sha256: String,
}

/// The settings and services of a mount that is to be set up.
#[derive(Clone)]
#[non_exhaustive]
pub struct MountSetup {
    /// The mount's options, and `plugin_name`, `plugin_type` and `plugin_version` as Vault adds them. They may hold
    /// secrets.
    pub config: BTreeMap<String, String>,
    /// The mount's id, which stays the same after a restart.
    pub uuid: String,
    /// The mount's storage.
    pub storage: Arc<dyn Storage>,
    /// The system view of the mount.
    pub system: DevSystem,
    /// The receiver of the engine's events.
    pub events: DevEvents,
}

/// Shows the names of the options, but not their values.
impl fmt::Debug for MountSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MountSetup")
            .field("config", &self.config.keys())
            .field("uuid", &self.uuid)
            .finish_non_exhaustive()
    }
}

/// A receiver of one mount's events, which hands them to the server's observer.
#[derive(Clone)]
pub struct DevEvents {
    pub(crate) mount: Arc<str>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) store: Arc<Store>,
}

impl DevEvents {
    /// Sends an event of a type such as `kv-v2/data-write`.
    pub fn send(&self, event_type: &str, event: &vault_plugin::Event) {
        self.store.watched.sent(&self.mount, event_type, event);
        self.journal.event(&self.mount, event_type, event);
    }
}

impl fmt::Debug for DevEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevEvents")
            .field("mount", &self.mount)
            .finish_non_exhaustive()
    }
}

//! What the server is given: engines to mount, by a factory; and what an engine is given in turn.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use airlock_storage::Storage;
use async_trait::async_trait;
use vault_plugin::{Backend, Error};

use crate::journal::Journal;
use crate::system::DevSystem;

/// Makes the engines.
#[async_trait]
pub trait EngineFactory: Send + Sync + 'static {
    /// The engines that can be mounted, for the plugin catalog. Asked again whenever it is shown.
    fn engines(&self) -> Vec<EngineInfo>;

    /// Sets a mount up with the engine of this name, which `vault secrets enable` gave as its type. Called again for
    /// a mount whose engine is replaced, with the same storage; the server calls [`Backend::initialize`] then.
    ///
    /// # Errors
    /// Any; the text is shown to whoever enables the mount, or to the operator where a mount is loaded or replaced.
    async fn mount(&self, engine: &str, mount: MountSetup) -> Result<Arc<dyn Backend>, Error>;
}

/// An engine that can be mounted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineInfo {
    /// The type that `vault secrets enable` takes.
    pub name: String,
    /// A semantic version with a leading `v`, or empty.
    pub version: String,
    /// The hexadecimal SHA-256 of what runs, or empty.
    pub sha256: String,
}

/// A mount to be set up.
#[derive(Clone)]
#[non_exhaustive]
pub struct MountSetup {
    /// The mount's options, and `plugin_name`, `plugin_type` and `plugin_version` as Vault adds them. They may hold
    /// secrets.
    pub config: BTreeMap<String, String>,
    /// The mount's own id; the same after a restart.
    pub uuid: String,
    /// What the mount stores.
    pub storage: Arc<dyn Storage>,
    /// What the server tells about itself.
    pub system: DevSystem,
    /// Where the engine's events go.
    pub events: DevEvents,
}

/// The names of the options, not their values.
impl fmt::Debug for MountSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MountSetup")
            .field("config", &self.config.keys())
            .field("uuid", &self.uuid)
            .finish_non_exhaustive()
    }
}

/// Takes one mount's events and hands them to the server's observer.
#[derive(Clone)]
pub struct DevEvents {
    pub(crate) mount: Arc<str>,
    pub(crate) journal: Arc<Journal>,
}

impl DevEvents {
    /// Sends an event of a type such as `kv-v2/data-write`.
    pub fn send(&self, event_type: &str, event: &vault_plugin::Event) {
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

//! The traits that an engine implements: [`Factory`] for the process, [`Backend`] for each mount.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use airlock_logical::SpecialPaths;
use async_trait::async_trait;

use crate::{Error, Events, Observations, Request, Response, Storage, SystemView};

/// Makes a [`Backend`] for each mount that Vault gives to this process.
#[async_trait]
pub trait Factory: Send + Sync + 'static {
    /// Returns the plugin's version for Vault's catalog: a semantic version with a leading `v`, or an empty text for no
    /// version. If the operator registers a version, it must be the same one. Vault asks at registration and
    /// when it sets up some mounts, and waits.
    async fn version(&self) -> String {
        String::new()
    }

    /// Returns the kind of the plugin: a secrets engine or an auth engine.
    fn backend_type(&self) -> BackendType {
        BackendType::Logical
    }

    /// Sets up a mount. Vault waits for it, and at unseal everything else waits too: keep it short. Storage can be read
    /// but not written before [`Backend::initialize`].
    ///
    /// Not called at registration, where Vault starts the process only to learn the version.
    ///
    /// # Errors
    /// Any. The operator who enables the mount sees the text, and Vault logs it at unseal.
    async fn setup(&self, mount: Setup) -> Result<Arc<dyn Backend>, Error>;
}

/// A mount that Vault sets up.
#[non_exhaustive]
pub struct Setup {
    /// The mount's options, as given by `vault secrets enable -options=…`, and Vault's own `plugin_name`, `plugin_type`
    /// and `plugin_version`. They may contain secrets.
    pub config: BTreeMap<String, String>,
    /// The mount's own id, which is the same after a restart.
    pub backend_uuid: String,
    /// The mount's storage.
    pub storage: Storage,
    /// The server's information about itself.
    pub system: SystemView,
    /// The server's event bus.
    pub events: Events,
    /// The server's observations.
    pub observations: Observations,
}

/// Shows the names of the options, not their values.
impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("config", &self.config.keys())
            .field("backend_uuid", &self.backend_uuid)
            .finish_non_exhaustive()
    }
}

/// One mount of an engine.
///
/// Calls come concurrently. Each runs in a task of its own, to its end, even if the caller hangs up; a panic in it is a
/// 500 for that call.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Returns the paths that Vault treats specially. Vault asks when it mounts or reloads the engine, and never again,
    /// not even after it has restarted a crashed process.
    ///
    /// Answer from memory, and with paths that Vault's router accepts (`+` is a whole segment, `*` comes last): Vault
    /// asks in the middle of its unseal, which neither waits for the answer nor survives a wrong one.
    ///
    /// ```
    /// # use vault_plugin::SpecialPaths;
    /// fn special_paths() -> SpecialPaths {
    ///     SpecialPaths {
    ///         unauthenticated: vec!["ca/pem".to_owned(), "crl/*".to_owned()],
    ///         root: vec!["config/rotate-root".to_owned()],
    ///         ..SpecialPaths::default()
    ///     }
    /// }
    /// ```
    fn special_paths(&self) -> SpecialPaths {
        SpecialPaths::default()
    }

    /// Called once before the first request, and again after each restart. Storage can be written here. Vault waits for
    /// it without a deadline, and at unseal everything else waits too.
    ///
    /// # Errors
    /// Any. When a mount is enabled, the operator sees the error, but the mount stays; at unseal Vault only logs it,
    /// and sends requests all the same.
    async fn initialize(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Answers a request. `Ok(None)` is 404 for read and list, and 204 for anything else.
    ///
    /// # Errors
    /// Each variant of [`Error`] documents what the caller sees.
    async fn handle_request(&self, request: Request) -> Result<Option<Response>, Error>;

    /// Returns true if the path of a write holds something. Then Vault asks its policies for `update`, otherwise for
    /// `create`. `None` means that the path has no such check, and Vault treats the write as an update. The request has
    /// the id of the write that may follow.
    ///
    /// # Errors
    /// [`Error::User`] is 400, and [`Error::UnsupportedPath`] counts as `None`; any other error is 500 without its
    /// text.
    async fn check_existence(&self, request: Request) -> Result<Option<bool>, Error> {
        let _ = request;
        Ok(None)
    }

    /// Called when another server changed this key of the mount's storage: drop what was derived from it. OpenBao waits
    /// 2 s for the answer, so do what takes longer in a task.
    async fn invalidate_key(&self, key: &str) {
        let _ = key;
    }

    /// Called when the mount or the process ends: finish what is running, and do not begin to store anything more.
    ///
    /// If the mount ends, work that still runs 10 s after this returns loses storage, system view and events. If the
    /// process ends, all mounts together have 5 s, and calls that have not succeeded by then are not answered: the
    /// server sends their requests again, to the next process. At that time storage may be closed already
    /// ([`ServerError::Closed`](crate::ServerError::Closed)).
    async fn cleanup(&self) {}
}

/// The kind of engine that a plugin is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackendType {
    /// A secrets engine.
    #[default]
    Logical,
    /// An auth engine.
    Credential,
}

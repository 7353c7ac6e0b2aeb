//! What an engine implements: [`Factory`] for the process, [`Backend`] for each mount.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Error, Events, Observations, Request, Response, Storage, SystemView};

/// Makes a [`Backend`] for each mount that Vault gives to this process.
#[async_trait]
pub trait Factory: Send + Sync + 'static {
    /// The plugin's version for Vault's catalog: a semantic version with a leading `v`, or empty for none. Where the
    /// operator registers a version it must be this one.
    fn version(&self) -> String {
        String::new()
    }

    /// Whether the plugin is a secrets or an auth engine.
    fn backend_type(&self) -> BackendType {
        BackendType::Logical
    }

    /// Sets a mount up. Vault waits, at unseal with everything else: keep it short. Storage can be read but not
    /// written before [`Backend::initialize`].
    ///
    /// Not called at registration, where Vault starts the process only to learn the version.
    ///
    /// # Errors
    /// Any; the text is shown to the operator who enables the mount and logged by Vault at unseal.
    async fn setup(&self, mount: Setup) -> Result<Arc<dyn Backend>, Error>;
}

/// A mount that Vault sets up.
#[non_exhaustive]
pub struct Setup {
    /// The mount's options, as `vault secrets enable -options=…` gave them, and Vault's own `plugin_name`,
    /// `plugin_type` and `plugin_version`. They may hold secrets.
    pub config: BTreeMap<String, String>,
    /// The mount's own id; the same after a restart.
    pub backend_uuid: String,
    /// The mount's storage.
    pub storage: Storage,
    /// What the server tells about itself.
    pub system: SystemView,
    /// The server's event bus.
    pub events: Events,
    /// The server's observations.
    pub observations: Observations,
}

/// The names of the options, not their values.
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
/// Calls come at the same time. Each runs in a task of its own, to its end though the caller hangs up; a panic in it is
/// a 500 for that call.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The paths that Vault treats specially. Vault asks when it mounts or reloads the engine, and then never again; not after
    /// it started a crashed process anew.
    ///
    /// Answer from memory, and so that Vault's router takes each path (`+` is a whole segment, `*` comes last): it asks in the
    /// middle of its unseal, which neither waits for nor survives a wrong answer.
    fn special_paths(&self) -> SpecialPaths {
        SpecialPaths::default()
    }

    /// Called once before the first request, and again after each restart. Storage can be written here. Vault waits
    /// without a deadline, at unseal with everything else.
    ///
    /// # Errors
    /// Any. When a mount is enabled the operator sees it, though the mount stays; at unseal Vault only logs it, and
    /// sends requests all the same.
    async fn initialize(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Answers a request. `Ok(None)` is 404 for read and list, and 204 for anything else.
    ///
    /// # Errors
    /// Each variant of [`Error`] says what the caller sees.
    async fn handle_request(&self, request: Request) -> Result<Option<Response>, Error>;

    /// Whether the path of a write holds something, so that Vault asks its policies for `update`, else for `create`.
    /// None where the path has no such check: Vault takes it as an update. The request has the id of the write that
    /// may follow.
    ///
    /// # Errors
    /// [`Error::User`] is 400, [`Error::UnsupportedPath`] as `None`; any other is 500 without its text.
    async fn check_existence(&self, request: Request) -> Result<Option<bool>, Error> {
        let _ = request;
        Ok(None)
    }

    /// Another server changed this key of the mount's storage: forget what was derived from it. OpenBao waits 2 s for the
    /// answer, so leave what takes longer to a task.
    async fn invalidate_key(&self, key: &str) {
        let _ = key;
    }

    /// The mount goes, or the process does: end what is running, and begin to store nothing more.
    ///
    /// If the mount goes, what is still running 10 s after this returns loses storage, system view and events. If the
    /// process goes, all mounts together have 5 s, and calls that have not succeeded by then are not answered: the server
    /// sends their requests again, to the next process. At that time storage may be closed already
    /// ([`Error::Closed`](crate::Error::Closed)).
    async fn cleanup(&self) {}
}

/// What kind of engine a plugin is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackendType {
    /// A secrets engine.
    #[default]
    Logical,
    /// An auth engine.
    Credential,
}

/// Paths that Vault treats specially. A path is exact, or a prefix with a trailing `*`; `+` stands for one segment,
/// but not in `root`. Storage prefixes are exact, or a prefix with a trailing `/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecialPaths {
    /// Need a token with `sudo`.
    pub root: Vec<String>,
    /// Served without a token.
    pub unauthenticated: Vec<String>,
    /// Storage that is not replicated.
    pub local_storage: Vec<String>,
    /// Storage to wrap with the seal's key too.
    pub seal_wrap_storage: Vec<String>,
    /// Storage whose writes go to the primary cluster.
    pub write_forwarded_storage: Vec<String>,
    /// Paths that take bytes in place of JSON. Vault does not offer them to plugins.
    pub binary: Vec<String>,
    /// Paths under Vault's request limiter. Vault only.
    pub limited: Vec<String>,
    /// Paths that can be read from a snapshot. Vault only.
    pub allow_snapshot_read: Vec<String>,
}

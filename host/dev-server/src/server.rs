//! The interface to the server: start it, enable mounts, replace engines, stop it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::core::Core;
use crate::engine::EngineFactory;
use crate::journal::{Journal, Observer};
use crate::{Clock, Error, Store, listener};

/// The longest time that the server waits for running requests when it stops.
const PATIENCE: Duration = Duration::from_secs(5);

/// The settings of a server.
pub struct Settings {
    /// The address to listen on, which must be a loopback address. Port 0 takes a free port.
    pub listen: SocketAddr,
    /// The root token that callers need.
    pub token: String,
    /// The server's store; see [`Store::open`] and [`Store::memory`].
    pub store: Store,
    /// The server's clock.
    pub clock: Clock,
    /// The observer of requests, events and failures.
    pub observer: Box<dyn Observer>,
    /// The factory that makes the engines.
    pub factory: Box<dyn EngineFactory>,
}

/// Omits the token.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// A server that runs.
///
/// Dropping it stops taking requests; [`DevServer::stop`] also lets the engines clean up.
pub struct DevServer {
    core: Arc<Core>,
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// The result of replacing the engine of one mount.
#[derive(Debug)]
pub struct Replaced {
    /// The mount's path, with a trailing slash.
    pub mount: String,
    /// The error if the mount still has its old engine.
    pub result: Result<(), vault_plugin::Error>,
}

impl DevServer {
    /// Loads the stored mounts, and listens. If the engine of a mount cannot be loaded, the observer is told and the
    /// mount answers 500 until its engine is replaced. The other mounts are served.
    ///
    /// # Errors
    /// Returns [`Error::NotLoopback`], [`Error::Listen`], [`Error::BadToken`], [`Error::Damaged`] or
    /// [`Error::Storage`].
    pub async fn start(settings: Settings) -> Result<DevServer, Error> {
        let address = settings.listen;
        if !address.ip().is_loopback() {
            return Err(Error::NotLoopback(address));
        }
        if settings.token.is_empty() || HeaderValue::from_str(&settings.token).is_err() {
            return Err(Error::BadToken);
        }
        // The address is taken before the store is changed.
        let listen = |source| Error::Listen { address, source };
        let socket = TcpListener::bind(address).await.map_err(listen)?;
        let address = socket.local_addr().map_err(listen)?;
        let journal = Journal::new(settings.observer);
        let core = Core::new(
            settings.store,
            settings.clock,
            settings.token,
            journal,
            settings.factory,
        )?;
        let core = Arc::new(core);
        core.load_all().await;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let until_stop = |work| {
            let stop = stop.clone();
            async move { stop.run_until_cancelled(work).await }
        };
        tasks.spawn(until_stop(Box::pin(Arc::clone(&core).expire()) as Work));
        tasks.spawn(until_stop(Box::pin(Arc::clone(&core).tick())));
        tasks.spawn(listener::serve(socket, Arc::clone(&core), stop.clone()));
        Ok(DevServer {
            core,
            address,
            stop,
            tasks,
        })
    }

    /// Returns the address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the server's clock.
    pub fn clock(&self) -> &Clock {
        &self.core.clock
    }

    /// Returns the paths of the mounts, with trailing slashes, and the name of each mount's engine.
    pub fn mounts(&self) -> BTreeMap<String, String> {
        self.core
            .mounts()
            .iter()
            .map(|mount| mount.entry())
            .map(|entry| (entry.path, entry.engine))
            .collect()
    }

    /// Enables an engine at a path, as `vault secrets enable -path=PATH ENGINE` does. If the path already has a mount
    /// of the same engine, nothing changes, so that a server can be started again with the same arguments.
    ///
    /// # Errors
    /// Returns [`Error::Refused`] with the text that Vault's API would answer.
    pub async fn enable(
        &self,
        path: &str,
        engine: &str,
        options: BTreeMap<String, String>,
    ) -> Result<(), Error> {
        let mounted = self.core.mount_at(&crate::core::sanitized(path));
        if mounted.is_some_and(|mount| mount.entry().engine == engine) {
            return Ok(());
        }
        let fields = [
            ("type".to_owned(), json!(engine)),
            ("options".to_owned(), json!(options)),
        ];
        let enabled = self.core.enable(path, &fields.into_iter().collect()).await;
        enabled
            .map_err(|refusal| Error::Refused(format!("cannot enable {path}: {}", refusal.errors.join("; "))))
    }

    /// Asks the factory for a new engine for each mount of this engine, and replaces the old one. Requests in flight
    /// finish on the old engine, those that arrive meanwhile wait, and none is lost. If a mount's new engine cannot be
    /// made, the mount keeps its old one.
    pub async fn replace(&self, engine: &str) -> Vec<Replaced> {
        let mut replaced = Vec::new();
        for mount in self.core.mounts() {
            let entry = mount.entry();
            if entry.engine == engine {
                let result = self.core.reload(&mount).await;
                replaced.push(Replaced {
                    mount: entry.path,
                    result,
                });
            }
        }
        replaced
    }

    /// Stops taking requests, waits up to 5 s for those that run, and lets every engine clean up.
    pub async fn stop(self) {
        self.stop.cancel();
        self.core.journal.close();
        self.tasks.close();
        let _ = tokio::time::timeout(PATIENCE, self.tasks.wait()).await;
        for mount in self.core.mounts() {
            if let Ok(engine) = mount.engine() {
                engine.backend.cleanup().await;
            }
        }
    }
}

type Work = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

impl Drop for DevServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for DevServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevServer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

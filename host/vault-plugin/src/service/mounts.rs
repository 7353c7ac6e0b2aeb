//! The mounts that this process serves, by the id that Vault sends with each call.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::task::TaskTracker;
use tonic::{Request, Status};

use crate::link::Link;
use crate::{Backend, Error};

/// How long calls that outlive `Backend::cleanup` keep the server waiting.
const GRACE: Duration = Duration::from_secs(10);

/// The mounts by id.
#[derive(Default)]
pub(crate) struct Mounts {
    by_id: RwLock<HashMap<String, Arc<Mount>>>,
}

impl Mounts {
    pub(super) fn insert(&self, id: String, mount: Mount) {
        self.by_id.write().insert(id, Arc::new(mount));
    }

    pub(super) fn remove(&self, id: &str) -> Option<Arc<Mount>> {
        self.by_id.write().remove(id)
    }

    /// Takes all mounts down, at the process's end: a reload of one mount ends the process that its siblings share.
    pub(crate) async fn take_down_all(&self) {
        let mounts = std::mem::take(&mut *self.by_id.write());
        let ending: JoinSet<()> = mounts
            .into_values()
            .map(|mount| async move { mount.take_down().await })
            .collect();
        ending.join_all().await;
    }

    /// The mount that a call is for.
    pub(super) fn of<T>(&self, request: &Request<T>) -> Result<Arc<Mount>, Status> {
        let mount = self.by_id.read().get(multiplex_id(request)?).cloned();
        mount.ok_or_else(|| Status::not_found("no backend instance found"))
    }
}

/// Exactly one id comes with each call, also where Vault gives each mount a process of its own.
pub(super) fn multiplex_id<T>(request: &Request<T>) -> Result<&str, Status> {
    let mut values = request.metadata().get_all("multiplex_id").iter();
    let id = values
        .next()
        .and_then(|value| value.to_str().ok())
        .filter(|id| !id.is_empty());
    match (id, values.next()) {
        (Some(id), None) => Ok(id),
        _ => Err(Status::invalid_argument(
            "the call needs exactly one multiplex_id in its metadata",
        )),
    }
}

/// One mount and the calls that it is working on.
pub(super) struct Mount {
    backend: Arc<dyn Backend>,
    link: Arc<Link>,
    calls: TaskTracker,
}

impl Mount {
    pub(super) fn new(backend: Arc<dyn Backend>, link: Arc<Link>) -> Mount {
        Mount {
            backend,
            link,
            calls: TaskTracker::new(),
        }
    }

    /// Runs one call in a task of its own: tonic drops the handler's future when the caller hangs up, and half of the
    /// engine's work with it.
    pub(super) async fn call<T, F>(&self, call: impl FnOnce(Arc<dyn Backend>) -> F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        run(self.calls.spawn(call(self.backend.clone()))).await
    }

    /// Lets the engine end its work and closes the connection, since the server waits for open calls afterwards.
    pub(super) async fn take_down(&self) {
        self.backend.cleanup().await;
        self.calls.close();
        if tokio::time::timeout(GRACE, self.calls.wait()).await.is_err() {
            tracing::warn!(
                calls = self.calls.len(),
                "the mount is taken down under calls that do not end"
            );
        }
        self.link.close();
    }
}

/// Waits for a task; a panic in it is an error of that call alone.
pub(super) async fn run<T>(task: JoinHandle<T>) -> Result<T, Error> {
    task.await
        .map_err(|_| Error::Internal("the engine panicked; the plugin's log says where".to_owned()))
}

//! The mounts that this process serves, by the id that Vault sends with each call.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use airlock_logical::SpecialPaths;
use airlock_logical::trace::TARGET;
use parking_lot::RwLock;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::task::TaskTracker;
use tonic::{Request, Status};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::ending::Ending;
use crate::link::Link;
use crate::{Backend, Error};

/// The longest time for which calls that outlive `Backend::cleanup` keep the server waiting.
const GRACE: Duration = Duration::from_secs(10);

/// The longest time for which they delay the end of the process, so that those that are done are answered.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// The mounts by id.
#[derive(Default)]
pub(crate) struct Mounts {
    by_id: RwLock<HashMap<String, Slot>>,
    pub(super) ending: Ending,
}

/// The state of an id.
enum Slot {
    /// A set-up that is still running.
    SettingUp(Arc<Place>),
    Mounted(Arc<Mount>),
}

/// The right of one set-up to its id. It is lost once the id is taken down or set up again.
pub(super) struct Place;

impl Mounts {
    pub(crate) fn new(ending: Ending) -> Mounts {
        Mounts {
            ending,
            ..Mounts::default()
        }
    }

    /// Reserves an id for a mount that is now set up, and returns the mount that had it before.
    pub(super) fn reserve(&self, id: &str) -> (Arc<Place>, Option<Arc<Mount>>) {
        let place = Arc::new(Place);
        let before = self
            .by_id
            .write()
            .insert(id.to_owned(), Slot::SettingUp(place.clone()));
        match before {
            Some(Slot::Mounted(mount)) => (place, Some(mount)),
            Some(Slot::SettingUp(_)) | None => (place, None),
        }
    }

    /// Serves a mount under the id that was reserved for it. Returns the mount if the id was taken down meanwhile.
    pub(super) fn insert(&self, id: &str, place: &Arc<Place>, mount: Mount) -> Result<(), Mount> {
        let mut by_id = self.by_id.write();
        match by_id.get_mut(id) {
            Some(slot) if slot.is(place) => {
                *slot = Slot::Mounted(Arc::new(mount));
                Ok(())
            }
            _ => Err(mount),
        }
    }

    /// Frees an id whose mount could not be set up.
    pub(super) fn release(&self, id: &str, place: &Arc<Place>) {
        let mut by_id = self.by_id.write();
        if by_id.get(id).is_some_and(|slot| slot.is(place)) {
            by_id.remove(id);
        }
    }

    pub(super) fn remove(&self, id: &str) -> Option<Arc<Mount>> {
        self.by_id.write().remove(id).and_then(Slot::mounted)
    }

    /// Lets all mounts finish what they have begun to store, at the end of the process.
    pub(crate) async fn end_all(&self) {
        self.ending.begin();
        let mounts = std::mem::take(&mut *self.by_id.write());
        let ending: JoinSet<()> = mounts
            .into_values()
            .filter_map(Slot::mounted)
            .map(|mount| async move { mount.end().await })
            .collect();
        ending.join_all().await;
    }

    /// Returns the mount that a call is for.
    pub(super) fn of<T>(&self, request: &Request<T>) -> Result<Arc<Mount>, Status> {
        match self.by_id.read().get(multiplex_id(request)?) {
            Some(Slot::Mounted(mount)) => Ok(mount.clone()),
            Some(Slot::SettingUp(_)) | None => Err(Status::not_found("no backend instance found")),
        }
    }
}

impl Slot {
    fn is(&self, place: &Arc<Place>) -> bool {
        matches!(self, Self::SettingUp(own) if Arc::ptr_eq(own, place))
    }

    fn mounted(self) -> Option<Arc<Mount>> {
        match self {
            Self::Mounted(mount) => Some(mount),
            Self::SettingUp(_) => None,
        }
    }
}

/// Returns the id of the mount. Exactly one id comes with each call, even if Vault gives each mount a process of its
/// own.
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
    uuid: String,
    pub(super) link: Arc<Link>,
    calls: TaskTracker,
}

impl Mount {
    pub(super) fn new(uuid: String, backend: Arc<dyn Backend>, link: Arc<Link>) -> Mount {
        Mount {
            backend,
            uuid,
            link,
            calls: TaskTracker::new(),
        }
    }

    /// Runs one call in a task of its own, because the connection drops the handler's future when the caller hangs up, and
    /// that would leave the engine's work half done. What is logged meanwhile, a panic included, has the fields of `span`.
    pub(super) async fn call<T, F>(
        &self,
        span: Span,
        call: impl FnOnce(Arc<dyn Backend>) -> F,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        run(self.calls.spawn(call(self.backend.clone()).instrument(span))).await
    }

    /// Returns the span of a call that is about no request.
    pub(super) fn span(&self) -> Span {
        about_mount(&self.uuid)
    }

    /// Returns the span of a request, by which its lines join those of the server's audit log. An engine may record in it what
    /// serves the request: `guest`, `guest_version` and `guest_sha256`.
    ///
    /// If traces are exported, it is the request's span there too, within the trace that its headers name.
    pub(super) fn span_of(&self, request: &crate::Request, operation: &'static str) -> Span {
        let span = tracing::info_span!(
            "request",
            mount = request.mount_point,
            backend_uuid = self.uuid,
            request_id = request.id,
            guest = Empty,
            guest_version = Empty,
            guest_sha256 = Empty,
        );
        tracing::trace!(
            target: TARGET,
            parent: &span,
            operation,
            traceparent = request.only_header("traceparent"),
            tracestate = request.joined_header("tracestate"),
        );
        span
    }

    pub(super) fn special_paths(&self) -> SpecialPaths {
        self.backend.special_paths()
    }

    /// Lets the engine finish its work and closes the connection, because afterwards the server waits for open calls.
    pub(super) async fn take_down(&self) {
        self.backend.cleanup().await;
        self.calls.close();
        if tokio::time::timeout(GRACE, self.calls.wait()).await.is_err() {
            tracing::warn!(
                calls = self.calls.len(),
                "the mount is taken down although some calls have not ended"
            );
        }
        self.link.close();
    }

    /// Lets the engine finish its work. Does not wait for calls that continue after that: the server sends them again.
    async fn end(&self) {
        self.backend.cleanup().await;
        self.calls.close();
        if tokio::time::timeout(LAST_ANSWERS, self.calls.wait())
            .await
            .is_err()
        {
            tracing::debug!(
                calls = self.calls.len(),
                "the process ends before some calls; the server sends them again"
            );
        }
    }
}

/// Returns the span of what is done for a mount, and for no request.
pub(super) fn about_mount(uuid: &str) -> Span {
    tracing::info_span!("mount", backend_uuid = uuid)
}

/// Waits for a task. A panic in it is an error of that call alone.
pub(super) async fn run<T>(task: JoinHandle<T>) -> Result<T, Error> {
    task.await
        .map_err(|_| Error::Internal("the engine panicked; the plugin's log says where".to_owned()))
}

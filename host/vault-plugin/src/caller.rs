//! Tells an engine that nobody waits for a call's answer any more.

use std::fmt;

use tokio_util::sync::{CancellationToken, DropGuard};

/// The caller of a request, who may hang up before it is answered.
///
/// An engine is not stopped when that happens, because it may be half way through its writes. If its work has not
/// begun, because it waits in a queue, it should select on [`gone`](Caller::gone) and stop. By default the caller
/// stays.
///
/// ```
/// use tokio::sync::{Semaphore, SemaphorePermit};
/// use vault_plugin::{Error, Request};
///
/// /// Waits for a place in the queue, for as long as somebody waits for the answer.
/// async fn place<'a>(queue: &'a Semaphore, request: &Request) -> Result<SemaphorePermit<'a>, Error> {
///     tokio::select! {
///         place = queue.acquire() => place.map_err(|_| Error::Internal("the queue is closed".to_owned())),
///         () = request.caller.gone() => Err(Error::Internal("the caller hung up".to_owned())),
///     }
/// }
/// ```
#[derive(Clone, Default)]
pub struct Caller(CancellationToken);

impl Caller {
    /// Creates a caller, and a guard: the caller is gone when the guard is dropped, and also once the process ends.
    pub(crate) fn new(ending: &CancellationToken) -> (Caller, DropGuard) {
        let gone = ending.child_token();
        (Caller(gone.clone()), gone.drop_guard())
    }

    /// Returns when nobody waits for the answer any more, or when the process ends; then the server sends the request
    /// again.
    pub async fn gone(&self) {
        self.0.cancelled().await;
    }
}

/// The caller says nothing about the request, so all callers are equal.
impl PartialEq for Caller {
    fn eq(&self, _: &Caller) -> bool {
        true
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("gone", &self.0.is_cancelled())
            .finish()
    }
}

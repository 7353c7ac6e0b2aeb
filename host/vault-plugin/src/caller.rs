//! Whether somebody still waits for a call's answer.

use std::fmt;

use tokio_util::sync::{CancellationToken, DropGuard};

/// The caller of a request, who may hang up before it is answered.
///
/// An engine is not stopped when that happens, since it may be half way through its writes. One that has not begun,
/// because it waits for its turn, should select on [`gone`](Caller::gone) and leave. By default the caller stays.
#[derive(Clone, Default)]
pub struct Caller(CancellationToken);

impl Caller {
    /// A caller, and what makes them gone when it is dropped. They are gone as well once the process ends.
    pub(crate) fn new(ending: &CancellationToken) -> (Caller, DropGuard) {
        let gone = ending.child_token();
        (Caller(gone.clone()), gone.drop_guard())
    }

    /// Waits until nobody waits for the answer any more, or the process ends, whose server sends the request again.
    pub async fn gone(&self) {
        self.0.cancelled().await;
    }
}

/// Who waits says nothing about what is asked: all callers are equal.
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

//! Calls at the end of the process. That is not the end of every mount: a reload of one mount ends the process that
//! other mounts share.
//!
//! If a request is not answered when the process has gone, the server sends it again, to the next process. If it is
//! answered with an error, it is over. So a call is answered if it succeeded, and otherwise left unanswered.

use std::future::pending;
use std::time::Duration;

use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use crate::link::Link;

/// The longest time between the end of a link and the announcement that the process ends. Both are on their way at the
/// same time.
const ANNOUNCEMENT: Duration = Duration::from_secs(1);

/// The signal that the process ends.
#[derive(Clone, Default)]
pub(crate) struct Ending(CancellationToken);

impl Ending {
    /// Returns an end that begins at the latest when the server leaves.
    pub(crate) fn with(server_left: &CancellationToken) -> Ending {
        Ending(server_left.child_token())
    }

    pub(super) fn begin(&self) {
        self.0.cancel();
    }

    pub(super) fn token(&self) -> &CancellationToken {
        &self.0
    }

    /// Returns if a call may begin. Never returns if the process is ending.
    pub(super) async fn admit(&self) {
        if self.0.is_cancelled() {
            pending().await
        }
    }

    /// Returns if a call may be answered. Never returns if the process is ending and the call was not `done`.
    pub(super) async fn release(&self, done: bool, link: &Link) {
        if done {
            return;
        }
        if let Some(faltered) = link.faltered() {
            // If no announcement follows, the connection broke by itself.
            let _ = timeout_at(faltered + ANNOUNCEMENT, self.0.cancelled()).await;
        }
        self.admit().await;
    }
}

//! Calls at the end of the process, which is not the end of the mount: a reload of one mount ends the process that its
//! siblings share.
//!
//! A request that is not answered when the process has gone is sent again by the server, to the next process. One that is
//! answered with an error is over. So a call is answered if it was done, and else left alone.

use std::future::pending;
use std::time::Duration;

use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;

use crate::link::Link;

/// How much later than the end of a link the end of the process may be announced. Both are on their way at once.
const ANNOUNCEMENT: Duration = Duration::from_secs(1);

/// Whether the process ends.
#[derive(Clone, Default)]
pub(crate) struct Ending(CancellationToken);

impl Ending {
    /// An end that begins at the latest when the server leaves.
    pub(crate) fn with(server_left: &CancellationToken) -> Ending {
        Ending(server_left.child_token())
    }

    pub(super) fn begin(&self) {
        self.0.cancel();
    }

    pub(super) fn token(&self) -> &CancellationToken {
        &self.0
    }

    /// Returns if a call may begin; never if the process ends.
    pub(super) async fn admit(&self) {
        if self.0.is_cancelled() {
            pending().await
        }
    }

    /// Returns if a call may be answered; never if the process ends and the call was not `done`.
    pub(super) async fn release(&self, done: bool, link: &Link) {
        if done {
            return;
        }
        if let Some(faltered) = link.faltered() {
            // If nothing follows, the connection broke by itself.
            let _ = timeout_at(faltered + ANNOUNCEMENT, self.0.cancelled()).await;
        }
        self.admit().await;
    }
}

//! Keys that another server changed, on their way to the guest.
//!
//! OpenBao waits 2 s for the answer to `InvalidateKey`, and a guest may have to wait longer for its turn. So the host's own
//! cache is told at once, and the guest afterwards, one key after the other. A key that the guest is not told of costs the
//! mount's cache and scratch: nothing that was derived from it is left then.

use std::sync::Arc;

use airlock_sandbox::{Guest, MountContext, Outcome, is_control};
use airlock_storage::Settings;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Keys that may wait for the guest.
pub const QUEUE: usize = 1024;

/// One mount's queue of keys. Its worker ends with it.
pub struct Invalidations {
    context: Arc<MountContext>,
    settings: Settings,
    queue: mpsc::Sender<String>,
}

impl Invalidations {
    /// For a guest on its mount; `settings` are those of the mount's storage. `report` hears how each call ended.
    pub fn new(
        guest: Guest,
        context: Arc<MountContext>,
        settings: Settings,
        report: impl Fn(Outcome<()>) -> airlock_sandbox::Result<()> + Send + 'static,
    ) -> Self {
        let (queue, mut keys) = mpsc::channel::<String>(QUEUE);
        let (context_, settings_) = (context.clone(), settings.clone());
        tokio::spawn(async move {
            while let Some(key) = keys.recv().await {
                let outcome = guest.invalidate(&context_, &key).await;
                if report(outcome).is_err() {
                    context_.storage().adopt(settings_.clone());
                }
            }
        });
        Self {
            context,
            settings,
            queue,
        }
    }

    /// Takes a key. Returns at once.
    pub fn push(&self, key: &str) {
        if is_control(key) {
            return;
        }
        self.context.storage().invalidate(key);
        if let Err(TrySendError::Full(_)) = self.queue.try_send(key.to_owned()) {
            tracing::warn!("too many keys changed at once: the mount's cache and scratch are dropped");
            self.context.storage().adopt(self.settings.clone());
        }
    }
}

//! Tells a guest which keys another server changed.
//!
//! OpenBao waits 2 s for the answer to `InvalidateKey`, and a guest may have to wait longer for an instance permit. So
//! the host's own cache is told at once. The guest is told afterwards, one key after the other. If the guest is not
//! told of a key, the mount's cache and scratch are dropped, so that nothing derived from the key is left.

use std::sync::Arc;

use airlock_sandbox::{Guest, MountContext, Outcome, is_control};
use airlock_storage::Settings;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Most keys that may wait for the guest.
pub const QUEUE: usize = 1024;

/// The queue of keys of one mount. Its worker ends when the queue is dropped.
pub struct Invalidations {
    context: Arc<MountContext>,
    settings: Settings,
    queue: mpsc::Sender<String>,
}

impl Invalidations {
    /// Starts the queue of a guest on its mount. `settings` are those of the mount's storage. `report` gets the outcome
    /// of each call.
    pub fn new(
        guest: Guest,
        context: Arc<MountContext>,
        settings: Settings,
        report: impl Fn(Outcome<()>) -> airlock_sandbox::Result<()> + Send + 'static,
    ) -> Self {
        let (queue, mut keys) = mpsc::channel::<String>(QUEUE);
        // The worker does not keep the mount alive: its storage is free as soon as the mount is dropped.
        let (mount, settings_) = (Arc::downgrade(&context), settings.clone());
        tokio::spawn(async move {
            while let Some(key) = keys.recv().await
                && let Some(context) = mount.upgrade()
            {
                let outcome = guest.invalidate(&context, &key).await;
                if report(outcome).is_err() {
                    context.storage().adopt(settings_.clone());
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

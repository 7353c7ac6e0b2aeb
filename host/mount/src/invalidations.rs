//! Tells a guest which keys another server changed.
//!
//! OpenBao waits 2 s for the answer to `InvalidateKey`, and a guest may have to wait longer for an instance permit. So
//! the host's own cache is told at once. The guest is told afterwards, one key after the other. If the guest is not
//! told of a key, the mount's cache and scratch are dropped, so that nothing derived from the key is left.

use std::sync::Arc;

use airlock_sandbox::{Guest, MountContext, Outcome, is_control};
use tokio::sync::{mpsc, oneshot};

/// Most keys that may wait for the guest.
pub const QUEUE: usize = 1024;

/// The queue of keys of one mount. Its worker ends when the queue is dropped.
pub struct Invalidations {
    context: Arc<MountContext>,
    queue: mpsc::Sender<Item>,
}

enum Item {
    Key(String),
    /// Answered once the guest has been told of all keys before it.
    Settled(oneshot::Sender<()>),
}

impl Invalidations {
    /// Starts the queue of a guest on its mount. `report` gets the outcome of each call.
    pub fn new(
        guest: Guest,
        context: Arc<MountContext>,
        report: impl Fn(Outcome<()>) -> airlock_sandbox::Result<()> + Send + 'static,
    ) -> Self {
        let (queue, mut items) = mpsc::channel(QUEUE);
        // The worker does not keep the mount alive: its storage is free as soon as the mount is dropped.
        let mount = Arc::downgrade(&context);
        tokio::spawn(async move {
            while let Some(item) = items.recv().await
                && let Some(context) = mount.upgrade()
            {
                let key = match item {
                    Item::Key(key) => key,
                    Item::Settled(settled) => {
                        let _ = settled.send(());
                        continue;
                    }
                };
                let (guest, context_) = (guest.clone(), context.clone());
                // It is a task of its own, so that a panic of the host in it does not end the worker.
                let told = tokio::spawn(async move { guest.invalidate(&context_, &key).await });
                if !told.await.is_ok_and(|outcome| report(outcome).is_ok()) {
                    context.storage().forget();
                }
            }
        });
        Self { context, queue }
    }

    /// Takes a key. Returns at once.
    pub fn push(&self, key: &str) {
        if is_control(key) {
            return;
        }
        self.context.storage().invalidate(key);
        if self.queue.try_send(Item::Key(key.to_owned())).is_err() {
            tracing::warn!("too many keys changed at once: the mount's cache and scratch are dropped");
            self.context.storage().forget();
        }
    }

    /// Returns once the guest has been told of all keys that were taken so far.
    pub async fn settled(&self) {
        let (settled, wait) = oneshot::channel();
        if self.queue.send(Item::Settled(settled)).await.is_ok() {
            // The worker drops it only at the end of the mount.
            let _ = wait.await;
        }
    }
}

//! A place where a call waits until it may go on.

use std::sync::Arc;
use tokio::sync::Semaphore;

/// The place where a held call waits. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    reached: Semaphore,
    open: Semaphore,
}

impl Gate {
    /// Creates a closed gate.
    #[allow(clippy::new_without_default)] // a default gate would be no clearer
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            reached: Semaphore::new(0),
            open: Semaphore::new(0),
        }))
    }

    /// Returns as soon as a call waits here, or has waited.
    pub async fn reached(&self) {
        // The semaphore is never closed, so this ends only by a permit.
        if let Ok(permit) = self.0.reached.acquire().await {
            permit.forget();
        }
    }

    /// Lets the call that waits here continue, and all later calls.
    pub fn open(&self) {
        self.0.open.close();
    }

    pub(super) async fn pass(&self) {
        self.0.reached.add_permits(1);
        // No permits are ever added: this ends when the gate is opened.
        let _ = self.0.open.acquire().await;
    }
}

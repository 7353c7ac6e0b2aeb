//! What happens when its time has come: the periodic tick, and the end of leases.
//!
//! It happens by itself, and before the answer to whoever moves the clock.

use std::sync::Arc;
use std::time::Duration;

use super::Core;

/// How often Vault asks every engine to clean up.
pub(super) const TICK: Duration = Duration::from_secs(60);

impl Core {
    /// Vault's tick, each time that it is due. Never ends.
    pub(crate) async fn tick(self: Arc<Self>) {
        loop {
            let next = *self.next_tick.lock().await;
            self.clock.sleep_until(next).await;
            self.tick_if_due().await;
        }
    }

    /// Revokes what expires, as it does. Never ends.
    pub(crate) async fn expire(self: Arc<Self>) {
        loop {
            self.leases.wait_for_due().await;
            self.revoke_due().await;
        }
    }

    /// Does all that is due by now, and waits for it.
    pub(crate) async fn catch_up(&self) {
        self.revoke_due().await;
        self.tick_if_due().await;
    }

    /// A rollback request to every mount, and wrapped answers that nobody came for.
    async fn tick_if_due(&self) {
        let mut next = self.next_tick.lock().await;
        if *next > self.clock.now() {
            return;
        }
        for mount in self.mounts() {
            self.roll_back(&mount).await;
        }
        if let Err(error) = self.wraps.tidy() {
            self.journal
                .trouble(&format!("wrapped answers could not be tidied up: {error}"));
        }
        // A clock that was moved by an hour ticks once, as a server does that was asleep.
        *next = self.clock.now() + TICK;
    }

    async fn revoke_due(&self) {
        let _one_at_a_time = self.expiring.lock().await;
        for lease in self.leases.due() {
            if self.revoke(&lease.id).await.is_err() {
                let point = self
                    .mount_of(&lease.path)
                    .map_or_else(String::new, |(mount, _)| mount.path());
                self.journal.trouble(&format!(
                    "a lease of {point} has expired and could not be revoked"
                ));
            }
        }
    }
}

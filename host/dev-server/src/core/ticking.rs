//! Work that is due at a time: the periodic tick, and the expiry of leases.
//!
//! It is done by itself, and it is also done before the answer to a caller who moves the clock.

use std::sync::Arc;
use std::time::Duration;

use super::Core;

/// The interval at which Vault asks every engine to clean up.
pub(super) const TICK: Duration = Duration::from_secs(60);

impl Core {
    /// Runs Vault's tick each time that it is due. Never returns.
    pub(crate) async fn tick(self: Arc<Self>) {
        loop {
            let next = *self.next_tick.lock().await;
            self.clock.sleep_until(next).await;
            self.tick_if_due().await;
        }
    }

    /// Revokes each lease when it expires. Never returns.
    pub(crate) async fn expire(self: Arc<Self>) {
        loop {
            self.leases.wait_for_due().await;
            self.revoke_due().await;
        }
    }

    /// Does all the work that is due by now, and waits until it is done.
    pub(crate) async fn catch_up(&self) {
        self.revoke_due().await;
        self.tick_if_due().await;
    }

    /// Sends a rollback request to every mount, and removes wrapped answers that have expired.
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
        // Advancing the clock by an hour ticks once, not 60 times, like a server that was asleep.
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

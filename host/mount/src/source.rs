//! The source from which a mount gets its guest.

use std::sync::Arc;
use std::time::Duration;

use airlock_sandbox::Guest;
use airlock_storage::Prefixes;
use airlock_trust::{Digest, Voucher};
use async_trait::async_trait;

use crate::BreakerSettings;

/// Longest time that loading a guest may take. Vault waits for it when it sets up a mount, and when it asks for the version.
/// Also the time for which a failure is believed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A guest that may run here, and what its operator grants it.
pub struct GrantedGuest {
    /// The guest.
    pub guest: Guest,
    /// The reason why the guest may run. `None` if it does not serve a Vault.
    pub voucher: Option<Voucher>,
    /// The storage that may be kept in memory.
    pub cacheable: Prefixes,
    /// The paths that may be served without a token.
    pub unauthenticated: Prefixes,
}

/// Gives mounts their guest.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// Returns the guest of this process, and loads it if none is loaded yet. `unfit` is a guest of this source that a mount
    /// cannot use: if there is another one by now, that one is returned, and otherwise the same one.
    ///
    /// # Errors
    /// The reason why no guest is available, in a sentence for the operator.
    async fn guest(&self, unfit: Option<&Arc<GrantedGuest>>) -> Result<Arc<GrantedGuest>, String>;

    /// Returns true if this process has a guest of its own. A mount of one that has none waits for the first push.
    fn has_guest(&self) -> bool {
        true
    }

    /// Returns where the guest of this process comes from, for the status: `file` or `executable`.
    fn origin(&self) -> &'static str {
        "file"
    }

    /// Returns true if mounts answer the requests for their own paths ([`CONTROL`](airlock_sandbox::CONTROL)).
    fn has_control(&self) -> bool {
        true
    }

    /// Returns when a guest that fails again and again is set aside.
    fn breaker(&self) -> BreakerSettings {
        BreakerSettings::default()
    }

    /// Returns true if the operator lets a caller with `sudo` copy what a mount stores.
    fn allows_export(&self) -> bool {
        false
    }

    /// Returns true if the operator lets a caller with `sudo` record the requests of mounts.
    fn allows_record(&self) -> bool {
        false
    }

    /// Says whether this process runs guests that were pushed into a mount's storage.
    ///
    /// # Errors
    /// The reason why it does not, in a sentence for the operator.
    fn takes_pushed(&self) -> Result<(), String> {
        Err("this process runs no pushed guests".to_owned())
    }

    /// Returns a pushed guest that this process has loaded already, if its signature is still the same.
    fn loaded(&self, _digest: Digest, _signature: Option<&str>) -> Option<Arc<GrantedGuest>> {
        None
    }

    /// Loads a pushed guest, if somebody whom this process trusts vouches for it.
    ///
    /// # Errors
    /// The reason why it may not run or cannot, in a sentence for the operator.
    async fn load(&self, component: Vec<u8>, signature: Option<&str>) -> Result<Arc<GrantedGuest>, String> {
        let _ = (component, signature);
        Err("this process runs no pushed guests".to_owned())
    }
}

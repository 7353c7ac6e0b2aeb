//! The source from which a mount gets its guest.

use std::sync::Arc;
use std::time::Duration;

use airlock_sandbox::Guest;
use airlock_storage::Prefixes;
use async_trait::async_trait;

/// Longest time that loading a guest may take. Vault waits for it when it sets up a mount, and when it asks for the version.
/// Also the time for which a failure is believed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A guest that may run here, and what its operator grants it.
pub struct GrantedGuest {
    /// The guest.
    pub guest: Guest,
    /// The storage that may be kept in memory.
    pub cacheable: Prefixes,
    /// The paths that may be served without a token.
    pub unauthenticated: Prefixes,
}

/// Gives mounts their guest.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// Returns the guest, and loads it if none is loaded yet. `unfit` is a guest of this source that a mount cannot use: if
    /// there is another one by now, that one is returned, and otherwise the same one.
    ///
    /// # Errors
    /// The reason why no guest is available, in a sentence for the operator.
    async fn guest(&self, unfit: Option<&Arc<GrantedGuest>>) -> Result<Arc<GrantedGuest>, String>;
}

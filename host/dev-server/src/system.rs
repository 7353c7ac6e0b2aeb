//! The system view of a mount.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use airlock_logical::time::nanoseconds;
use vault_plugin::{Error, Json, PluginEnvironment, WrapInfo};

use crate::Clock;
use crate::answer::Reply;
use crate::mount::Mount;
use crate::wrapping::Wraps;

/// The Vault version whose API the server implements.
pub(crate) const VAULT_VERSION: &str = "1.21.0";

/// A mount's system view of the server. It has those functions of [`vault_plugin::SystemView`] that the server offers.
#[derive(Clone)]
pub struct DevSystem {
    pub(crate) mount: Arc<Mount>,
    pub(crate) wraps: Arc<Wraps>,
    pub(crate) clock: Clock,
    pub(crate) cluster_id: Arc<str>,
}

impl DevSystem {
    /// Returns how long a lease of this mount lasts by default.
    pub fn default_lease_ttl(&self) -> Duration {
        self.mount.default_ttl()
    }

    /// Returns how long a lease of this mount can last.
    pub fn max_lease_ttl(&self) -> Duration {
        self.mount.max_ttl()
    }

    /// Returns true while the mount is being removed.
    pub fn tainted(&self) -> bool {
        self.mount.is_tainted()
    }

    /// Returns true if the mount was enabled with `force_no_cache`.
    pub fn caching_disabled(&self) -> bool {
        self.mount.entry().config.force_no_cache
    }

    /// Returns true if the mount was enabled as local.
    pub fn local_mount(&self) -> bool {
        self.mount.entry().local
    }

    /// Returns the cluster's id, which stays the same for the lifetime of the store.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Returns the Vault version that the server stands in for.
    pub fn plugin_environment(&self) -> PluginEnvironment {
        let mut environment = PluginEnvironment::default();
        environment.version = VAULT_VERSION.to_owned();
        environment.metadata = "airlock.dev".to_owned();
        environment
    }

    /// Returns the server's time.
    pub fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Wraps data. Whoever has the wrapping token can unwrap it.
    ///
    /// # Errors
    /// Returns [`Error::Json`] if the data is not a JSON object, and [`Error::Internal`] if the store failed.
    pub fn response_wrap_data(&self, data: &Json, ttl: Duration) -> Result<WrapInfo, Error> {
        let data: serde_json::Map<String, serde_json::Value> = data.decode()?;
        let path = "sys/wrapping/wrap";
        let wrapped = self
            .wraps
            .wrap(&Reply::data(data.into()), "", path, ttl)
            .map_err(|error| Error::Internal(error.to_string()))?;
        Ok(WrapInfo {
            ttl: nanoseconds(ttl),
            token: wrapped.token,
            accessor: wrapped.accessor,
            creation_time: Some(wrapped.creation_time.into()),
            creation_path: path.to_owned(),
            ..WrapInfo::default()
        })
    }
}

impl fmt::Debug for DevSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevSystem").finish_non_exhaustive()
    }
}

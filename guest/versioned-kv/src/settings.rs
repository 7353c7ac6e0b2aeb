//! Loads the settings of a mount.

use std::time::Duration;

use airlock_sdk::{Context, Result};
use serde::{Deserialize, Serialize};

/// The storage key of the settings.
pub(crate) const KEY: &str = "config";

/// The settings of a mount.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// 0 means not set.
    pub max_versions: u32,
    pub cas_required: bool,
    /// In seconds; 0 means not set, -1 means off for all keys.
    pub delete_version_after: i64,
}

impl Settings {
    /// Returns the settings of the mount; a setting that nobody has stored is not set.
    pub(crate) fn load(cx: &Context) -> Result<Settings> {
        Ok(cx.storage.get_json(KEY)?.unwrap_or_default())
    }

    /// Returns the time after which a version is deleted, or 0 if it is not set. `None` means never, whatever the key
    /// says.
    pub(crate) fn delete_version_after(&self) -> Option<Duration> {
        u64::try_from(self.delete_version_after)
            .ok()
            .map(Duration::from_secs)
    }
}

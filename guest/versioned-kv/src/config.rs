//! `config`: the settings of a mount.

use std::time::Duration;

use airlock_sdk::field::SignedSeconds;
use airlock_sdk::{Context, Response, Result, fields, json, route};
use serde::{Deserialize, Serialize};

use crate::fields::Int;
use crate::path::Path;
use crate::{events, go};

/// The storage key of the settings.
pub(crate) const KEY: &str = "config";

pub(crate) const PATH: Path = &route("config")
    .synopsis("Configures settings for the KV store.")
    .description("What is set here applies to every key of the mount.")
    .read(read)
    .update(write);

fields! {
    struct Fields {
        /// The number of versions to keep for each key; 10 by default.
        max_versions: Option<Int>,
        /// If true, every write needs the cas parameter.
        cas_required: Option<bool>,
        /// The time after which a version is deleted; 0 clears it, a negative duration disables it for all keys.
        delete_version_after: Option<SignedSeconds>,
    }
}

/// The settings of a mount.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    /// 0 means not set.
    pub max_versions: u32,
    pub cas_required: bool,
    /// In seconds; 0 means not set, -1 means off for all keys.
    pub delete_version_after: i64,
}

impl Config {
    pub(crate) fn load(cx: &Context) -> Result<Config> {
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

fn read(cx: &Context, _: Fields) -> Result<Response> {
    let config = Config::load(cx)?;
    Response::json(&json!({
        "max_versions": config.max_versions,
        "cas_required": config.cas_required,
        "delete_version_after": go::seconds(config.delete_version_after),
    }))
}

fn write(cx: &Context, given: Fields) -> Result<()> {
    if given.max_versions.is_none() && given.cas_required.is_none() && given.delete_version_after.is_none() {
        return Ok(());
    }
    let mut config = Config::load(cx)?;
    if let Some(Int(max_versions)) = given.max_versions {
        config.max_versions = go::uint32(max_versions);
    }
    if let Some(cas_required) = given.cas_required {
        config.cas_required = cas_required;
    }
    if let Some(SignedSeconds(after)) = given.delete_version_after {
        config.delete_version_after = after.max(-1);
    }
    cx.storage.put_json(KEY, &config)?;
    events::changed(cx, 2, "config-write", KEY, Some(KEY));
    Ok(())
}

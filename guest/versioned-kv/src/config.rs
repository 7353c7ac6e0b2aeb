//! `config`: reads and changes the settings of a mount.

use airlock_sdk::field::{Int, SignedSeconds};
use airlock_sdk::{Context, Response, Result, fields, json, route};

use crate::path::Path;
use crate::settings::{KEY, Settings};
use crate::{events, go};

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

fn read(cx: &Context, _: Fields) -> Result<Response> {
    let settings = Settings::load(cx)?;
    Response::json(&json!({
        "max_versions": settings.max_versions,
        "cas_required": settings.cas_required,
        "delete_version_after": go::seconds(settings.delete_version_after),
    }))
}

fn write(cx: &Context, given: Fields) -> Result<()> {
    if given.max_versions.is_none() && given.cas_required.is_none() && given.delete_version_after.is_none() {
        return Ok(());
    }
    let mut settings = Settings::load(cx)?;
    if let Some(Int(max_versions)) = given.max_versions {
        settings.max_versions = go::uint32(max_versions);
    }
    if let Some(cas_required) = given.cas_required {
        settings.cas_required = cas_required;
    }
    if let Some(SignedSeconds(after)) = given.delete_version_after {
        settings.delete_version_after = after.max(-1);
    }
    cx.storage.put_json(KEY, &settings)?;
    events::changed(cx, 2, "config-write", KEY, Some(KEY));
    Ok(())
}

//! `metadata/PATH`: shows and changes the metadata of a key, and lists keys.

use std::time::Duration;

use airlock_sdk::field::Int;
use airlock_sdk::{Context, Error, Response, Result, fields, route};

use crate::fields::Object;
use crate::key::Key;
use crate::model::KeyMetadata;
use crate::path::Path;
use crate::settings::Settings;
use crate::{custom_metadata, events, go, list};

pub(crate) const PATH: Path = &route("metadata/{path...}")
    .synopsis("Read and change what is known about a key, list keys, delete a key with all its versions.")
    .exists(exists)
    .read(read)
    .write(write)
    .patch(patch)
    .delete(delete)
    .list(list)
    .scan(|cx, at: list::Fields| list::recursive(cx, &at));

fields! {
    struct Fields {
        /// Location of the secret.
        path: String,
        /// In a list, leaves out keys whose current version is deleted or has a deletion time.
        exclude_deleted: bool as query = false,
        /// In a list, names after this one only.
        after: String as query = String::new(),
        /// In a list, the most names to return; 0 returns all.
        limit: Int as query = Int(0),
        /// If true, every write needs the cas parameter; if false, the mount's setting applies.
        cas_required: Option<bool>,
        /// The number of versions to keep; the mount's number applies if it is larger.
        max_versions: Option<Int>,
        /// The time after which a version is deleted; 0 clears it. The mount's time applies if it is shorter.
        delete_version_after: Option<Duration>,
        /// Any pairs of key and value that describe the secret.
        custom_metadata: Option<Object>,
    }
}

impl From<Fields> for list::Fields {
    fn from(fields: Fields) -> list::Fields {
        let Fields {
            path, after, limit, ..
        } = fields;
        list::Fields { path, after, limit }
    }
}

impl Fields {
    /// Returns the path of the key. A slash at its end is ignored, as in Vault's engine.
    fn key(&self) -> &str {
        self.path.trim_end_matches('/')
    }
}

fn exists(cx: &Context, at: Fields) -> Result<bool> {
    Key::exists(cx, at.key())
}

fn list(cx: &Context, at: Fields) -> Result<Response> {
    let mut entries = list::folder(cx, &at.path)?;
    if at.exclude_deleted {
        let mut kept = Vec::new();
        for entry in entries {
            let current = match entry.metadata(cx)? {
                Some(metadata) => metadata.current()?,
                None => None,
            };
            if current.is_none_or(|version| version.deletion_time.is_none()) {
                kept.push(entry);
            }
        }
        entries = kept;
    }
    let names = list::page(entries, at.into()).map(|entry| entry.name);
    Ok(Response::list(names))
}

fn read(cx: &Context, at: Fields) -> Result<Option<Response>> {
    let Some((_, metadata)) = Key::find(cx, at.key())? else {
        return Ok(None);
    };
    Response::json(&metadata.shown()?).map(Some)
}

fn write(cx: &Context, given: Fields) -> Result<Option<Response>> {
    let nothing = given.max_versions.is_none()
        && given.cas_required.is_none()
        && given.delete_version_after.is_none()
        && given.custom_metadata.is_none();
    if nothing {
        return Ok(None);
    }
    let custom = given
        .custom_metadata
        .clone()
        .map(|Object(given)| custom_metadata::parse(given.unwrap_or_default()));
    let custom = custom.transpose()?;
    let response = ignored_cas(cx, &given)?;
    let key = Key::at(cx, given.key())?;
    let mut metadata = key
        .metadata()?
        .unwrap_or_else(|| KeyMetadata::new(cx.clock.now()));
    if let Some(custom) = custom {
        metadata.custom_metadata = custom;
    }
    set(&mut metadata, &given);
    key.put_metadata(&metadata)?;
    announce(cx, "metadata-write", &given.path);
    Ok(response)
}

fn patch(cx: &Context, given: Fields) -> Result<Option<Response>> {
    if given.path.is_empty() {
        return Err(Error::user("missing path"));
    }
    let Some((key, mut metadata)) = Key::find(cx, given.key())? else {
        if let Some(Object(Some(changes))) = given.custom_metadata {
            custom_metadata::merge(&mut Default::default(), changes)?;
        }
        return Ok(Some(Response::status(404)));
    };
    match given.custom_metadata.clone() {
        Some(Object(Some(changes))) => custom_metadata::merge(&mut metadata.custom_metadata, changes)?,
        Some(Object(None)) => metadata.custom_metadata.clear(),
        None => {}
    }
    let response = ignored_cas(cx, &given)?;
    set(&mut metadata, &given);
    key.put_metadata(&metadata)?;
    announce(cx, "metadata-patch", &given.path);
    Ok(response)
}

/// Sets the given settings, except for the caller's own metadata.
fn set(metadata: &mut KeyMetadata, given: &Fields) {
    if let Some(Int(max_versions)) = given.max_versions {
        metadata.max_versions = go::uint32(max_versions);
    }
    if let Some(cas_required) = given.cas_required {
        metadata.cas_required = cas_required;
    }
    if let Some(after) = given.delete_version_after {
        metadata.delete_version_after = after;
    }
}

/// Returns the warning that the mount still requires cas.
fn ignored_cas(cx: &Context, given: &Fields) -> Result<Option<Response>> {
    let ignored = given.cas_required == Some(false) && Settings::load(cx)?.cas_required;
    Ok(ignored.then(|| {
        Response::default().warning(
            "\"cas_required\" set to false, but is mandated by backend config. This value will be ignored.",
        )
    }))
}

fn delete(cx: &Context, at: Fields) -> Result<()> {
    let Some((key, _)) = Key::find(cx, at.key())? else {
        return Ok(());
    };
    key.remove()?;
    events::changed(cx, 2, "metadata-delete", &format!("metadata/{}", at.path), None);
    Ok(())
}

fn announce(cx: &Context, operation: &str, path: &str) {
    let path = format!("metadata/{path}");
    events::changed(cx, 2, operation, &path, Some(&path));
}

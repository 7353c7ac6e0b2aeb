//! `copy/PATH` and `move/PATH`: copy or move a key with its history to another path of the mount.
//!
//! Vault's policies check the path of the request, which is the source. A policy restricts `destination` with
//! `allowed_parameters`. Therefore these paths exist only if the mount's option `transfer` is `true`.

use airlock_sdk::{Context, Error, Response, Result, fields, json, route};

use crate::extensions::Extensions;
use crate::key::Key;
use crate::model::{Attribution, KeyMetadata};
use crate::path::Path;
use crate::{events, invalid};

pub(crate) const COPY: Path = &route("copy/{path...}")
    .synopsis("Copy a secret with all its versions.")
    .description("Nothing may be at the destination. The copy is a key of its own from then on.")
    .update(copy);

pub(crate) const MOVE: Path = &route("move/{path...}")
    .synopsis("Move a secret with all its versions.")
    .description("Nothing may be at the destination. Afterwards nothing is at the source.")
    .update(r#move);

fields! {
    struct Fields {
        /// Location of the secret.
        path: String,
        /// The path to copy or move it to.
        destination: String = String::new(),
    }
}

fn copy(cx: &Context, given: Fields) -> Result<Response> {
    if !Extensions::on(cx).transfer {
        return Ok(invalid::answer(cx));
    }
    let (_, metadata) = transfer(cx, &given, "copy")?;
    respond(&metadata)
}

fn r#move(cx: &Context, given: Fields) -> Result<Response> {
    if !Extensions::on(cx).transfer {
        return Ok(invalid::answer(cx));
    }
    let (source, metadata) = transfer(cx, &given, "move")?;
    source.remove()?;
    respond(&metadata)
}

/// Writes everything from the source to the destination, the metadata last. If Vault is killed before the source is
/// removed, both are complete.
fn transfer<'c>(cx: &'c Context, given: &Fields, operation: &str) -> Result<(Key<'c>, KeyMetadata)> {
    let Fields { path, destination } = given;
    if destination.is_empty() || destination.ends_with('/') {
        return Err(Error::user("destination must be the path of a secret"));
    }
    let Some((source, mut metadata)) = Key::find(cx, path)? else {
        return Err(Error::coded(404, "nothing is at the source"));
    };
    let target = Key::at(cx, destination)?;
    if target.metadata()?.is_some() {
        return Err(Error::user("something is at the destination already"));
    }
    for number in metadata.versions.numbers() {
        if metadata
            .versions
            .get(number)?
            .is_some_and(|version| !version.destroyed)
        {
            target.put_data(number, source.data(number)?)?;
        }
    }
    metadata.last_updated_by = Some(Attribution::of(cx, operation));
    target.put_metadata(&metadata)?;
    let (path, data_path) = (format!("{operation}/{path}"), format!("data/{destination}"));
    events::versions_changed(cx, operation, &path, Some(&data_path), &metadata, None);
    Ok((source, metadata))
}

fn respond(metadata: &KeyMetadata) -> Result<Response> {
    Response::json(&json!({
        "current_version": metadata.current_version,
        "oldest_version": metadata.oldest_version,
        "versions": metadata.versions.len(),
    }))
}

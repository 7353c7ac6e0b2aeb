//! `delete/PATH`, `undelete/PATH` and `destroy/PATH`: delete, bring back and destroy versions by their numbers.

use airlock_sdk::{Context, Error, Result, fields, route};

use crate::events;
use crate::key::Key;
use crate::model::Attribution;
use crate::path::Path;
use crate::settings::Settings;

pub(crate) const DELETE: Path = &route("delete/{path...}")
    .synopsis("Marks versions as deleted.")
    .description("Their data is kept but no longer read. This can be undone.")
    .update(delete);

pub(crate) const UNDELETE: Path = &route("undelete/{path...}")
    .synopsis("Brings deleted versions back.")
    .description("Their data can be read again.")
    .update(undelete);

pub(crate) const DESTROY: Path = &route("destroy/{path...}")
    .synopsis("Removes the data of versions for good.")
    .update(destroy);

fields! {
    struct Fields {
        /// Location of the secret.
        path: String,
        /// The numbers of the versions.
        versions: Vec<i64> = vec![],
    }
}

fn delete(cx: &Context, given: Fields) -> Result<()> {
    if given.versions.is_empty() {
        return Err(Error::user("No version number provided"));
    }
    let Some((key, mut metadata)) = Key::find(cx, &given.path)? else {
        return Ok(());
    };
    let by = Attribution::of(cx, "update");
    for number in &given.versions {
        metadata.change(*number, |version| {
            if !version.is_gone(&cx.clock) {
                version.deletion_time = Some(cx.clock.now());
                version.deleted_by = Some(by.clone());
            }
        })?;
    }
    metadata.last_updated_by = Some(by);
    key.put_metadata(&metadata)?;
    let done = ("deleted_versions", given.versions.as_slice());
    events::versions_changed(
        cx,
        "delete",
        &format!("delete/{}", given.path),
        None,
        &metadata,
        Some(done),
    );
    Ok(())
}

fn undelete(cx: &Context, given: Fields) -> Result<()> {
    if given.versions.is_empty() {
        return Err(Error::user("No version number provided"));
    }
    let settings = Settings::load(cx)?;
    let Some((key, mut metadata)) = Key::find(cx, &given.path)? else {
        return Ok(());
    };
    for number in &given.versions {
        // The time to expire starts again.
        let expiry = metadata.expiry(cx.clock.now(), &settings);
        metadata.change(*number, |version| {
            if !version.destroyed {
                version.deletion_time = expiry;
                version.deleted_by = None;
            }
        })?;
    }
    metadata.last_updated_by = Some(Attribution::of(cx, "undelete"));
    key.put_metadata(&metadata)?;
    let (path, data_path) = (format!("undelete/{}", given.path), format!("data/{}", given.path));
    let done = ("undeleted_versions", given.versions.as_slice());
    events::versions_changed(cx, "undelete", &path, Some(&data_path), &metadata, Some(done));
    Ok(())
}

fn destroy(cx: &Context, given: Fields) -> Result<()> {
    if given.versions.is_empty() {
        return Err(Error::user("no version number provided"));
    }
    let Some((key, mut metadata)) = Key::find(cx, &given.path)? else {
        return Ok(());
    };
    for number in &given.versions {
        metadata.change(*number, |version| version.destroyed = true)?;
    }
    // In this order, so that a crash leaves no version that has lost its data without being marked as destroyed.
    key.put_metadata(&metadata)?;
    for number in given
        .versions
        .iter()
        .filter_map(|number| u64::try_from(*number).ok())
    {
        key.delete_data(number)?;
    }
    let done = ("destroyed_versions", given.versions.as_slice());
    events::versions_changed(
        cx,
        "destroy",
        &format!("destroy/{}", given.path),
        None,
        &metadata,
        Some(done),
    );
    Ok(())
}

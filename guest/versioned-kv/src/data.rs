//! `data/PATH`: reads and changes the secrets themselves.

use airlock_sdk::field::Int;
use airlock_sdk::{
    Context, Error, FieldType as _, Map, Operation, Response, Result, Value, fields, merge, route,
};

use crate::fields::Text;
use crate::key::Key;
use crate::model::{Attribution, KeyMetadata, VersionMetadata};
use crate::path::Path;
use crate::settings::Settings;
use crate::{events, invalid};

pub(crate) const PATH: Path = &route("data/{path...}")
    .synopsis("Write, patch, read and delete data.")
    .description(
        "Each write adds a version. A patch changes members of the current version's data and adds what comes of it as a \
         version. A read gives the current version, or that of the parameter version. A delete marks the current version \
         as deleted, which can be undone.",
    )
    .exists(exists)
    .read(read)
    .write(write)
    .patch(patch)
    .delete(delete)
    .list(|cx, _: Fields| Ok(invalid::answer(cx)));

fields! {
    struct Fields {
        /// Location of the secret.
        path: String,
        /// The version to read, if not the current one.
        version: Option<Int> as query,
        /// Options of a write. cas: the number of the current version, or 0 if there must be no version yet.
        options: Option<Map>,
        /// Data of the secret.
        data: Option<Text> as sensitive,
    }
}

impl Fields {
    /// Returns true if the path can be that of a secret.
    fn names_a_secret(&self) -> bool {
        !self.path.is_empty() && !self.path.ends_with('/')
    }
}

fn exists(cx: &Context, at: Fields) -> Result<bool> {
    Key::exists(cx, &at.path)
}

fn read(cx: &Context, at: Fields) -> Result<Option<Response>> {
    if !at.names_a_secret() {
        return Ok(Some(invalid::answer(cx)));
    }
    read_version(cx, &at.path, at.version, "data", Ok)
}

/// Reads a version. `show` converts its data, which becomes the member `member` of the answer.
pub(crate) fn read_version(
    cx: &Context,
    path: &str,
    version: Option<Int>,
    member: &str,
    show: impl FnOnce(String) -> Result<String>,
) -> Result<Option<Response>> {
    let Some((key, metadata)) = Key::find(cx, path)? else {
        return Ok(None);
    };
    let number = metadata.pick(version.unwrap_or_default().0);
    let Some(version) = metadata.versions.get(number)? else {
        return Ok(None);
    };
    let summary = json_text(&metadata.summary(number, &version))?;
    let respond = |data: &str| {
        let mut response = Response::default();
        response.data = Some(format!(r#"{{"{member}":{data},"metadata":{summary}}}"#));
        response
    };
    if version.is_gone(&cx.clock) {
        return Ok(Some(respond("null").with_status(&cx.request, 404)));
    }
    let data = show(key.data(number)?)?;
    Ok(Some(respond(&data)))
}

fn write(cx: &Context, given: Fields) -> Result<Response> {
    let Some(Text(data)) = given.data else {
        return Err(Error::user("no data provided"));
    };
    let settings = Settings::load(cx)?;
    let key = Key::at(cx, &given.path)?;
    let metadata = key.metadata()?.unwrap_or_default();
    check_and_set(given.options.as_ref(), &settings, &metadata)?;
    let by = Attribution::of(
        cx,
        if cx.request.operation == Operation::Create {
            "create"
        } else {
            "update"
        },
    );
    let response = add(cx, &key, metadata, &settings, by, data);
    response
        .inspect(|(metadata, _)| announce(cx, "data-write", &given.path, metadata))
        .map(|(_, response)| response)
}

fn patch(cx: &Context, given: Fields) -> Result<Response> {
    if !given.names_a_secret() {
        return Ok(invalid::answer(cx));
    }
    let Some(Text(changes)) = given.data else {
        return Err(Error::user("no data provided"));
    };
    let Some((key, metadata)) = Key::find(cx, &given.path)? else {
        return Ok(Response::status(404));
    };
    let settings = Settings::load(cx)?;
    check_and_set(given.options.as_ref(), &settings, &metadata)?;
    let current = metadata.current_version;
    let Some(version) = metadata.current()? else {
        return Ok(Response::status(404));
    };
    if version.is_gone(&cx.clock) {
        return Ok(Response::json(&metadata.summary(current, &version))?.with_status(&cx.request, 404));
    }
    let mut data = airlock_sdk::value(&key.data(current)?)?;
    if data.is_null() {
        return Err(Error::internal("resource does not exist"));
    }
    let mut changes = airlock_sdk::value(&changes)?;
    drop_nulls_in_lists(&mut changes, false);
    merge(&mut data, changes);
    let (metadata, response) = add(
        cx,
        &key,
        metadata,
        &settings,
        Attribution::of(cx, "patch"),
        json_text(&data)?,
    )?;
    announce(cx, "data-patch", &given.path, &metadata);
    Ok(response)
}

/// Removes members that are null from the objects in lists, as Vault's merge does. RFC 7396 does not change lists.
fn drop_nulls_in_lists(value: &mut Value, in_list: bool) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| drop_nulls_in_lists(item, true)),
        Value::Object(members) => {
            members.retain(|_, member| !in_list || !member.is_null());
            members
                .values_mut()
                .for_each(|member| drop_nulls_in_lists(member, in_list));
        }
        _ => {}
    }
}

fn delete(cx: &Context, at: Fields) -> Result<Option<Response>> {
    if !at.names_a_secret() {
        return Ok(Some(invalid::answer(cx)));
    }
    let Some((key, mut metadata)) = Key::find(cx, &at.path)? else {
        return Ok(None);
    };
    let Some(mut version) = metadata.current()?.filter(|version| !version.is_gone(&cx.clock)) else {
        return Ok(None);
    };
    let by = Attribution::of(cx, "delete");
    version.deletion_time = Some(cx.clock.now());
    version.deleted_by = Some(by.clone());
    metadata.versions.put(metadata.current_version, &version)?;
    metadata.last_updated_by = Some(by);
    key.put_metadata(&metadata)?;
    events::versions_changed(
        cx,
        "data-delete",
        &format!("data/{}", at.path),
        None,
        &metadata,
        None,
    );
    Ok(None)
}

/// Refuses a write for another version than the current one.
fn check_and_set(options: Option<&Map>, settings: &Settings, metadata: &KeyMetadata) -> Result<()> {
    let Some(cas) = options.and_then(|options| options.get("cas")) else {
        if settings.cas_required || metadata.cas_required {
            return Err(Error::user("check-and-set parameter required for this call"));
        }
        return Ok(());
    };
    let cas = i64::from_json(cas.clone()).ok().flatten();
    let cas = cas.ok_or_else(|| Error::user("error parsing check-and-set parameter"))?;
    if u64::try_from(cas) == Ok(metadata.current_version) {
        Ok(())
    } else {
        Err(Error::user(
            "check-and-set parameter did not match the current version",
        ))
    }
}

/// Adds a version, and removes the versions over the limit.
fn add(
    cx: &Context,
    key: &Key<'_>,
    mut metadata: KeyMetadata,
    settings: &Settings,
    by: Attribution,
    data: String,
) -> Result<(KeyMetadata, Response)> {
    let now = cx.clock.now();
    metadata.last_updated_by = Some(by.clone());
    let version = VersionMetadata {
        created_time: Some(now),
        deletion_time: metadata.expiry(now, settings),
        created_by: Some(by),
        ..VersionMetadata::default()
    };
    let surplus = metadata.add_version(&version, settings.max_versions)?;
    key.put_data(metadata.current_version, data)?;
    key.put_metadata(&metadata)?;
    for number in surplus {
        key.delete_data(number)?;
    }
    let response = Response::json(&metadata.summary(metadata.current_version, &version))?;
    Ok((metadata, response))
}

fn announce(cx: &Context, operation: &str, path: &str, metadata: &KeyMetadata) {
    let path = format!("data/{path}");
    events::versions_changed(cx, operation, &path, Some(&path), metadata, None);
}

pub(crate) fn json_text(value: &impl serde::Serialize) -> Result<String> {
    let text = serde_json::to_vec(value)
        .ok()
        .and_then(|json| String::from_utf8(json).ok());
    text.ok_or_else(|| Error::internal("an answer cannot be written as JSON"))
}

//! Serves version 1: one value at each path, any JSON object.
//!
//! An answer has no lease, because for a plugin Vault would keep a lease for every read.

use std::collections::BTreeMap;

use airlock_sdk::{Context, Error, Response, Result, fields, route};
use serde::de::IgnoredAny;

use crate::fields::Text;
use crate::layout::VALUES;
use crate::names::Names;
use crate::path::Path;
use crate::{events, exact, list, upgrade_note};

pub(crate) const PATH: Path = &route("{path...}")
    .synopsis("Read and write any data at any path.")
    .description(
        "A write replaces all that is there. A list gives the names in a folder; folders end in a slash. The field ttl or \
         lease is a hint for readers when to read again.",
    )
    .exists(exists)
    .read(read)
    .write(write)
    .delete(delete)
    .list(list)
    .scan(|cx, at: list::Fields| list::recursive_of_version_1(cx, &at));

fields! {
    struct At {
        /// Location of the secret.
        path: String,
        /// All data to store.
        data: Text as rest,
    }
}

fn exists(cx: &Context, at: At) -> Result<bool> {
    let exists = || match stored_at(cx, &at.path)? {
        Some(key) => cx.storage.exists(&key),
        None => Ok(false),
    };
    exists().map_err(|error: Error| error.context("existence check failed"))
}

fn read(cx: &Context, at: At) -> Result<Option<Response>> {
    let Some(value) = value(cx, &at.path).map_err(|error| error.context("read failed"))? else {
        return Ok(None);
    };
    let text = String::from_utf8(value).map_err(|_| Error::internal("a value is not what it should be"))?;
    let mut response = Response::default();
    // Vault keeps a wrapped answer and must be able to decode it.
    let finished = cx.request.wrap.is_none() && exact::has_number_that_changes(&text);
    response.data = Some(text);
    Ok(Some(if finished {
        response.finished(&cx.request)
    } else {
        response
    }))
}

fn value(cx: &Context, path: &str) -> Result<Option<Vec<u8>>> {
    match stored_at(cx, path)? {
        Some(key) => cx.storage.get(&key),
        None => Ok(None),
    }
}

fn write(cx: &Context, at: At) -> Result<()> {
    if at.path.is_empty() {
        return Err(Error::user("missing path"));
    }
    // The body is stored unchanged: its field `path` is data like any other.
    let body = cx.request.data.as_deref().unwrap_or("{}");
    if at.data.0 == "{}" && is_empty(body) {
        return Err(Error::user("missing data fields"));
    }
    if upgrade_note::is_done(cx)? {
        return Err(Error::user(
            "this mount has been upgraded to version 2; tune it with version=2 to use it again",
        ));
    }
    let names = match Names::load(cx)? {
        Some(names) => names,
        None => Names::draw(cx)?,
    };
    cx.storage.put(&key(&names, &at.path)?, body)?;
    events::changed(cx, 1, "write", &at.path, Some(&at.path));
    Ok(())
}

fn is_empty(body: &str) -> bool {
    serde_json::from_str::<BTreeMap<String, IgnoredAny>>(body).is_ok_and(|body| body.is_empty())
}

fn delete(cx: &Context, at: At) -> Result<()> {
    if let Some(key) = stored_at(cx, &at.path)? {
        cx.storage.delete(&key)?;
    }
    events::changed(cx, 1, "delete", &at.path, None);
    Ok(())
}

fn list(cx: &Context, at: list::Fields) -> Result<Response> {
    let entries = list::page(list::folder_of_version_1(cx, &at.path)?, at);
    Ok(Response::list(entries.map(|entry| entry.name)))
}

/// Returns the storage key of the value at a path, or `None` if there cannot be a value.
fn stored_at(cx: &Context, path: &str) -> Result<Option<String>> {
    if path.is_empty() || path.ends_with('/') {
        return Ok(None);
    }
    Names::load(cx)?.map(|names| key(&names, path)).transpose()
}

fn key(names: &Names, path: &str) -> Result<String> {
    names.encrypt(path).map(|name| format!("{VALUES}{name}"))
}

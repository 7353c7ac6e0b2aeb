//! Lists of names: `LIST metadata/PATH`, and what Vault's engine has not: pages, `LIST recursive-metadata/PATH` and
//! `LIST detailed-metadata/PATH`.
//!
//! The two have paths of their own, so that a policy can allow them or not: the first names what is below folders for
//! which the policy may not allow a list, the second tells what otherwise needs a read. OpenBao asks its policies for
//! `scan` where all below a folder is meant, so there `SCAN` on the paths that it knows needs no option.

use airlock_sdk::{Context, Map, Response, Result, Value, fields, route};

use crate::extensions::Extensions;
use crate::fields::Int;
use crate::key::Key;
use crate::names::Names;
use crate::{Path, invalid, key, metadata, passthrough, upgrade};

pub(crate) const RECURSIVE: Path = &route("recursive-metadata/{path...}")
    .synopsis("List everything below a folder.")
    .list(list_below);

pub(crate) const DETAILED: Path = &route("detailed-metadata/{path...}")
    .synopsis("List a folder, and what is known about each key in it.")
    .list(list_detailed);

fields! {
    pub(crate) struct Fields {
        /// Location of the folder.
        pub path: String,
        /// Begin after this name.
        pub after: String as query = String::new(),
        /// Give so many names at most; 0: all.
        pub limit: Int as query = Int(0),
    }
}

fn list_below(cx: &Context, at: Fields) -> Result<Response> {
    if !Extensions::on(cx).recursive_list {
        return Ok(invalid::answer(cx));
    }
    Ok(Response::list(recursive(cx, &at.path, &at.after, at.limit.0)?))
}

fn list_detailed(cx: &Context, at: Fields) -> Result<Response> {
    if !Extensions::on(cx).detailed_list {
        return Ok(invalid::answer(cx));
    }
    let names = page(folder(cx, &at.path)?, &at.after, at.limit.0);
    if names.is_empty() {
        return Ok(Response::list(names));
    }
    let mut about = Map::new();
    for name in &names {
        if let Some((_, key)) = Key::find(cx, &format!("{}{name}", at.path))? {
            about.insert(name.clone(), metadata::shown(&key));
        }
    }
    let mut data = Map::new();
    data.insert("keys".into(), names.into());
    data.insert("key_info".into(), about.into());
    Response::json(&Value::Object(data))
}

/// The names in a folder of version 2, in order. The path is empty or ends in `/`.
pub(crate) fn folder(cx: &Context, path: &str) -> Result<Vec<String>> {
    let mut names = stored(cx, key::METADATA, path)?;
    if upgrade::is_pending(cx)? {
        names.extend(stored(cx, passthrough::VALUES, path)?);
        names.sort_unstable();
        names.dedup();
    }
    Ok(names)
}

/// The names in a folder below a storage prefix, in order.
pub(crate) fn stored(cx: &Context, prefix: &str, path: &str) -> Result<Vec<String>> {
    let Some(names) = Names::load(cx)? else {
        return Ok(Vec::new());
    };
    let folder = match path {
        "" => String::new(),
        path => names.encrypt(path.trim_end_matches('/'))? + "/",
    };
    let entries = cx.storage.list(&format!("{prefix}{folder}"))?;
    let plain = entries.iter().map(|entry| names.decrypt(&folder, entry));
    let mut plain = plain.collect::<Result<Vec<_>>>()?;
    plain.sort_unstable();
    Ok(plain)
}

/// Those after a name, and no more than `limit` of them unless that is 0 or less.
pub(crate) fn page(names: Vec<String>, after: &str, limit: i64) -> Vec<String> {
    let after = names.into_iter().filter(|name| name.as_str() > after);
    after.take(at_most(limit)).collect()
}

/// All keys below a folder, relative to it and in order: those after a name, and so many.
pub(crate) fn recursive(cx: &Context, path: &str, after: &str, limit: i64) -> Result<Vec<String>> {
    let mut found = Vec::new();
    collect(cx, path, "", after, at_most(limit), &mut found)?;
    Ok(found)
}

fn collect(
    cx: &Context,
    path: &str,
    below: &str,
    after: &str,
    limit: usize,
    found: &mut Vec<String>,
) -> Result<()> {
    for name in folder(cx, &format!("{path}{below}"))? {
        if found.len() >= limit {
            return Ok(());
        }
        let name = format!("{below}{name}");
        if !name.ends_with('/') {
            if name.as_str() > after {
                found.push(name);
            }
        } else if name.as_str() > after || after.starts_with(&name) {
            collect(cx, path, &name, after, limit, found)?;
        }
    }
    Ok(())
}

fn at_most(limit: i64) -> usize {
    usize::try_from(limit)
        .ok()
        .filter(|limit| *limit > 0)
        .unwrap_or(usize::MAX)
}

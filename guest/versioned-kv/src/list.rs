//! Lists of names.

use airlock_sdk::{Context, Result};

use crate::names::Names;
use crate::{key, passthrough, upgrade};

/// The names in a folder of version 2, in order. The path is empty or ends in `/`.
pub(crate) fn folder(cx: &Context, path: &str) -> Result<Vec<String>> {
    let mut names = below(cx, key::METADATA, path)?;
    if upgrade::is_pending(cx)? {
        names.extend(below(cx, passthrough::VALUES, path)?);
        names.sort_unstable();
        names.dedup();
    }
    Ok(names)
}

/// The names in a folder below a storage prefix, in order.
pub(crate) fn below(cx: &Context, prefix: &str, path: &str) -> Result<Vec<String>> {
    let Some(names) = Names::load(cx)? else {
        return Ok(Vec::new());
    };
    let folder = match path {
        "" => String::new(),
        path => names.encrypt(path.trim_end_matches('/'))? + "/",
    };
    let entries = cx.storage.list(&format!("{prefix}{folder}"))?;
    let mut plain = entries
        .iter()
        .map(|entry| names.decrypt(&folder, entry))
        .collect::<Result<Vec<_>>>()?;
    plain.sort_unstable();
    Ok(plain)
}

/// Those after a name, and no more than `limit` of them unless that is 0 or less.
pub(crate) fn page(names: Vec<String>, after: &str, limit: i64) -> Vec<String> {
    let limit = usize::try_from(limit)
        .ok()
        .filter(|limit| *limit > 0)
        .unwrap_or(usize::MAX);
    names
        .into_iter()
        .filter(|name| name.as_str() > after)
        .take(limit)
        .collect()
}

//! All keys of a mount, some at a time.

use airlock_sdk::{Context, Result};

/// The names below a storage prefix that come after one, at most `limit` of them. Names are as storage sees them, in an
/// order that lasts, so that the last one is where to go on.
pub(crate) fn after(cx: &Context, prefix: &str, name: &str, limit: usize) -> Result<Vec<String>> {
    let mut found = Vec::new();
    collect(
        cx,
        prefix,
        "",
        Some(name).filter(|name| !name.is_empty()),
        limit,
        &mut found,
    )?;
    Ok(found)
}

fn collect(
    cx: &Context,
    prefix: &str,
    folder: &str,
    after: Option<&str>,
    limit: usize,
    found: &mut Vec<String>,
) -> Result<()> {
    let mut entries = cx.storage.list(&format!("{prefix}{folder}"))?;
    // A key goes before what is below it, and both before the next name.
    entries.sort_unstable_by(|a, b| segment(a).cmp(segment(b)).then(a.cmp(b)));
    let (begin, rest) = match after {
        Some(after) => after
            .split_once('/')
            .map_or((after, None), |(begin, rest)| (begin, Some(rest))),
        None => ("", None),
    };
    for entry in entries {
        if found.len() >= limit {
            return Ok(());
        }
        let is_folder = entry.ends_with('/');
        let begins_here = after.is_some() && segment(&entry) == begin;
        if after.is_some() && (segment(&entry) < begin || (begins_here && !is_folder)) {
            continue;
        }
        let path = format!("{folder}{entry}");
        if is_folder {
            collect(cx, prefix, &path, rest.filter(|_| begins_here), limit, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

fn segment(entry: &str) -> &str {
    entry.strip_suffix('/').unwrap_or(entry)
}

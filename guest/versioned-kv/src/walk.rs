//! Walks all keys of a mount, in parts.
//!
//! Nothing here recurses, because a path may have more segments than a guest's stack has room for.

use std::cmp::Ordering;

use airlock_sdk::{Context, Result};

/// Returns at most `limit` names below a storage prefix that come after `name`. Names are encrypted, as in storage.
/// Their order never changes, so the last name is where the next call continues: a key comes before the keys below it.
pub(crate) fn after(cx: &Context, prefix: &str, name: &str, limit: usize) -> Result<Vec<String>> {
    let mut found = Vec::new();
    // A stack of the paths to visit; the last one is the next.
    let mut ahead = vec![String::new()];
    while found.len() < limit {
        let Some(path) = ahead.pop() else { break };
        if !path.is_empty() && !path.ends_with('/') {
            found.push(path);
            continue;
        }
        let entries = cx.storage.list(&format!("{prefix}{path}"))?;
        let paths = entries.into_iter().map(|entry| format!("{path}{entry}"));
        let mut paths: Vec<String> = paths.filter(|path| is_ahead(path, name)).collect();
        paths.sort_unstable_by(|a, b| order(b, a));
        ahead.append(&mut paths);
    }
    Ok(found)
}

/// Returns true for a key after the name, and for a folder that may have such keys.
fn is_ahead(path: &str, name: &str) -> bool {
    match path.strip_suffix('/') {
        None => path.split('/').gt(name.split('/')),
        Some(folder) => {
            let depth = folder.split('/').count();
            folder.split('/').ge(name.split('/').take(depth))
        }
    }
}

fn order(a: &str, b: &str) -> Ordering {
    let plain = |path: &'_ str| path.strip_suffix('/').map_or(path.len(), str::len);
    a[..plain(a)]
        .split('/')
        .cmp(b[..plain(b)].split('/'))
        .then(a.len().cmp(&b.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_before_what_is_below_it_and_both_before_the_next_name() {
        let mut paths = ["a/", "a-b", "a", "a-b/", "b"];
        paths.sort_unstable_by(|a, b| order(a, b));
        assert_eq!(paths, ["a", "a/", "a-b", "a-b/", "b"]);
    }

    #[test]
    fn what_comes_after_a_name_is_ahead() {
        for path in ["a", "a/", "b/c"] {
            assert!(is_ahead(path, ""), "{path}");
        }
        for path in ["a/b/d", "a/c", "b", "b/", "a/", "a/b/", "a/b/c/", "a-b"] {
            assert!(is_ahead(path, "a/b/c"), "{path}");
        }
        for path in ["a/b/c", "a/b", "a", "a/a/", "a/b/a/"] {
            assert!(!is_ahead(path, "a/b/c"), "{path}");
        }
    }
}

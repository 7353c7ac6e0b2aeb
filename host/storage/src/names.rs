//! Keys as paths: the names that a list of a folder shows.

use std::collections::BTreeMap;
use std::ops::Bound;

/// Returns what a list of `folder` shows of `key`: its last segment, the next folder with its slash, or nothing.
pub(crate) fn name_in<'k>(folder: &str, key: &'k str) -> Option<&'k str> {
    let below = key.strip_prefix(folder).filter(|below| !below.is_empty())?;
    Some(below.find('/').map_or(below, |slash| &below[..=slash]))
}

/// Returns the names directly below a folder that come after `after` (empty: all), each with the value of the first key
/// that gives this name. Skips everything else inside a child, so it costs one search in the map for each name.
pub(crate) fn children<'m, V>(
    map: &'m BTreeMap<String, V>,
    folder: &'m str,
    after: &'m str,
) -> impl Iterator<Item = (&'m str, &'m V)> {
    let mut from = Bound::Included(format!("{folder}{after}"));
    let child = move || {
        let bounds = (from.as_ref().map(String::as_str), Bound::Unbounded);
        let (key, value) = map.range::<str, _>(bounds).next()?;
        // The key that equals the folder has no name in it.
        let name = key
            .starts_with(folder)
            .then(|| name_in(folder, key).unwrap_or_default())?;
        from = match name.strip_suffix('/') {
            // `0` follows directly after `/`.
            Some(segment) => Bound::Included(format!("{folder}{segment}0")),
            None => Bound::Excluded(key.clone()),
        };
        Some((name, value))
    };
    std::iter::from_fn(child).filter(move |(name, _)| *name > after)
}

/// Returns the names of a page: at most `limit` names after `after`.
pub(crate) fn page(names: impl IntoIterator<Item = String>, after: &str, limit: usize) -> Vec<String> {
    names
        .into_iter()
        .filter(|name| name.as_str() > after)
        .take(limit)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_names_in_order_each_once() {
        let keys = ["b", "b-", "b/", "b/x", "b/y/z", "b0", "c/d"];
        let map: BTreeMap<String, &str> = keys.iter().map(|key| (key.to_string(), *key)).collect();
        let shown = |folder, after| -> Vec<_> {
            children(&map, folder, after)
                .map(|(name, key)| (name, *key))
                .collect()
        };
        assert_eq!(
            shown("", ""),
            [
                ("b", "b"),
                ("b-", "b-"),
                ("b/", "b/"),
                ("b0", "b0"),
                ("c/", "c/d")
            ]
        );
        assert_eq!(shown("", "b/"), [("b0", "b0"), ("c/", "c/d")]);
        assert_eq!(shown("b/", ""), [("x", "b/x"), ("y/", "b/y/z")]);
        assert!(shown("d/", "").is_empty());
    }

    #[test]
    fn a_list_shows_children_only() {
        assert_eq!(name_in("", "a/b/c"), Some("a/"));
        assert_eq!(name_in("a/", "a/b/c"), Some("b/"));
        assert_eq!(name_in("a/b/", "a/b/c"), Some("c"));
        assert_eq!(name_in("a/", "ab"), None);
        assert_eq!(name_in("a/", "a/"), None);
    }
}

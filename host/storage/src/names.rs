//! Keys as paths: which folders stand above a key, and what a folder's list shows of it.

/// The folders above a key, from the root down: of `a/b/c` they are the root (the empty prefix), `a/` and `a/b/`.
pub(crate) fn folders_above(key: &str) -> impl Iterator<Item = &str> {
    let below_root = key.match_indices('/').map(|(slash, _)| &key[..=slash]);
    std::iter::once("").chain(below_root)
}

/// What a list of `folder` shows of `key`: its last segment, the next folder with its slash, or nothing.
pub(crate) fn name_in<'k>(folder: &str, key: &'k str) -> Option<&'k str> {
    let below = key.strip_prefix(folder).filter(|below| !below.is_empty())?;
    Some(below.find('/').map_or(below, |slash| &below[..=slash]))
}

/// The names of a page: those after `after`, at most `limit`.
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
    fn folders_above_a_key_start_at_the_root() {
        assert_eq!(folders_above("a/b/c").collect::<Vec<_>>(), ["", "a/", "a/b/"]);
        assert_eq!(folders_above("a").collect::<Vec<_>>(), [""]);
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

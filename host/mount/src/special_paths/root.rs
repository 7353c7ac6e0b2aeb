//! The root paths that Vault is told, so that none of them takes `sudo` from another.

use std::collections::BTreeSet;

use airlock_sandbox::CONTROL;

use super::prefix_of;

/// Returns the root paths with the host's own, without the entries that a prefix covers. So Vault's router asks for
/// `sudo` wherever one of them matches.
pub(super) fn root(guests: Vec<String>) -> Vec<String> {
    let all = guests
        .into_iter()
        .chain([CONTROL.to_owned(), format!("{CONTROL}/*")]);
    let (prefixes, exact): (Vec<_>, Vec<_>) = all.partition(|path| path.ends_with('*'));
    // Sorted by the text before the `*`, a prefix is followed at once by those that it covers.
    let mut sorted: Vec<_> = prefixes.iter().map(|path| prefix_of(path)).collect();
    sorted.sort_unstable();
    let mut kept: BTreeSet<&str> = BTreeSet::new();
    for prefix in sorted {
        if !is_covered(prefix, &kept) {
            kept.insert(prefix);
        }
    }
    let exact = exact.iter().filter(|path| !is_covered(path, &kept));
    let exact: BTreeSet<_> = exact.cloned().collect();
    kept.iter()
        .map(|prefix| format!("{prefix}*"))
        .chain(exact)
        .collect()
}

/// Returns true if one of the prefixes covers the path. None of the prefixes may cover another.
fn is_covered(path: &str, prefixes: &BTreeSet<&str>) -> bool {
    let before = prefixes.range(..=path).next_back();
    before.is_some_and(|prefix| path.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use airlock_storage::Prefixes;
    use vault_plugin::SpecialPaths;

    use super::super::{check, control_only};

    fn told_root<const N: usize>(paths: [&str; N]) -> Vec<String> {
        let root = paths.map(str::to_owned).into();
        check(
            SpecialPaths {
                root,
                ..SpecialPaths::default()
            },
            &Prefixes::none(),
        )
        .unwrap()
        .root
    }

    #[test]
    fn the_hosts_own_paths_always_need_sudo() {
        assert_eq!(control_only().root, [".airlock/*", ".airlock"]);
        assert_eq!(told_root(["b", "a/*"]), [".airlock/*", "a/*", ".airlock", "b"]);
        // An exact entry beside `*` would take `sudo` from `.airlocks`.
        assert_eq!(told_root(["*"]), ["*"]);
        assert_eq!(told_root([".air*"]), [".air*"]);
    }

    #[test]
    fn an_exact_root_path_does_not_take_sudo_from_a_prefix() {
        // In Vault's router `x/` and `x/*` are one entry, of which the later counts, and `x/y` hides `x/*` from `x/y/z`.
        assert_eq!(
            told_root(["x/*", "x/", "x/y", "x"]),
            [".airlock/*", "x/*", ".airlock", "x"]
        );
        assert_eq!(
            told_root(["x/y*", "x/*", "x/*", "x/y"]),
            [".airlock/*", "x/*", ".airlock"]
        );
    }
}

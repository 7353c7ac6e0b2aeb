//! Decides which special paths a guest may have, and what Vault is told of them.
//!
//! Vault asks a mount for its special paths when it can no longer refuse the mount. A pattern that its router rejects
//! then ends the whole unseal, on every node and at every attempt. So [`check`] applies the router's own rules
//! (`vault/router.go` and OpenBao's, which has the same) before a guest is accepted. It also keeps the paths below
//! [`CONTROL`] for the host, and lets a guest serve without a token only what its operator grants.
//!
//! Note how the lists match: `root` knows exact paths and prefixes only, and its longest entry wins. So an exact entry
//! takes `sudo` away from what a shorter prefix covers. The other lists of paths know `+` as well.

mod root;

use airlock_sandbox::{CONTROL, is_control};
use airlock_storage::Prefixes;
use thiserror::Error;
use vault_plugin::SpecialPaths;

use root::root;

/// Most bytes of all special paths together. Vault keeps them in memory, and the mount's record must fit into one
/// entry.
const MOST_BYTES: usize = 64 << 10;

/// The reason why a guest may not have its special paths. The paths are escaped, because they are the guest's words.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Refused {
    /// The paths take too many bytes together.
    #[error("its special paths take more than {} KiB: declare prefixes in place of single paths", MOST_BYTES >> 10)]
    TooMany,
    /// Vault's router does not take a path.
    #[error(
        "its {list} path {path:?} is not one that Vault's router takes: {why}. Vault could not unseal with it"
    )]
    Router {
        /// The list that has the path, such as `root`.
        list: &'static str,
        /// The path.
        path: String,
        /// The reason why the router does not take it.
        why: &'static str,
    },
    /// A path could match the paths of the host itself.
    #[error(
        "its {list} path {path:?} could match the host's own paths at or below `{CONTROL}`: begin it with another name"
    )]
    Control {
        /// The list that has the path.
        list: &'static str,
        /// The path.
        path: String,
    },
    /// The operator did not grant that a path is served without a token.
    #[error(
        "it serves {path:?} without a token, which is not granted: add --unauthenticated={} to the arguments if it may",
        prefix_of(path).escape_debug()
    )]
    NotGranted {
        /// The path.
        path: String,
    },
}

/// Returns what Vault is told if no guest can be asked: the host's own paths.
pub fn control_only() -> SpecialPaths {
    SpecialPaths {
        root: root(Vec::new()),
        ..SpecialPaths::default()
    }
}

/// Checks a guest's special paths and adds the host's own. `granted` are the prefixes that may be served without a token.
pub fn check(paths: SpecialPaths, granted: &Prefixes) -> Result<SpecialPaths, Refused> {
    let lists = [
        ("root", &paths.root),
        ("unauthenticated", &paths.unauthenticated),
        ("limited", &paths.limited),
        ("allow-snapshot-read", &paths.allow_snapshot_read),
        ("local-storage", &paths.local_storage),
        ("seal-wrap-storage", &paths.seal_wrap_storage),
        ("write-forwarded-storage", &paths.write_forwarded_storage),
        ("binary", &paths.binary),
    ];
    let bytes = lists
        .iter()
        .flat_map(|(_, list)| list.iter())
        .map(|path| path.len() + 8);
    if bytes.sum::<usize>() > MOST_BYTES {
        return Err(Refused::TooMany);
    }
    for (list, paths) in lists {
        for path in paths {
            check_path(list, path)?;
        }
    }
    if let Some(path) = paths
        .unauthenticated
        .iter()
        .find(|path| !granted.contain(prefix_of(path)))
    {
        return Err(Refused::NotGranted { path: path.clone() });
    }
    Ok(SpecialPaths {
        root: root(paths.root),
        unauthenticated: sorted(paths.unauthenticated),
        local_storage: sorted(paths.local_storage),
        seal_wrap_storage: sorted(paths.seal_wrap_storage),
        write_forwarded_storage: sorted(paths.write_forwarded_storage),
        binary: sorted(paths.binary),
        limited: sorted(paths.limited),
        allow_snapshot_read: sorted(paths.allow_snapshot_read),
    })
}

/// Sorts paths and drops duplicates, so that Vault is told the same of two guests that mean the same.
fn sorted(mut paths: Vec<String>) -> Vec<String> {
    paths.sort_unstable();
    paths.dedup();
    paths
}

fn check_path(list: &'static str, path: &str) -> Result<(), Refused> {
    let wrong = match list {
        "root" => wrong_root_path(path),
        "unauthenticated" | "limited" | "allow-snapshot-read" => wrong_pattern(path),
        _ => None,
    };
    let wrong = wrong.or_else(|| {
        path.contains(char::is_control)
            .then_some("it holds a control character")
    });
    if let Some(why) = wrong {
        return Err(Refused::Router {
            list,
            path: path.to_owned(),
            why,
        });
    }
    let is_hosts = match list {
        "unauthenticated" => could_match_control(path),
        _ => is_control(prefix_of(path)),
    };
    if is_hosts {
        return Err(Refused::Control {
            list,
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Returns the rule of the router that a pattern breaks, if any. The rules are in the router's order.
fn wrong_pattern(path: &str) -> Option<&'static str> {
    let is_beside_plus = |other: &str| {
        other
            .split('/')
            .any(|segment| segment.contains('+') && segment != "+")
    };
    if path.matches('*').count() > 1 {
        Some("it has more than one `*`")
    } else if path.contains("+*") {
        Some("`+*` is not allowed")
    } else if path.contains('*') && !path.ends_with('*') {
        Some("`*` is allowed at the end only")
    } else if is_beside_plus(path) {
        Some("`+` must be a whole segment")
    } else {
        None
    }
}

/// Returns what is wrong with a root path, if anything. Vault takes any root path, but no wildcard within one: it would
/// match nothing, and what it is to guard would need no `sudo`.
fn wrong_root_path(path: &str) -> Option<&'static str> {
    if path.contains('+') {
        Some("a root path knows no `+`; use a prefix that ends in `*`")
    } else if prefix_of(path).contains('*') {
        Some("`*` is allowed at the end only")
    } else {
        None
    }
}

/// Returns true if a pattern that the router takes matches some path at or below [`CONTROL`].
fn could_match_control(pattern: &str) -> bool {
    let (first, _) = pattern.split_once('/').unwrap_or((pattern, ""));
    if first == "+" {
        return true;
    }
    match pattern.strip_suffix('*') {
        Some(prefix) => is_control(prefix) || CONTROL.starts_with(prefix),
        None => is_control(pattern),
    }
}

/// Returns a path without its trailing `*`.
fn prefix_of(path: &str) -> &str {
    path.strip_suffix('*').unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> SpecialPaths {
        SpecialPaths::default()
    }

    fn unauthenticated(path: &str) -> SpecialPaths {
        SpecialPaths {
            unauthenticated: vec![path.to_owned()],
            ..none()
        }
    }

    #[test]
    fn patterns_that_the_router_refuses_are_refused() {
        for (pattern, why) in [
            ("a/b+c", "whole segment"),
            ("a+/b", "whole segment"),
            ("+a", "whole segment"),
            ("a/++/b", "whole segment"),
            ("a/+*", "`+*`"),
            ("a/*/b", "at the end"),
            ("*a", "at the end"),
            ("a**", "more than one"),
            ("a/*/*", "more than one"),
            ("a\nb", "control character"),
        ] {
            let paths: [fn(&str) -> SpecialPaths; 3] = [
                unauthenticated,
                |path| SpecialPaths {
                    limited: vec![path.to_owned()],
                    ..none()
                },
                |path| SpecialPaths {
                    allow_snapshot_read: vec![path.to_owned()],
                    ..none()
                },
            ];
            for list in paths {
                let error = check(list(pattern), &Prefixes::all()).unwrap_err();
                let text = error.to_string();
                assert!(matches!(error, Refused::Router { .. }), "{pattern}: {text}");
                assert!(text.contains(why), "{pattern}: {text}");
                assert!(!text.contains('\n'), "{text:?}");
            }
        }
    }

    #[test]
    fn patterns_that_the_router_takes_are_taken() {
        for pattern in [
            "", "a", "a/", "a/*", "a*", "a/+", "a/+/b", "a/+/+/b*", "a/+/*", "a/b/", "/+", "a/./b",
        ] {
            let told = check(unauthenticated(pattern), &Prefixes::all());
            assert_eq!(told.unwrap().unauthenticated, [pattern], "{pattern}");
        }
    }

    #[test]
    fn a_wildcard_within_a_root_path_is_refused() {
        for path in ["a/+", "a/*/b", "*/b"] {
            let root = vec![path.to_owned()];
            let error = check(SpecialPaths { root, ..none() }, &Prefixes::none()).unwrap_err();
            assert!(
                matches!(error, Refused::Router { list: "root", .. }),
                "{path}: {error}"
            );
        }
    }

    #[test]
    fn no_path_without_a_token_can_match_the_hosts_own() {
        for path in [
            "*",
            ".*",
            ".air*",
            ".airlock",
            ".airlock*",
            ".airlock/*",
            ".airlock/guests",
            ".airlock/+/x",
            "+",
            "+/login",
        ] {
            let error = check(unauthenticated(path), &Prefixes::all()).unwrap_err();
            assert!(matches!(error, Refused::Control { .. }), "{path}: {error}");
        }
        for path in [".airlocks", ".airlock-x/*", "a/.airlock/*", "a*", ""] {
            assert!(check(unauthenticated(path), &Prefixes::all()).is_ok(), "{path}");
        }
    }

    #[test]
    fn no_other_list_names_the_hosts_own() {
        let hosts = || vec![".airlock/x*".to_owned()];
        for paths in [
            SpecialPaths {
                root: hosts(),
                ..none()
            },
            SpecialPaths {
                limited: hosts(),
                ..none()
            },
            SpecialPaths {
                local_storage: vec![".airlock/".into()],
                ..none()
            },
            SpecialPaths {
                seal_wrap_storage: vec![".airlock/redo/".into()],
                ..none()
            },
        ] {
            let error = check(paths, &Prefixes::all()).unwrap_err();
            assert!(matches!(error, Refused::Control { .. }), "{error}");
        }
    }

    #[test]
    fn a_path_without_a_token_needs_a_grant() {
        let granted = Prefixes::from_iter(["login/", "teams/+/join"]);
        for path in ["login/", "login/*", "login/+/x", "teams/+/join", "teams/+/join/*"] {
            assert!(check(unauthenticated(path), &granted).is_ok(), "{path}");
        }
        for path in ["login", "log*", "teams/*", "teams/+/leave", "other"] {
            let error = check(unauthenticated(path), &granted).unwrap_err();
            assert!(matches!(error, Refused::NotGranted { .. }), "{path}: {error}");
        }
        let error = check(unauthenticated("log*"), &granted).unwrap_err().to_string();
        assert!(error.contains("--unauthenticated=log to"), "{error}");
    }

    #[test]
    fn the_order_of_paths_makes_no_difference() {
        let told = |limited: [&str; 3]| {
            let limited = limited.map(str::to_owned).into();
            check(SpecialPaths { limited, ..none() }, &Prefixes::none()).unwrap()
        };
        assert_eq!(told(["a", "b", "a"]), told(["b", "a", "b"]));
    }

    #[test]
    fn special_paths_are_bounded_together() {
        let root = (0..10_000).map(|number| format!("root/{number}")).collect();
        let error = check(SpecialPaths { root, ..none() }, &Prefixes::none()).unwrap_err();
        assert_eq!(error, Refused::TooMany);
    }
}

//! A guest's special paths, compared with the rules of Vault's router.

use airlock_sandbox::fuzz::check_paths;
use airlock_sandbox::{SpecialPaths, is_control};
use airlock_storage::Prefixes;

use crate::{Input, Target};

/// Special paths: a list for each kind, then the granted prefixes.
pub const SPECIAL_PATHS: Target = Target {
    name: "special_paths",
    run: special_paths,
    longest: 2048,
    mutations: 480_000,
    words: &[
        "+",
        "*",
        "/",
        "/+/",
        "/*",
        ".airlock",
        ".airlock/x",
        "login",
        "a/b",
        "++",
        "+*",
        "**",
        "\n",
        ".",
    ],
    reshape: None,
};

fn special_paths(input: &[u8]) -> bool {
    let mut input = Input(input);
    let granted = Prefixes::from_iter(input.texts(3));
    let probe = input.text();
    let paths = SpecialPaths {
        root: input.texts(4),
        unauthenticated: input.texts(4),
        local_storage: input.texts(3),
        seal_wrap_storage: input.texts(3),
        write_forwarded_storage: input.texts(3),
        binary: Vec::new(),
        limited: input.texts(3),
        allow_snapshot_read: input.texts(3),
    };
    if check_paths(&paths).is_err() {
        return false;
    }
    let told = match airlock_mount::fuzz::special_paths(paths.clone(), &granted) {
        Ok(told) => told,
        Err(why) => {
            assert!(!why.contains(printable::is_unsafe), "{why:?} is shown to people");
            return false;
        }
    };
    for pattern in told
        .unauthenticated
        .iter()
        .chain(&told.limited)
        .chain(&told.allow_snapshot_read)
    {
        assert!(
            router_takes(pattern),
            "Vault's router refuses {pattern:?}: it would not unseal"
        );
    }
    for path in [".airlock", ".airlock/x", ".airlock/", ".airlock/a/b", &probe] {
        let is_open = airlock_dev_server::fuzz::is_special(&told.unauthenticated, path);
        assert_eq!(
            is_open,
            router_matches(&told.unauthenticated, path),
            "airlock dev opens {path:?} otherwise than Vault"
        );
        if is_control(path) {
            assert!(!is_open, "{path:?} would be served without a token");
            assert!(needs_sudo(&told.root, path), "{path:?} would need no sudo");
        }
        // A path that the guest's own patterns guard stays guarded when the host's patterns are added.
        if needs_sudo_by_any(&paths.root, path) {
            assert!(needs_sudo(&told.root, path), "{path:?} lost its sudo");
        }
        if is_open {
            let mut one_by_one = paths.unauthenticated.chunks(1);
            assert!(
                one_by_one.any(|pattern| router_matches(pattern, path)),
                "{path:?} is open, and the guest did not ask"
            );
        }
    }
    // Two guests with equivalent paths are reported to Vault alike.
    let again = airlock_mount::fuzz::special_paths(
        SpecialPaths {
            root: told
                .root
                .iter()
                .filter(|path| !is_control(path.trim_end_matches('*')))
                .cloned()
                .collect(),
            ..paths
        },
        &granted,
    );
    assert_eq!(again, Ok(told));
    true
}

/// Implements `parseUnauthenticatedPaths` of Vault's router.
fn router_takes(pattern: &str) -> bool {
    pattern.matches('*').count() <= 1
        && !pattern.contains("+*")
        && (!pattern.contains('*') || pattern.ends_with('*'))
        && pattern
            .split('/')
            .all(|segment| segment == "+" || !segment.contains('+'))
}

/// Implements `specialPath` of Vault's router: the longest entry without `+` decides if it matches; otherwise any entry
/// with `+` may match.
fn router_matches(patterns: &[String], path: &str) -> bool {
    let (wild, plain): (Vec<&str>, Vec<&str>) = patterns
        .iter()
        .map(String::as_str)
        .partition(|text| text.contains('+'));
    let entries = plain.into_iter().map(|text| match text.strip_suffix('*') {
        Some(prefix) => (prefix, true),
        None => (text, false),
    });
    // Of two entries with the same text the router keeps the later one, as `max_by_key` does.
    let longest = entries
        .filter(|(text, _)| path.starts_with(text))
        .max_by_key(|(text, _)| text.len());
    if longest.is_some_and(|(text, is_prefix)| is_prefix || text == path) {
        return true;
    }
    let found: Vec<&str> = path.split('/').collect();
    wild.into_iter().any(|pattern| {
        let is_prefix = pattern.ends_with('*');
        let wanted: Vec<&str> = pattern.trim_end_matches('*').split('/').collect();
        let fits = |at: usize| {
            let (wanted_part, found) = (wanted[at], found[at]);
            let is_last = at + 1 == wanted.len();
            wanted_part == "+"
                || wanted_part == found
                || is_prefix && is_last && found.starts_with(wanted_part)
        };
        found.len() >= wanted.len()
            && (is_prefix || found.len() == wanted.len())
            && (0..wanted.len()).all(fits)
    })
}

/// Implements `RootPath` of Vault's router: the longest entry decides. An exact entry applies only to the whole path.
fn needs_sudo(root: &[String], path: &str) -> bool {
    let entry = |pattern: &String| {
        let (text, is_prefix) = match pattern.strip_suffix('*') {
            Some(prefix) => (prefix.to_owned(), true),
            None => (pattern.clone(), false),
        };
        path.starts_with(&text)
            .then_some((text.len(), text == path || is_prefix))
    };
    // Of an exact entry and a prefix entry with the same text the router keeps the later one. The reported paths never
    // have both.
    root.iter()
        .filter_map(entry)
        .max()
        .is_some_and(|(_, matches)| matches)
}

fn needs_sudo_by_any(root: &[String], path: &str) -> bool {
    root.iter()
        .any(|pattern| needs_sudo(std::slice::from_ref(pattern), path))
}

//! Checks what a guest says of itself.

use std::sync::Arc;
use std::time::Duration;

use airlock_logical::SpecialPaths;
use airlock_storage::{Prefixes, Settings};

use crate::LoadError;
use crate::limits::{Exceeded, Limit, Limits};

use crate::bindings::exports::airlock::engine::backend::Paths;
pub use crate::bindings::exports::airlock::engine::backend::{Description, Needs};

/// Most bytes of scratch that a guest may ask for.
const MOST_SCRATCH: u32 = 1 << 20;

/// Most entries of one list of a description, or of the special paths. A guest has a handful.
const MOST_ENTRIES: usize = 1000;

/// Most bytes of one such entry.
const LONGEST_ENTRY: usize = 1024;

/// Checks a description, and checks that the limits are enough for it.
pub(crate) fn check(description: &Description, limits: &Limits) -> Result<(), LoadError> {
    let wrong = |what: String| Err(LoadError::Description(what));
    let name = &description.name;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
        return wrong("the name must be 1 to 64 letters, digits, `-`, `_` or `.`".into());
    }
    if !is_version(&description.version) {
        return wrong("the version must be semantic and without a leading `v`, such as 1.2.0".into());
    }
    if description.about.len() > 200 || description.about.contains(char::is_control) {
        return wrong("`about` must be one line of at most 200 bytes".into());
    }
    check_list("storage", &description.storage).map_err(LoadError::Description)?;
    check_list("cacheable", &description.cacheable).map_err(LoadError::Description)?;
    for prefix in description.storage.iter().chain(&description.cacheable) {
        if prefix.starts_with('/') || prefix.contains("//") || prefix.contains("..") {
            return wrong("a storage prefix has a leading or doubled `/` or a `..`, so no key has it".into());
        }
    }
    if description
        .storage
        .iter()
        .any(|prefix| prefix.starts_with(".airlock/"))
    {
        return wrong("storage below `.airlock/` belongs to the host".into());
    }
    let declared = Prefixes::from_iter(&description.storage);
    if !description
        .cacheable
        .iter()
        .all(|prefix| declared.contain(prefix))
    {
        return wrong("a cacheable prefix is not below one of its storage prefixes".into());
    }
    if description.scratch_bytes > MOST_SCRATCH {
        return wrong(format!("it asks for more scratch than {MOST_SCRATCH} bytes"));
    }
    check_needs(&description.needs, limits)
}

/// Checks the size of each list of special paths. The mount checks that Vault accepts the paths.
///
/// # Errors
/// A text that names the list that is too long or that has an entry that is too long.
pub(crate) fn check_paths(paths: &SpecialPaths) -> Result<(), String> {
    let SpecialPaths {
        root,
        unauthenticated,
        local_storage,
        seal_wrap_storage,
        write_forwarded_storage,
        binary,
        limited,
        allow_snapshot_read,
    } = paths;
    check_list("root", root)?;
    check_list("unauthenticated", unauthenticated)?;
    check_list("local-storage", local_storage)?;
    check_list("seal-wrap-storage", seal_wrap_storage)?;
    check_list("write-forwarded-storage", write_forwarded_storage)?;
    check_list("binary", binary)?;
    check_list("limited", limited)?;
    check_list("allow-snapshot-read", allow_snapshot_read)
}

impl From<Paths> for SpecialPaths {
    fn from(paths: Paths) -> Self {
        Self {
            root: paths.root,
            unauthenticated: paths.unauthenticated,
            local_storage: paths.local_storage,
            seal_wrap_storage: paths.seal_wrap_storage,
            write_forwarded_storage: paths.write_forwarded_storage,
            // Vault does not offer these to plugins.
            binary: Vec::new(),
            limited: paths.limited,
            allow_snapshot_read: paths.allow_snapshot_read,
        }
    }
}

fn check_list(name: &str, list: &[String]) -> Result<(), String> {
    if list.len() > MOST_ENTRIES {
        return Err(format!("`{name}` has more than {MOST_ENTRIES} entries"));
    }
    if list.iter().any(|entry| entry.len() > LONGEST_ENTRY) {
        return Err(format!(
            "an entry of `{name}` is longer than {LONGEST_ENTRY} bytes"
        ));
    }
    Ok(())
}

/// Checks that the limits are enough for what a guest says it needs.
pub(crate) fn check_needs(needs: &Needs, limits: &Limits) -> Result<(), LoadError> {
    let milliseconds = |number: u32| Duration::from_millis(number.into());
    let missing = [
        (
            Limit::Memory,
            needs
                .memory_bytes
                .filter(|bytes| *bytes > limits.memory_bytes)
                .map(|bytes| format!("{bytes} bytes")),
        ),
        (
            Limit::Cpu,
            needs
                .cpu_milliseconds
                .filter(|ms| milliseconds(*ms) > limits.cpu)
                .map(|ms| format!("{ms} ms")),
        ),
        (
            Limit::Wall,
            needs
                .wall_milliseconds
                .filter(|ms| milliseconds(*ms) > limits.wall)
                .map(|ms| format!("{ms} ms")),
        ),
        (
            Limit::StorageOperations,
            needs
                .storage_operations
                .filter(|n| *n > limits.storage_operations)
                .map(|n| format!("{n} calls")),
        ),
    ];
    for (limit, needs) in missing {
        if let Some(needs) = needs {
            return Err(LoadError::Needs {
                needs,
                exceeded: Exceeded::new(limit, limits),
            });
        }
    }
    Ok(())
}

/// Returns true if the version has the form of semantic versioning. Of what follows `-` or `+`, only the characters are
/// checked.
fn is_version(version: &str) -> bool {
    let (core, rest) = match version.find(['-', '+']) {
        Some(at) => (&version[..at], &version[at + 1..]),
        None => (version, "0"),
    };
    let is_number = |part: &str| part.parse::<u64>().is_ok() && (part == "0" || !part.starts_with('0'));
    core.split('.').count() == 3
        && core.split('.').all(is_number)
        && !rest.is_empty()
        && rest
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '+'))
}

impl Description {
    /// Returns the storage settings for which the guest asks, and otherwise those of `base`. The host caches only what
    /// the operator grants as well, so the caller fills in `cacheable`.
    pub fn storage_settings(&self, base: Settings) -> Settings {
        Settings {
            storage: Prefixes::from_iter(&self.storage),
            redo_record: self.redo_record,
            scratch_bytes: self.scratch_bytes as usize,
            ..base
        }
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        self.name.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description() -> Description {
        Description {
            name: "kv".into(),
            version: "1.2.0".into(),
            about: "About.".into(),
            storage_version: 1,
            storage: vec!["kv/".into()],
            cacheable: vec![],
            redo_record: false,
            scratch_bytes: 0,
            needs: Needs {
                memory_bytes: None,
                cpu_milliseconds: None,
                wall_milliseconds: None,
                storage_operations: None,
            },
        }
    }

    /// docs/limits.md and docs/writing-guests.md say how long a request waits, and what is cached.
    #[test]
    fn a_mount_waits_and_caches_as_documented() {
        let settings = description().storage_settings(airlock_storage::Settings::default());
        let seconds = [settings.lock_time, settings.wait, settings.flush].map(|time| time.as_secs());
        assert_eq!(seconds, [2, 10, 10]);
        assert_eq!(settings.cache_bytes, 4 << 20);
    }

    fn refused(change: impl FnOnce(&mut Description)) -> String {
        let mut changed = description();
        change(&mut changed);
        check(&changed, &Limits::default()).unwrap_err().to_string()
    }

    #[test]
    fn each_field_is_checked_and_named() {
        assert!(check(&description(), &Limits::default()).is_ok());
        assert!(refused(|d| d.name = "a b".into()).contains("name"));
        assert!(refused(|d| d.version = "v1.2.0".into()).contains("version"));
        assert!(refused(|d| d.about = "a\nb".into()).contains("about"));
        assert!(refused(|d| d.storage = vec!["../x".into()]).contains("storage prefix"));
        assert!(refused(|d| d.storage = vec![".airlock/x".into()]).contains("belongs to the host"));
        assert!(refused(|d| d.cacheable = vec!["other/".into()]).contains("cacheable"));
        assert!(refused(|d| d.scratch_bytes = u32::MAX).contains("scratch"));
    }

    #[test]
    fn lists_and_their_entries_are_bounded() {
        let numbered = |count: usize| (0..count).map(|number| format!("p{number}/")).collect::<Vec<_>>();
        let mut full = description();
        full.storage = numbered(MOST_ENTRIES);
        full.cacheable = numbered(MOST_ENTRIES);
        assert!(check(&full, &Limits::default()).is_ok());
        assert!(refused(|d| d.storage = numbered(MOST_ENTRIES + 1)).contains("`storage` has more than 1000"));
        assert!(refused(|d| d.cacheable = numbered(100_000)).contains("`cacheable` has more than 1000"));
        assert!(
            refused(|d| d.storage = vec!["x".repeat(LONGEST_ENTRY + 1)]).contains("longer than 1024 bytes")
        );
    }

    #[test]
    fn special_paths_are_bounded() {
        let many = || vec![String::new(); MOST_ENTRIES + 1];
        assert_eq!(check_paths(&SpecialPaths::default()), Ok(()));
        let changes: [fn(&mut SpecialPaths) -> &mut Vec<String>; 8] = [
            |paths| &mut paths.root,
            |paths| &mut paths.unauthenticated,
            |paths| &mut paths.local_storage,
            |paths| &mut paths.seal_wrap_storage,
            |paths| &mut paths.write_forwarded_storage,
            |paths| &mut paths.binary,
            |paths| &mut paths.limited,
            |paths| &mut paths.allow_snapshot_read,
        ];
        for list in changes {
            let mut paths = SpecialPaths::default();
            *list(&mut paths) = many();
            assert!(check_paths(&paths).is_err());
        }
    }

    #[test]
    fn needs_over_a_limit_name_its_setting() {
        assert!(refused(|d| d.needs.memory_bytes = Some(1 << 40)).contains("--memory-mib"));
        assert!(refused(|d| d.needs.cpu_milliseconds = Some(60_000)).contains("--cpu-ms"));
        assert!(refused(|d| d.needs.wall_milliseconds = Some(90_000)).contains("--wall-ms"));
        assert!(refused(|d| d.needs.storage_operations = Some(u32::MAX)).contains("--storage-ops"));
    }

    #[test]
    fn versions_are_semantic() {
        for good in ["0.1.0", "1.2.3-rc.1", "1.2.3+build.5"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.x", "1.2.3-", "1.2.3-ä"] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}

//! A mount: its entry in the mount table, its storage and its engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use vault_core::{LeaseTerms, SYSTEM_TTL};
use vault_plugin::{Backend, SpecialPaths};

use crate::store::View;

/// The stored settings of a mount.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MountEntry {
    /// The path, with a trailing slash.
    pub(crate) path: String,
    #[serde(rename = "type")]
    pub(crate) engine: String,
    pub(crate) description: String,
    pub(crate) uuid: String,
    pub(crate) accessor: String,
    pub(crate) local: bool,
    pub(crate) seal_wrap: bool,
    pub(crate) external_entropy_access: bool,
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) config: MountConfig,
}

/// The settings that `tune` can change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct MountConfig {
    /// Zero means the server's default.
    pub(crate) default_lease_ttl: Duration,
    /// Zero means the server's maximum.
    pub(crate) max_lease_ttl: Duration,
    pub(crate) force_no_cache: bool,
    pub(crate) listing_visibility: String,
    /// Lists of names that Vault stores and shows, by the name of the setting.
    pub(crate) lists: BTreeMap<String, Vec<String>>,
}

/// The settings that are lists of names. The server applies the two that are about headers; it only stores and shows
/// the others.
pub(crate) const LISTS: [&str; 5] = [
    "audit_non_hmac_request_keys",
    "audit_non_hmac_response_keys",
    "passthrough_request_headers",
    "allowed_response_headers",
    "allowed_managed_keys",
];

impl MountConfig {
    pub(crate) fn list(&self, name: &str) -> &[String] {
        self.lists.get(name).map_or(&[], Vec::as_slice)
    }

    /// Adds the settings to a JSON object. Most are added only if they were set.
    pub(crate) fn shown(&self, into: &mut Map<String, Value>) {
        into.insert("force_no_cache".to_owned(), self.force_no_cache.into());
        if !self.listing_visibility.is_empty() {
            into.insert(
                "listing_visibility".to_owned(),
                self.listing_visibility.as_str().into(),
            );
        }
        for (name, names) in &self.lists {
            into.insert(name.clone(), json!(names));
        }
    }
}

/// A mount that is served.
pub(crate) struct Mount {
    entry: RwLock<MountEntry>,
    pub(crate) storage: View,
    engine: RwLock<Result<Arc<Engine>, String>>,
    /// Locked for reading while a request uses the engine, and for writing while the engine is replaced: two engines at
    /// work on the same storage would not know of each other's transactions.
    pub(crate) in_use: tokio::sync::RwLock<()>,
    tainted: AtomicBool,
}

/// The engine behind a mount.
pub(crate) struct Engine {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) special: SpecialPaths,
    pub(crate) version: String,
    pub(crate) sha256: String,
}

impl Mount {
    /// Makes a mount that has no engine yet.
    pub(crate) fn new(entry: MountEntry, storage: View) -> Mount {
        Mount {
            entry: RwLock::new(entry),
            storage,
            engine: RwLock::new(Err("its engine is not loaded".to_owned())),
            in_use: tokio::sync::RwLock::new(()),
            tainted: AtomicBool::new(false),
        }
    }

    pub(crate) fn entry(&self) -> MountEntry {
        self.entry.read().clone()
    }

    pub(crate) fn path(&self) -> String {
        self.entry.read().path.clone()
    }

    pub(crate) fn set_entry(&self, entry: MountEntry) {
        *self.entry.write() = entry;
    }

    /// Returns the engine, or the reason why it is missing.
    pub(crate) fn engine(&self) -> Result<Arc<Engine>, String> {
        self.engine.read().clone()
    }

    /// Replaces the engine, or the reason why it is missing, and returns the previous one.
    pub(crate) fn set_engine(&self, engine: Result<Arc<Engine>, String>) -> Result<Arc<Engine>, String> {
        std::mem::replace(&mut *self.engine.write(), engine)
    }

    pub(crate) fn is_tainted(&self) -> bool {
        self.tainted.load(Ordering::Acquire)
    }

    /// From now on only rollback and revoke requests reach the engine.
    pub(crate) fn taint(&self) {
        self.tainted.store(true, Ordering::Release);
    }

    pub(crate) fn default_ttl(&self) -> Duration {
        or_system(self.entry.read().config.default_lease_ttl)
    }

    pub(crate) fn max_ttl(&self) -> Duration {
        or_system(self.entry.read().config.max_lease_ttl)
    }

    /// Returns the terms of a new lease for which the engine names no times.
    pub(crate) fn lease_terms(&self) -> LeaseTerms {
        LeaseTerms {
            mount_ttl: self.default_ttl(),
            mount_max_ttl: self.max_ttl(),
            ..LeaseTerms::default()
        }
    }

    /// Returns the fields that `sys/mounts` shows: the lease TTLs as they were set or, with `effective`, as they apply.
    pub(crate) fn shown(&self, effective: bool) -> Value {
        let entry = self.entry();
        let (version, sha256) = self.engine().map_or_else(
            |_| Default::default(),
            |engine| (engine.version.clone(), engine.sha256.clone()),
        );
        let bound = |ttl: Duration| if effective { or_system(ttl) } else { ttl };
        let mut config = Map::new();
        config.insert(
            "default_lease_ttl".to_owned(),
            bound(entry.config.default_lease_ttl).as_secs().into(),
        );
        config.insert(
            "max_lease_ttl".to_owned(),
            bound(entry.config.max_lease_ttl).as_secs().into(),
        );
        entry.config.shown(&mut config);
        json!({
            "type": entry.engine,
            "description": entry.description,
            "accessor": entry.accessor,
            "local": entry.local,
            "seal_wrap": entry.seal_wrap,
            "external_entropy_access": entry.external_entropy_access,
            "options": entry.options,
            "uuid": entry.uuid,
            "plugin_version": version,
            "running_plugin_version": version,
            "running_sha256": sha256,
            "config": config,
        })
    }
}

fn or_system(ttl: Duration) -> Duration {
    if ttl.is_zero() { SYSTEM_TTL } else { ttl }
}

/// Returns true if a path of an engine is one of its special paths, by the rules of Vault's router. Of the entries
/// without `+`, the longest with which the path begins decides, if it matches. Otherwise any entry with `+` may match;
/// `+` stands for one segment, which may be empty.
pub(crate) fn is_special(paths: &[String], path: &str) -> bool {
    let (wild, plain): (Vec<_>, Vec<_>) = paths
        .iter()
        .map(|path| split(path))
        .partition(|(text, _)| text.contains('+'));
    let begun = plain.iter().filter(|(text, _)| path.starts_with(text));
    let longest = begun.max_by_key(|(text, _)| text.len());
    longest.is_some_and(|(text, is_prefix)| *is_prefix || *text == path)
        || wild
            .iter()
            .any(|(text, is_prefix)| has_segments(path, text, *is_prefix))
}

/// Returns a pattern without its trailing `*`, and true if it had one.
fn split(pattern: &str) -> (&str, bool) {
    match pattern.strip_suffix('*') {
        Some(prefix) => (prefix, true),
        None => (pattern, false),
    }
}

fn has_segments(path: &str, pattern: &str, is_prefix: bool) -> bool {
    let (mut wanted, mut found) = (pattern.split('/').peekable(), path.split('/'));
    while let Some(segment) = wanted.next() {
        let Some(theirs) = found.next() else {
            return false;
        };
        let may_go_on = is_prefix && wanted.peek().is_none();
        if segment != "+" && segment != theirs && !(may_go_on && theirs.starts_with(segment)) {
            return false;
        }
    }
    is_prefix || found.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_paths_are_exact_prefixes_or_have_any_segment() {
        let special = |pattern: &str, path: &str| is_special(&[pattern.to_owned()], path);
        assert!(special("ca", "ca"));
        assert!(!special("ca", "ca/pem"));
        assert!(!special("ca", "cat"));
        assert!(special("ca*", "cat/x"));
        assert!(special("ca/*", "ca/x/y"));
        assert!(!special("ca/*", "ca"));
        assert!(special("issuer/+/pem", "issuer/a/pem"));
        assert!(!special("issuer/+/pem", "issuer/a/b/pem"));
        assert!(special("issuer/+/c*", "issuer/a/crl/x"));
        assert!(special("*", "anything"));
        assert!(special("issuer/+/pem", "issuer//pem"));
    }

    #[test]
    fn of_plain_special_paths_the_longest_decides() {
        let special = |path: &str| is_special(&["l*".to_owned(), "login".to_owned()], path);
        assert!(special("log") && special("login"));
        assert!(!special("login/x"));
    }
}

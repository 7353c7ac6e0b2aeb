//! What is kept about a key and its versions, and the rules by which versions come and go.

use std::collections::BTreeMap;
use std::time::Duration;

use airlock_sdk::field::seconds;
use airlock_sdk::{Context, Timestamp};
use serde::{Deserialize, Serialize};

use crate::config::Config;

/// How many versions are kept unless the mount or the key says so.
const DEFAULT_MAX_VERSIONS: u32 = 10;

/// Everything about a key but its data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct KeyMetadata {
    pub versions: BTreeMap<u64, VersionMetadata>,
    /// 0: there is no version yet.
    pub current_version: u64,
    /// 0 until the first version had to go.
    pub oldest_version: u64,
    pub created_time: Option<Timestamp>,
    /// When the current version was written.
    pub updated_time: Option<Timestamp>,
    /// 0: what the mount says.
    pub max_versions: u32,
    pub cas_required: bool,
    /// 0: what the mount says.
    #[serde(with = "seconds")]
    pub delete_version_after: Duration,
    pub custom_metadata: BTreeMap<String, String>,
    pub last_updated_by: Option<Attribution>,
}

/// Everything about a version but its data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct VersionMetadata {
    pub created_time: Option<Timestamp>,
    /// When it was deleted or will be.
    pub deletion_time: Option<Timestamp>,
    pub destroyed: bool,
    pub created_by: Option<Attribution>,
    /// None if it expires by itself.
    pub deleted_by: Option<Attribution>,
}

/// Who did something. The plugin protocol carries no client id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attribution {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub actor: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub operation: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub entity_id: String,
}

/// What answers say of a version.
#[derive(Serialize)]
pub(crate) struct Summary<'m> {
    version: u64,
    created_time: String,
    deletion_time: String,
    destroyed: bool,
    custom_metadata: Option<&'m BTreeMap<String, String>>,
}

impl Attribution {
    /// The caller, doing this.
    pub(crate) fn of(cx: &Context, operation: &str) -> Attribution {
        Attribution {
            actor: cx.request.display_name.clone(),
            operation: operation.into(),
            entity_id: cx.request.entity_id.clone(),
        }
    }
}

impl VersionMetadata {
    /// Whether its data is out of reach: deleted, expired or destroyed.
    pub(crate) fn is_gone(&self, now: Timestamp) -> bool {
        self.destroyed || self.is_deleted(now)
    }

    /// Whether it was deleted or has expired.
    pub(crate) fn is_deleted(&self, now: Timestamp) -> bool {
        self.deletion_time.is_some_and(|time| time < now)
    }
}

impl KeyMetadata {
    /// A key that was just created, without a version.
    pub(crate) fn new(now: Timestamp) -> KeyMetadata {
        KeyMetadata {
            created_time: Some(now),
            updated_time: Some(now),
            ..KeyMetadata::default()
        }
    }

    /// The version that is meant: the current one, unless a positive number says otherwise.
    pub(crate) fn pick(&self, version: i64) -> u64 {
        u64::try_from(version)
            .ok()
            .filter(|version| *version > 0)
            .unwrap_or(self.current_version)
    }

    /// The current version, if it is kept.
    pub(crate) fn current(&self) -> Option<&VersionMetadata> {
        self.versions.get(&self.current_version)
    }

    /// The version of a number, if it is kept.
    pub(crate) fn version(&mut self, number: i64) -> Option<&mut VersionMetadata> {
        self.versions.get_mut(&u64::try_from(number).ok()?)
    }

    /// What answers say of a version that is kept.
    pub(crate) fn summary(&self, number: u64, version: &VersionMetadata) -> Summary<'_> {
        Summary {
            version: number,
            created_time: time(version.created_time),
            deletion_time: time(version.deletion_time),
            destroyed: version.destroyed,
            custom_metadata: self.custom_metadata(),
        }
    }

    /// The caller's own metadata; none is null.
    pub(crate) fn custom_metadata(&self) -> Option<&BTreeMap<String, String>> {
        Some(&self.custom_metadata).filter(|custom| !custom.is_empty())
    }

    /// How many versions are kept: the larger of what the key and the mount say.
    pub(crate) fn limit(&self, mount: u32) -> u32 {
        match self.max_versions.max(mount) {
            0 => DEFAULT_MAX_VERSIONS,
            limit => limit,
        }
    }

    /// When a version expires that begins now; none: never.
    pub(crate) fn expiry(&self, now: Timestamp, config: &Config) -> Option<Timestamp> {
        let key = self.delete_version_after;
        let mount = config.delete_version_after()?;
        let after = [key, mount].into_iter().filter(|after| !after.is_zero()).min()?;
        Some(now + after)
    }

    /// Adds the next version, as the current one. Returns the numbers of those that are over the limit.
    pub(crate) fn add_version(&mut self, version: VersionMetadata, mount_limit: u32) -> Vec<u64> {
        self.current_version += 1;
        self.updated_time = version.created_time;
        self.created_time = self.created_time.or(version.created_time);
        self.versions.insert(self.current_version, version);
        self.trim(mount_limit)
    }

    /// Lets the versions go that are over the limit; returns their numbers.
    pub(crate) fn trim(&mut self, mount_limit: u32) -> Vec<u64> {
        self.trim_some(mount_limit, usize::MAX)
    }

    /// Lets at most so many of them go, the oldest ones.
    pub(crate) fn trim_some(&mut self, mount_limit: u32, most: usize) -> Vec<u64> {
        let limit = u64::from(self.limit(mount_limit));
        if self.current_version.saturating_sub(self.oldest_version) < limit {
            return Vec::new();
        }
        let first_kept = self.current_version - limit + 1;
        let mut over = self.versions.range(..first_kept).map(|(number, _)| *number);
        self.oldest_version = over.nth(most).unwrap_or(first_kept);
        let kept = self.versions.split_off(&self.oldest_version);
        std::mem::replace(&mut self.versions, kept).into_keys().collect()
    }
}

/// A time in an answer; none is empty.
pub(crate) fn time(time: Option<Timestamp>) -> String {
    time.map(|time| time.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_versions(count: u64, max_versions: u32) -> KeyMetadata {
        let mut key = KeyMetadata {
            max_versions,
            ..KeyMetadata::default()
        };
        for _ in 0..count {
            key.add_version(VersionMetadata::default(), 0);
        }
        key
    }

    fn numbers(key: &KeyMetadata) -> Vec<u64> {
        key.versions.keys().copied().collect()
    }

    #[test]
    fn the_oldest_version_is_0_until_the_limit_is_reached() {
        let key = with_versions(2, 3);
        assert_eq!((key.oldest_version, numbers(&key)), (0, vec![1, 2]));
        let key = with_versions(3, 3);
        assert_eq!((key.oldest_version, numbers(&key)), (1, vec![1, 2, 3]));
        let key = with_versions(5, 3);
        assert_eq!((key.oldest_version, numbers(&key)), (3, vec![3, 4, 5]));
    }

    #[test]
    fn ten_versions_are_kept_unless_told_otherwise() {
        let key = with_versions(12, 0);
        assert_eq!((key.oldest_version, key.versions.len()), (3, 10));
    }

    #[test]
    fn a_key_cannot_go_below_its_mount() {
        let mut key = with_versions(3, 1);
        assert_eq!(numbers(&key), [3]);
        assert!(key.add_version(VersionMetadata::default(), 5).is_empty());
        assert_eq!(numbers(&key), [3, 4]);
    }

    #[test]
    fn a_lower_limit_lets_several_versions_go_with_the_next_write() {
        let mut key = with_versions(6, 10);
        key.max_versions = 2;
        assert_eq!(key.add_version(VersionMetadata::default(), 0), [1, 2, 3, 4, 5]);
        assert_eq!((key.oldest_version, numbers(&key)), (6, vec![6, 7]));
    }

    #[test]
    fn the_sooner_of_the_mounts_and_the_keys_expiry_counts() {
        let now = Timestamp::from_seconds(1000);
        let expiry = |key, mount| {
            let key = KeyMetadata {
                delete_version_after: Duration::from_secs(key),
                ..KeyMetadata::default()
            };
            let config = Config {
                delete_version_after: mount,
                ..Config::default()
            };
            key.expiry(now, &config).map(|at| at.seconds)
        };
        assert_eq!(expiry(0, 0), None);
        assert_eq!(expiry(60, 0), Some(1060));
        assert_eq!(expiry(0, 30), Some(1030));
        assert_eq!(expiry(60, 30), Some(1030));
        assert_eq!(expiry(20, 30), Some(1020));
        assert_eq!(expiry(60, -1), None);
    }
}

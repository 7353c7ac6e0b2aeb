//! Defines the metadata of a key and its versions, and the rules by which versions are added and removed.

use std::collections::BTreeMap;
use std::time::Duration;

use airlock_sdk::field::seconds;
use airlock_sdk::{Clock, Context, Map, Result, Timestamp, Value, json};
use serde::{Deserialize, Serialize};

use crate::settings::Settings;
use crate::version_table::VersionTable;
use crate::{custom_metadata, go};

/// The number of versions to keep if neither the mount nor the key sets one.
const DEFAULT_MAX_VERSIONS: u32 = 10;

/// Everything about a key except its data. An option that has its default is not stored, because each request reads this, and
/// the host keeps it in memory.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct KeyMetadata {
    pub versions: VersionTable,
    /// 0 if the key never had a version.
    pub current_version: u64,
    /// 0 until the first version was removed.
    #[serde(skip_serializing_if = "is_default")]
    pub oldest_version: u64,
    pub created_time: Option<Timestamp>,
    /// The time at which the current version was written.
    pub updated_time: Option<Timestamp>,
    /// 0 means the mount's setting.
    #[serde(skip_serializing_if = "is_default")]
    pub max_versions: u32,
    #[serde(skip_serializing_if = "is_default")]
    pub cas_required: bool,
    /// 0 means the mount's setting.
    #[serde(with = "seconds", skip_serializing_if = "is_default")]
    pub delete_version_after: Duration,
    #[serde(skip_serializing_if = "is_default")]
    pub custom_metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_default")]
    pub last_updated_by: Option<Attribution>,
}

/// Everything about a version except its data, stored as [`KeyMetadata`] is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct VersionMetadata {
    pub created_time: Option<Timestamp>,
    /// The time at which it was or will be deleted.
    #[serde(skip_serializing_if = "is_default")]
    pub deletion_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "is_default")]
    pub destroyed: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub created_by: Option<Attribution>,
    /// None if it expires by itself.
    #[serde(skip_serializing_if = "is_default")]
    pub deleted_by: Option<Attribution>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The caller who did something. The plugin protocol has no client id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attribution {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub actor: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub operation: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub entity_id: String,
}

/// The part of a version's metadata that answers show.
#[derive(Serialize)]
pub(crate) struct Summary<'m> {
    version: u64,
    created_time: String,
    deletion_time: String,
    destroyed: bool,
    custom_metadata: Option<&'m BTreeMap<String, String>>,
}

impl Attribution {
    /// Returns the caller of this request.
    pub(crate) fn of(cx: &Context, operation: &str) -> Attribution {
        Attribution {
            actor: cx.request.display_name.clone(),
            operation: operation.into(),
            entity_id: cx.request.entity_id.clone(),
        }
    }
}

impl VersionMetadata {
    /// Returns true if the data cannot be read: deleted, expired or destroyed. Asks for the time only if it matters.
    pub(crate) fn is_gone(&self, clock: &Clock) -> bool {
        self.destroyed || self.deletion_time.is_some_and(|time| time < clock.now())
    }

    /// Returns true if it was deleted or has expired.
    pub(crate) fn is_deleted(&self, now: Timestamp) -> bool {
        self.deletion_time.is_some_and(|time| time < now)
    }
}

impl KeyMetadata {
    /// Returns the metadata of a new key, without a version.
    pub(crate) fn new(now: Timestamp) -> KeyMetadata {
        KeyMetadata {
            created_time: Some(now),
            updated_time: Some(now),
            ..KeyMetadata::default()
        }
    }

    /// Returns the number of the version to read: the given number if it is positive, else the current one.
    pub(crate) fn pick(&self, version: i64) -> u64 {
        u64::try_from(version)
            .ok()
            .filter(|version| *version > 0)
            .unwrap_or(self.current_version)
    }

    /// Returns the current version, if it is kept.
    pub(crate) fn current(&self) -> Result<Option<VersionMetadata>> {
        self.versions.get(self.current_version)
    }

    /// Changes the version with a number, if it is kept.
    pub(crate) fn change(&mut self, number: i64, change: impl FnOnce(&mut VersionMetadata)) -> Result<()> {
        let Ok(number) = u64::try_from(number) else {
            return Ok(());
        };
        if let Some(mut version) = self.versions.get(number)? {
            change(&mut version);
            self.versions.put(number, &version)?;
        }
        Ok(())
    }

    /// Returns what answers show of a version that is kept.
    pub(crate) fn summary(&self, number: u64, version: &VersionMetadata) -> Summary<'_> {
        Summary {
            version: number,
            created_time: time(version.created_time),
            deletion_time: time(version.deletion_time),
            destroyed: version.destroyed,
            custom_metadata: self.custom_metadata(),
        }
    }

    /// Returns everything that an answer shows of a key.
    pub(crate) fn shown(&self) -> Result<Value> {
        let mut versions = Map::new();
        for number in self.versions.numbers() {
            let version = self.versions.get(number)?.unwrap_or_default();
            let version = json!({
                "created_time": time(version.created_time),
                "deletion_time": time(version.deletion_time),
                "destroyed": version.destroyed,
                "created_by": version.created_by,
                "deleted_by": version.deleted_by,
            });
            versions.insert(number.to_string(), version);
        }
        let after = i64::try_from(self.delete_version_after.as_secs()).unwrap_or(i64::MAX);
        Ok(json!({
            "versions": versions,
            "current_version": self.current_version,
            "oldest_version": self.oldest_version,
            "created_time": time(self.created_time),
            "updated_time": time(self.updated_time),
            "max_versions": self.max_versions,
            "cas_required": self.cas_required,
            "delete_version_after": go::seconds(after),
            "custom_metadata": custom_metadata::shown(self.custom_metadata()),
            "last_updated_by": self.last_updated_by,
        }))
    }

    /// Returns the caller's own metadata; `None` if it is empty.
    pub(crate) fn custom_metadata(&self) -> Option<&BTreeMap<String, String>> {
        Some(&self.custom_metadata).filter(|custom| !custom.is_empty())
    }

    /// Returns the number of versions to keep: the larger of the key's and the mount's setting.
    pub(crate) fn limit(&self, mount: u32) -> u32 {
        match self.max_versions.max(mount) {
            0 => DEFAULT_MAX_VERSIONS,
            limit => limit,
        }
    }

    /// Returns the time at which a version that is written now expires, or `None` if it never does.
    pub(crate) fn expiry(&self, now: Timestamp, settings: &Settings) -> Option<Timestamp> {
        let key = self.delete_version_after;
        let mount = settings.delete_version_after()?;
        let after = [key, mount].into_iter().filter(|after| !after.is_zero()).min()?;
        Some(now + after)
    }

    /// Adds the next version, as the current one. Returns the numbers of the versions over the limit.
    pub(crate) fn add_version(&mut self, version: &VersionMetadata, mount_limit: u32) -> Result<Vec<u64>> {
        self.current_version += 1;
        self.updated_time = version.created_time;
        self.created_time = self.created_time.or(version.created_time);
        self.versions.put(self.current_version, version)?;
        Ok(self.trim(mount_limit))
    }

    /// Removes the versions over the limit, and returns their numbers.
    pub(crate) fn trim(&mut self, mount_limit: u32) -> Vec<u64> {
        self.trim_some(mount_limit, usize::MAX)
    }

    /// Removes the oldest versions over the limit, at most `most` of them.
    pub(crate) fn trim_some(&mut self, mount_limit: u32, most: usize) -> Vec<u64> {
        let limit = u64::from(self.limit(mount_limit));
        if self.current_version.saturating_sub(self.oldest_version) < limit {
            return Vec::new();
        }
        let first_kept = self.current_version - limit + 1;
        let first_spared = self.versions.numbers().nth(most);
        self.oldest_version = first_spared.map_or(first_kept, |spared| spared.min(first_kept));
        self.versions.remove_below(self.oldest_version)
    }
}

/// Writes a time for an answer; `None` is an empty text.
fn time(time: Option<Timestamp>) -> String {
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
            key.add_version(&VersionMetadata::default(), 0).unwrap();
        }
        key
    }

    fn numbers(key: &KeyMetadata) -> Vec<u64> {
        key.versions.numbers().collect()
    }

    const SHORT: &str = r#"{"versions":{"1":{"created_time":null}},"current_version":1,"created_time":null,"updated_time":null}"#;

    #[test]
    fn options_that_have_their_defaults_are_not_stored() {
        assert_eq!(serde_json::to_string(&with_versions(1, 0)).unwrap(), SHORT);
        let key: KeyMetadata = serde_json::from_str(SHORT).unwrap();
        assert_eq!(
            (key.current_version, key.oldest_version, key.max_versions),
            (1, 0, 0)
        );
        assert!(!key.cas_required && key.delete_version_after.is_zero());
        assert!(key.custom_metadata.is_empty() && key.last_updated_by.is_none());
        assert_eq!(key.current().unwrap(), Some(VersionMetadata::default()));
    }

    #[test]
    fn versions_that_were_stored_in_full_stay_beside_others() {
        let stored = r#"{"versions":{"2":{"created_time":"2026-01-02T03:04:05Z","deletion_time":null,"destroyed":false,
            "created_by":{"actor":"token"},"deleted_by":null}},"current_version":2,"oldest_version":2,
            "created_time":null,"updated_time":null,"max_versions":7,"cas_required":true,"delete_version_after":3,
            "custom_metadata":{"a":"b"},"last_updated_by":{"operation":"update"}}"#;
        let mut key: KeyMetadata = serde_json::from_str(stored).unwrap();
        assert_eq!((key.oldest_version, key.max_versions), (2, 7));
        assert!(key.cas_required);
        assert_eq!(key.delete_version_after, Duration::from_secs(3));
        assert_eq!(key.custom_metadata["a"], "b");
        assert_eq!(key.last_updated_by.as_ref().unwrap().operation, "update");
        let full = key.current().unwrap().unwrap();
        assert_eq!(full.created_by.as_ref().unwrap().actor, "token");
        assert!(full.created_time.is_some() && !full.destroyed);

        key.add_version(&VersionMetadata::default(), 0).unwrap();
        let read: KeyMetadata = serde_json::from_str(&serde_json::to_string(&key).unwrap()).unwrap();
        assert_eq!(numbers(&read), [2, 3]);
        assert_eq!(read.versions.get(2).unwrap(), Some(full.clone()));
        for number in [2, 3] {
            key.change(number, |version| version.destroyed = true).unwrap();
        }
        let destroyed = VersionMetadata {
            destroyed: true,
            ..full
        };
        assert_eq!(key.versions.get(2).unwrap(), Some(destroyed));
        assert!(key.current().unwrap().unwrap().destroyed);
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
        assert!(
            key.add_version(&VersionMetadata::default(), 5)
                .unwrap()
                .is_empty()
        );
        assert_eq!(numbers(&key), [3, 4]);
    }

    #[test]
    fn a_lower_limit_lets_several_versions_go_with_the_next_write() {
        let mut key = with_versions(6, 10);
        key.max_versions = 2;
        let removed = key.add_version(&VersionMetadata::default(), 0).unwrap();
        assert_eq!(removed, [1, 2, 3, 4, 5]);
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
            let settings = Settings {
                delete_version_after: mount,
                ..Settings::default()
            };
            key.expiry(now, &settings).map(|at| at.seconds)
        };
        assert_eq!(expiry(0, 0), None);
        assert_eq!(expiry(60, 0), Some(1060));
        assert_eq!(expiry(0, 30), Some(1030));
        assert_eq!(expiry(60, 30), Some(1030));
        assert_eq!(expiry(20, 30), Some(1020));
        assert_eq!(expiry(60, -1), None);
    }
}

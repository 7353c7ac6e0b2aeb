//! The record of what runs on a mount: the one small entry that is read when the mount is set up.

use airlock_storage::{Storage, StorageEntry};
use airlock_trust::{Digest, Voucher};
use semver::Version;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use vault_plugin::Request;

use super::PushError;
use crate::source::GrantedGuest;

/// The key of the record.
pub(crate) const KEY: &str = ".airlock/active";

/// The version of the format.
const VERSION: u32 = 1;

/// The number of earlier guests to which the mount can go back.
const PREVIOUS: usize = 3;

/// Most characters of a caller's name that are kept.
const LONGEST_NAME: usize = 256;

/// The record of the guests of a mount: the one that runs, and those that ran before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    version: u32,
    /// The pushed guest that runs. Without one, the guest of the process runs.
    pub active: Option<Build>,
    /// The pushed guests that ran before, the last one first.
    #[serde(default)]
    pub previous: Vec<Build>,
    /// The highest signed version that ran.
    #[serde(with = "as_text")]
    pub highest: Option<Version>,
    /// The time at which the guest that runs became active, and who asked for it. Records of earlier hosts do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
}

/// The change that made a guest active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Activation {
    /// In seconds since 1970.
    pub at: i64,
    #[serde(flatten)]
    pub by: Actor,
}

/// The caller who asked for a change, as Vault names that caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Actor {
    /// Cut at [`LONGEST_NAME`] characters.
    pub display_name: String,
    /// Empty for a token without an entity.
    pub entity_id: String,
}

impl Actor {
    pub fn of(request: &Request) -> Self {
        let cut = |name: &str| name.chars().take(LONGEST_NAME).collect();
        Self {
            display_name: cut(&request.display_name),
            entity_id: cut(&request.entity_id),
        }
    }
}

/// Writes a version as text. `semver`'s own feature for this would change what wasmtime is built with.
mod as_text {
    use semver::Version;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(version: &Option<Version>, to: S) -> Result<S::Ok, S::Error> {
        match version {
            Some(version) => to.collect_str(version),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Option<Version>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse())
            .transpose()
            .map_err(D::Error::custom)
    }
}

/// One build of a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Build {
    pub sha256: Digest,
    pub name: String,
    pub version: String,
    /// The version of what it stores.
    pub layout: u32,
}

impl Build {
    pub fn of(granted: &GrantedGuest, sha256: Digest) -> Self {
        let description = granted.guest.description();
        Self {
            sha256,
            name: description.name.clone(),
            version: description.version.clone(),
            layout: description.storage_version,
        }
    }
}

impl Default for Record {
    fn default() -> Self {
        Self {
            version: VERSION,
            active: None,
            previous: Vec::new(),
            highest: None,
            activation: None,
        }
    }
}

impl Record {
    /// Reads the record of a mount, in one try without a time limit. A mount without one has the default.
    pub async fn read(storage: &dyn Storage) -> Result<Self, PushError> {
        Self::of(Self::entry(storage).await?)
    }

    /// Returns the entry that holds the record of a mount.
    pub async fn entry(storage: &dyn Storage) -> airlock_storage::Result<Option<StorageEntry>> {
        storage.get(KEY).await
    }

    /// Returns the record that an entry holds.
    pub fn of(entry: Option<StorageEntry>) -> Result<Self, PushError> {
        entry.map_or_else(|| Ok(Self::default()), |entry| Self::parse(&entry.value))
    }

    pub async fn write(&self, storage: &dyn Storage) -> airlock_storage::Result<()> {
        let text = serde_json::json!(self).to_string();
        storage.put(StorageEntry::new(KEY, text)).await
    }

    fn parse(text: &[u8]) -> Result<Self, PushError> {
        serde_json::from_slice(text)
            .ok()
            .filter(|record: &Self| record.version == VERSION)
            .ok_or_else(|| PushError::Unreadable { key: KEY.to_owned() })
    }

    /// Returns the record once another guest runs. `voucher` is what vouches for it.
    pub fn then(&self, build: Build, voucher: Option<&Voucher>) -> Self {
        let mut previous: Vec<_> = self
            .active
            .iter()
            .chain(&self.previous)
            .filter(|earlier| earlier.sha256 != build.sha256)
            .cloned()
            .collect();
        previous.truncate(PREVIOUS);
        Self {
            version: VERSION,
            active: Some(build),
            previous,
            highest: self.raised_by(voucher),
            activation: None,
        }
    }

    /// Returns the record with who makes its guest active, now.
    #[must_use]
    pub fn activated(mut self, by: Actor) -> Self {
        let at = OffsetDateTime::now_utc().unix_timestamp();
        self.activation = Some(Activation { at, by });
        self
    }

    /// Returns true if the records name the same guests, whoever made them active.
    pub fn is_same_change(&self, other: &Self) -> bool {
        let Self {
            version,
            active,
            previous,
            highest,
            activation: _,
        } = self;
        (version, active, previous, highest)
            == (&other.version, &other.active, &other.previous, &other.highest)
    }

    /// Returns the record once the mount has gone back to the guest that ran before, or `None` if there was none.
    pub fn back(&self) -> Option<Self> {
        let (last, earlier) = self.previous.split_first()?;
        Some(Self {
            version: VERSION,
            active: Some(last.clone()),
            previous: earlier.to_vec(),
            highest: self.highest.clone(),
            activation: None,
        })
    }

    /// Returns the highest signed version, once a guest with this voucher runs.
    pub fn raised_by(&self, voucher: Option<&Voucher>) -> Option<Version> {
        let signed = voucher.and_then(Voucher::signed);
        self.highest
            .clone()
            .max(signed.map(|signed| signed.version().clone()))
    }

    /// Returns the version below which this guest is, if it is signed and below the highest that ran.
    pub fn is_above(&self, voucher: Option<&Voucher>) -> Option<&Version> {
        let signed = voucher.and_then(Voucher::signed)?;
        self.highest
            .as_ref()
            .filter(|highest| signed.version() < *highest)
    }

    /// Returns the digests of the guests to which the mount can go, and of the one that runs.
    pub fn digests(&self) -> impl Iterator<Item = Digest> {
        self.active.iter().chain(&self.previous).map(|build| build.sha256)
    }
}

#[cfg(test)]
mod tests {
    use airlock_storage::MemoryStorage;

    use super::*;

    fn build(number: u32) -> Build {
        Build {
            sha256: Digest::of(&[number as u8]),
            name: "kv".into(),
            version: format!("1.{number}.0"),
            layout: 1,
        }
    }

    #[tokio::test]
    async fn three_earlier_guests_are_remembered_each_once_and_found_again() {
        let storage = MemoryStorage::new();
        let mut record = Record::read(&storage).await.unwrap();
        assert_eq!(record, Record::default());
        for number in [0, 1, 2, 3, 1, 4] {
            record = record.then(build(number), None);
        }
        assert_eq!(record.active, Some(build(4)));
        assert_eq!(record.previous, [build(1), build(3), build(2)]);
        record.write(&storage).await.unwrap();
        assert_eq!(Record::read(&storage).await.unwrap(), record);
        let back = record.back().unwrap();
        assert_eq!(
            (back.active, back.previous),
            (Some(build(1)), vec![build(3), build(2)])
        );
        assert_eq!(Record::default().back(), None);
    }

    #[tokio::test]
    async fn a_record_says_who_made_its_guest_active_and_an_older_one_nothing() {
        let storage = MemoryStorage::new();
        let mut request = Request::new(vault_plugin::Operation::Update, ".airlock/swap");
        request.display_name = "userpass-ann".to_owned();
        request.entity_id = "e1".to_owned();
        let record = Record::default()
            .then(build(1), None)
            .activated(Actor::of(&request));
        record.write(&storage).await.unwrap();
        let read = Record::read(&storage).await.unwrap();
        assert_eq!(read, record);
        assert_eq!(read.activation.unwrap().by.display_name, "userpass-ann");
        assert_eq!(record.then(build(2), None).activation, None);

        let old = r#"{"version":1,"active":null,"previous":[],"highest":null}"#;
        storage.put(StorageEntry::new(KEY, old)).await.unwrap();
        assert_eq!(Record::read(&storage).await.unwrap(), Record::default());
        // An earlier host reads what it knows: it has no such field.
        assert_eq!(serde_json::json!(Record::default()).to_string().len(), old.len());
    }

    #[tokio::test]
    async fn an_unreadable_record_is_an_error_and_not_a_new_mount() {
        for text in ["", "{}", r#"{"version":2,"active":null,"highest":null}"#] {
            let storage = MemoryStorage::new();
            storage.put(StorageEntry::new(KEY, text)).await.unwrap();
            assert!(matches!(
                Record::read(&storage).await,
                Err(PushError::Unreadable { .. })
            ));
        }
    }
}

//! Reads and writes what a mount stores for one key.

use airlock_sdk::{Context, Error, Result};

use crate::layout::{METADATA, VALUES, VERSIONS};
use crate::model::{Attribution, KeyMetadata, VersionMetadata};
use crate::names::Names;
use crate::upgrade_note;

/// A key of version 2, which may or may not exist.
pub(crate) struct Key<'c> {
    cx: &'c Context,
    /// Its encrypted path, as in storage.
    name: String,
}

impl<'c> Key<'c> {
    /// Returns the key at a path for a write, and prepares the mount if it is empty.
    pub(crate) fn at(cx: &'c Context, path: &str) -> Result<Key<'c>> {
        let names = match Names::load(cx)? {
            Some(names) => names,
            None => {
                // The storage is empty, so there is nothing of version 1.
                upgrade_note::finish(cx)?;
                Names::draw(cx)?
            }
        };
        Ok(Key {
            cx,
            name: names.encrypt(path)?,
        })
    }

    /// Returns the key with an encrypted name.
    pub(crate) fn named(cx: &'c Context, name: String) -> Key<'c> {
        Key { cx, name }
    }

    /// Returns the key at a path and its metadata, if the key exists.
    pub(crate) fn find(cx: &'c Context, path: &str) -> Result<Option<(Key<'c>, KeyMetadata)>> {
        let Some(key) = Key::known(cx, path)? else {
            return Ok(None);
        };
        Ok(key.metadata()?.map(|metadata| (key, metadata)))
    }

    /// Returns the key at a path, or `None` if it cannot exist.
    fn known(cx: &'c Context, path: &str) -> Result<Option<Key<'c>>> {
        if path.is_empty() || path.ends_with('/') {
            return Ok(None);
        }
        let Some(names) = Names::load(cx)? else {
            return Ok(None);
        };
        let name = names.encrypt(path)?;
        Ok(Some(Key { cx, name }))
    }

    /// Returns true if there is a key at a path. Writes nothing.
    pub(crate) fn exists(cx: &Context, path: &str) -> Result<bool> {
        let Some(key) = Key::known(cx, path)? else {
            return Ok(false);
        };
        if cx.storage.get(&key.metadata_key())?.is_some() {
            return Ok(true);
        }
        Ok(upgrade_note::is_pending(cx)? && cx.storage.get(&key.old_key())?.is_some())
    }

    /// Returns its metadata, if the key exists. If only a value of version 1 exists, upgrades the key first.
    pub(crate) fn metadata(&self) -> Result<Option<KeyMetadata>> {
        match self.cx.storage.get_json(&self.metadata_key())? {
            Some(metadata) => Ok(Some(metadata)),
            None if upgrade_note::is_pending(self.cx)? => self.upgrade(),
            None => Ok(None),
        }
    }

    /// Upgrades the key, if it has a value of version 1.
    fn upgrade(&self) -> Result<Option<KeyMetadata>> {
        let value = self.cx.storage.get(&self.old_key())?;
        value.map(|value| self.upgrade_value(value)).transpose()
    }

    /// Makes a value of version 1 the first version of the key.
    pub(crate) fn upgrade_value(&self, value: Vec<u8>) -> Result<KeyMetadata> {
        let by = Attribution {
            actor: "kv_upgrade".into(),
            operation: "upgrade".into(),
            entity_id: String::new(),
        };
        let mut metadata = KeyMetadata {
            last_updated_by: Some(by.clone()),
            ..KeyMetadata::default()
        };
        let version = VersionMetadata {
            created_time: Some(self.cx.clock.now()),
            created_by: Some(by),
            ..VersionMetadata::default()
        };
        metadata.add_version(&version, 1)?;
        self.put_data(metadata.current_version, value)?;
        self.put_metadata(&metadata)?;
        self.cx.storage.delete(&self.old_key())?;
        Ok(metadata)
    }

    /// Returns true if the key has metadata, so that a value of version 1 no longer counts.
    pub(crate) fn is_upgraded(&self) -> Result<bool> {
        Ok(self.cx.storage.get(&self.metadata_key())?.is_some())
    }

    pub(crate) fn put_metadata(&self, metadata: &KeyMetadata) -> Result<()> {
        self.cx.storage.put_json(&self.metadata_key(), metadata)
    }

    /// Returns the data of a version that its metadata names, as JSON text.
    pub(crate) fn data(&self, version: u64) -> Result<String> {
        let data = self.cx.storage.get(&self.version_key(version))?;
        let data = data.ok_or_else(|| Error::internal("could not find version data"))?;
        String::from_utf8(data).map_err(|_| Error::internal("the data of a version is not what it should be"))
    }

    pub(crate) fn put_data(&self, version: u64, data: impl Into<Vec<u8>>) -> Result<()> {
        self.cx.storage.put(&self.version_key(version), data)
    }

    pub(crate) fn delete_data(&self, version: u64) -> Result<()> {
        self.cx.storage.delete(&self.version_key(version))
    }

    /// Removes everything that is stored for the key, including data that a crash has left behind.
    pub(crate) fn remove(&self) -> Result<()> {
        if upgrade_note::is_pending(self.cx)? {
            // A crash may have left the old value, which would count again without metadata.
            self.cx.storage.delete(&self.old_key())?;
        }
        let folder = format!("{VERSIONS}{}/", self.name);
        for entry in self.cx.storage.list(&folder)? {
            // The keys below this one are folders here, and stay.
            if !entry.ends_with('/') {
                self.cx.storage.delete(&(folder.clone() + &entry))?;
            }
        }
        self.cx.storage.delete(&self.metadata_key())
    }

    fn metadata_key(&self) -> String {
        format!("{METADATA}{}", self.name)
    }

    fn version_key(&self, version: u64) -> String {
        // Every encrypted name is longer than a number, so this cannot be the folder of a key below this one.
        format!("{VERSIONS}{}/{version}", self.name)
    }

    /// Returns the storage key of its value of version 1, if it has not been upgraded.
    pub(crate) fn old_key(&self) -> String {
        format!("{}{}", VALUES, self.name)
    }
}

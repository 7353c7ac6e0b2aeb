//! A key and what is stored of it.

use airlock_sdk::{Context, Error, Result};

use crate::model::KeyMetadata;
use crate::names::Names;
use crate::{passthrough, upgrade};

/// Where metadata is stored.
pub(crate) const METADATA: &str = "metadata/";
/// Where the data of versions is stored.
pub(crate) const VERSIONS: &str = "versions/";

/// A key of version 2, whether or not there is something at it.
pub(crate) struct Key<'c> {
    cx: &'c Context,
    /// Its path as storage sees it.
    name: String,
}

impl<'c> Key<'c> {
    /// The key at a path, to be written: the mount gets ready for it.
    pub(crate) fn at(cx: &'c Context, path: &str) -> Result<Key<'c>> {
        let names = match Names::load(cx)? {
            Some(names) => names,
            None => {
                // Nothing was ever stored, so there is nothing of version 1.
                upgrade::finish(cx)?;
                Names::draw(cx)?
            }
        };
        Ok(Key {
            cx,
            name: names.encrypt(path)?,
        })
    }

    /// The key of a name in storage.
    pub(crate) fn named(cx: &'c Context, name: String) -> Key<'c> {
        Key { cx, name }
    }

    /// The key at a path and its metadata, if there is something.
    pub(crate) fn find(cx: &'c Context, path: &str) -> Result<Option<(Key<'c>, KeyMetadata)>> {
        let Some(key) = Key::known(cx, path)? else {
            return Ok(None);
        };
        Ok(key.metadata()?.map(|metadata| (key, metadata)))
    }

    /// The key at a path, unless nothing can be there.
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

    /// Whether there is something at a path. Writes nothing.
    pub(crate) fn exists(cx: &Context, path: &str) -> Result<bool> {
        let Some(key) = Key::known(cx, path)? else {
            return Ok(false);
        };
        if cx.storage.get(&key.metadata_key())?.is_some() {
            return Ok(true);
        }
        Ok(upgrade::is_pending(cx)? && cx.storage.get(&key.old_key())?.is_some())
    }

    /// Its metadata, if there is something at it. What is still there of version 1 is upgraded on the way.
    pub(crate) fn metadata(&self) -> Result<Option<KeyMetadata>> {
        match self.cx.storage.get_json(&self.metadata_key())? {
            Some(metadata) => Ok(Some(metadata)),
            None if upgrade::is_pending(self.cx)? => upgrade::one(self.cx, self),
            None => Ok(None),
        }
    }

    /// Whether there is metadata of it, so that nothing of version 1 counts any more.
    pub(crate) fn is_upgraded(&self) -> Result<bool> {
        Ok(self.cx.storage.get(&self.metadata_key())?.is_some())
    }

    pub(crate) fn put_metadata(&self, metadata: &KeyMetadata) -> Result<()> {
        self.cx.storage.put_json(&self.metadata_key(), metadata)
    }

    /// The data of a version that its metadata names, as JSON text.
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

    /// Removes all that is stored of it, also data that a crash has left behind.
    pub(crate) fn remove(&self) -> Result<()> {
        if upgrade::is_pending(self.cx)? {
            // A crash may have left it, and without metadata it would count again.
            self.cx.storage.delete(&self.old_key())?;
        }
        let folder = format!("{VERSIONS}{}/", self.name);
        for entry in self.cx.storage.list(&folder)? {
            // The keys below this one are folders here.
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
        // No name is as short as a number, so that this is not the folder of a key below this one.
        format!("{VERSIONS}{}/{version}", self.name)
    }

    /// Where its value is, if it is still one of version 1.
    pub(crate) fn old_key(&self) -> String {
        format!("{}{}", passthrough::VALUES, self.name)
    }
}

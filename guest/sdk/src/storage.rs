//! Gives an engine the mount's storage.

use std::cell::Cell;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::Prefixes;
use crate::host::Host;
use crate::{Entry, Error, Result, codec};

/// The mount's storage in Vault, which Vault encrypts. No other mount can see it.
///
/// One request is one transaction. Its writes reach Vault when its handler returns success or calls
/// [`commit`](Storage::commit), and never when the handler returns an error. Reads see the request's own writes. If
/// another request changed what this one read, the host runs the handler again from the start, so the handler's other
/// effects must be safe to repeat. After a `commit` the host never does this.
///
/// Errors have the status that fits their cause: [`Error::ReadOnly`], which the handler returns unchanged;
/// [`Error::User`] for a key that storage cannot hold or a value too large for it; 503 if other requests kept this one
/// waiting for too long; and otherwise [`Error::Internal`]. A key outside the prefixes that the description declares,
/// and a list of a prefix that is not a folder, are the engine's own mistakes: [`Error::Internal`], with the first folder
/// of the key. [`Error::context`] adds what the engine was doing.
#[derive(Debug)]
pub struct Storage {
    host: Host,
    /// True if something was written since the last commit.
    dirty: Cell<bool>,
    declared: Prefixes,
}

impl Storage {
    pub(crate) fn new(host: Host, declared: Prefixes) -> Storage {
        Storage {
            host,
            dirty: Cell::new(false),
            declared,
        }
    }

    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty.get()
    }

    /// Returns the value at a key, read as JSON.
    ///
    /// # Errors
    /// Those of storage, and [`Error::Internal`] if the stored value is not a `T`.
    pub fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let Some(value) = self.get(key)? else {
            return Ok(None);
        };
        codec::read_own(&value, "a stored entry").map(Some)
    }

    /// Stores a value as JSON.
    ///
    /// # Errors
    /// Those of storage, and [`Error::Internal`] if the value cannot be written as JSON.
    pub fn put_json(&self, key: &str, value: &(impl Serialize + ?Sized)) -> Result<()> {
        let value = codec::write(value)
            .map_err(|error| Error::Internal(format!("the entry cannot be written as JSON: {error}")))?;
        self.put(key, value)
    }

    /// Returns the bytes at a key.
    ///
    /// # Errors
    /// Those of storage.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.get_entry(key)?.map(|entry| entry.value))
    }

    /// Returns the entry at a key.
    ///
    /// # Errors
    /// Those of storage.
    pub fn get_entry(&self, key: &str) -> Result<Option<Entry>> {
        self.check(key)?;
        self.host.storage_get(key)
    }

    /// Returns true if there is an entry at a key. For an existence check that needs no value, prefer it to
    /// [`get`](Storage::get): it costs no call of storage while the host remembers the answer.
    ///
    /// # Errors
    /// Those of storage.
    pub fn exists(&self, key: &str) -> Result<bool> {
        self.check(key)?;
        self.host.storage_exists(key)
    }

    /// Stores bytes.
    ///
    /// # Errors
    /// Those of storage.
    pub fn put(&self, key: &str, value: impl Into<Vec<u8>>) -> Result<()> {
        self.put_entry(Entry {
            key: key.into(),
            value: value.into(),
            seal_wrap: false,
        })
    }

    /// Stores an entry.
    ///
    /// # Errors
    /// Those of storage.
    pub fn put_entry(&self, entry: Entry) -> Result<()> {
        self.dirty.set(true);
        self.check(&entry.key)?;
        self.host.storage_put(entry)
    }

    /// Deletes a key. Deleting a missing key succeeds.
    ///
    /// # Errors
    /// Those of storage.
    pub fn delete(&self, key: &str) -> Result<()> {
        self.dirty.set(true);
        self.check(key)?;
        self.host.storage_delete(key)
    }

    /// Returns the names directly below a prefix, in order. The prefix is empty or ends in `/`; names of folders end in
    /// `/`.
    ///
    /// # Errors
    /// Those of storage.
    pub fn list(&self, prefix: &str) -> Result<Vec<String>> {
        check_folder(prefix)?;
        self.check(prefix)?;
        self.host.storage_list(prefix)
    }

    /// Returns at most `limit` names that come after `after` (if empty: from the start).
    ///
    /// # Errors
    /// Those of storage.
    pub fn list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>> {
        check_folder(prefix)?;
        self.check(prefix)?;
        self.host.storage_list_page(prefix, after, limit)
    }

    /// Ends the transaction and begins the next. On success the writes are in Vault, whatever happens later.
    ///
    /// # Errors
    /// Those of storage.
    pub fn commit(&self) -> Result<()> {
        self.host.storage_commit()?;
        self.dirty.set(false);
        Ok(())
    }

    /// Refuses a key outside the declared prefixes here, because the host does not know whose mistake it is.
    fn check(&self, key: &str) -> Result<()> {
        if (self.declared.contain)(key) {
            return Ok(());
        }
        Err(Error::Internal(format!(
            "the engine used storage at {}, which is outside the prefixes {:?} that its `Description::storage` declares",
            beginning(key),
            (self.declared.all)(),
        )))
    }
}

/// Refuses to list what is not a folder: the engine forgot the slash.
fn check_folder(prefix: &str) -> Result<()> {
    if prefix.is_empty() || prefix.ends_with('/') {
        return Ok(());
    }
    Err(Error::Internal(format!(
        "the engine listed storage at {} by a prefix without `/` at its end; a prefix is empty or ends in `/`",
        beginning(prefix),
    )))
}

/// Describes a key by its first folder, which names what the engine did. The rest may be a secret, such as a token that a
/// caller chose.
fn beginning(key: &str) -> String {
    key.find('/').map_or_else(
        || "a key without a folder".into(),
        |end| format!("{:?}", &key[..=end]),
    )
}

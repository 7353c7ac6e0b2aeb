//! The embedded store: all data of the server, in one file or in memory.
//!
//! Keys have the layout of Vault's own storage: `core/…` for mounts, leases and wrapped answers, and `logical/<uuid>/…`
//! for each mount. Every write is one transaction, which is durable before it is answered. If a write fails, for
//! example on a full disk, none of it is stored. The database refuses all work after a failed write, so the store is
//! opened again for the next call.

mod view;

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use airlock_storage::StorageEntry;
use bytes::Bytes;
use parking_lot::{RwLock, RwLockReadGuard};
use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadOnlyDatabase, ReadOnlyTable, ReadableDatabase, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::effects::Watched;

pub(crate) use view::View;

/// Each value begins with one byte, which is 1 if the entry is to be seal-wrapped.
const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("vault");
const FORMAT_KEY: &str = "core/format";
/// The version of the stored layout. It is increased when an older version of the server could no longer read the
/// store.
const FORMAT: u64 = 1;

type Open = Box<dyn Fn() -> Result<Database, redb::Error> + Send + Sync>;

/// The storage of a server's mounts, their entries and their leases.
pub struct Store {
    open: Open,
    /// The database, or `None` after a write that failed.
    database: RwLock<Option<Database>>,
    /// The requests whose changes are noted.
    pub(crate) watched: Watched,
}

/// One change of a transaction.
pub(crate) enum Change {
    Put(StorageEntry),
    Delete(String),
}

impl Store {
    /// Makes a store that lasts as long as the process.
    ///
    /// # Errors
    /// Returns [`Error::Store`] if there is not enough memory.
    pub fn memory() -> Result<Store, Error> {
        let open = || Ok(Database::builder().create_with_backend(redb::backends::InMemoryBackend::new())?);
        Store::new(Box::new(open), Path::new("memory"))
    }

    /// Opens the store in a directory, which is the file `vault.redb`. Creates the store if the directory is missing or
    /// empty. New directories and files are accessible only to this user, because nothing is encrypted.
    ///
    /// # Errors
    /// Returns [`Error::Directory`], [`Error::Foreign`], [`Error::InUse`], [`Error::NewerStore`] or [`Error::Store`].
    /// In each case the existing files are unchanged.
    pub fn open(directory: &Path) -> Result<Store, Error> {
        let failed = |source| Error::Directory {
            path: directory.to_owned(),
            source,
        };
        let path = directory.join("vault.redb");
        let mut made = fs::DirBuilder::new();
        made.recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(failed)?;
        if !path.exists() && fs::read_dir(directory).map_err(failed)?.next().is_some() {
            return Err(Error::Foreign(directory.to_owned()));
        }
        let open = {
            let path = path.clone();
            move || {
                let mut options = fs::OpenOptions::new();
                options.read(true).write(true).create(true).truncate(false);
                let backend = FileBackend::new(options.mode(0o600).open(&path)?)?;
                Ok(Database::builder().create_with_backend(backend)?)
            }
        };
        // Opening the file for writing changes it, so the check comes first. The check is skipped for the file of a
        // server that was killed, because opening it for writing has to repair it.
        match ReadOnlyDatabase::open(&path) {
            Ok(database) => {
                check(&database, &path)?;
            }
            Err(DatabaseError::DatabaseAlreadyOpen) => return Err(Error::InUse(path)),
            Err(_) => {}
        }
        Store::new(Box::new(open), &path)
    }

    fn new(open: Open, path: &Path) -> Result<Store, Error> {
        let database = open().map_err(|source| match source {
            redb::Error::DatabaseAlreadyOpen => Error::InUse(path.to_owned()),
            source => unopened(path, source),
        })?;
        let is_new = check(&database, path)? == Content::Nothing;
        let store = Store {
            open,
            database: RwLock::new(Some(database)),
            watched: Watched::default(),
        };
        if is_new {
            store.put_document(FORMAT_KEY, &FORMAT)?;
        }
        Ok(store)
    }

    /// Returns the database. Opens it again if a failed write closed it.
    fn database(&self) -> Result<OpenDatabase<'_>, redb::Error> {
        loop {
            let database = self.database.read();
            if database.is_some() {
                return Ok(OpenDatabase(database));
            }
            drop(database);
            let mut database = self.database.write();
            if database.is_none() {
                *database = Some((self.open)()?);
            }
        }
    }

    pub(crate) fn get(&self, key: &str) -> airlock_storage::Result<Option<StorageEntry>> {
        let value = self.read(|table| Ok(table.get(key)?.map(|value| value.value().to_vec())))?;
        Ok(value.map(|value| entry(key.to_owned(), &value)))
    }

    /// Returns the names directly below a prefix that come after `after`, in byte order.
    pub(crate) fn list(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> airlock_storage::Result<Vec<String>> {
        self.read(|table| {
            let mut names: Vec<String> = Vec::new();
            let mut from = format!("{prefix}{after}");
            while names.len() < limit {
                let Some(next) = table.range(from.as_str()..)?.next() else {
                    break;
                };
                let key = next?.0;
                let Some(rest) = key.value().strip_prefix(prefix) else {
                    break;
                };
                let name = match rest.find('/') {
                    Some(slash) => &rest[..=slash],
                    None => rest,
                };
                // The key after a name is the name and a zero byte. The first key after a folder `x/` is `x0`, because
                // `0` follows `/`.
                from = match name.strip_suffix('/') {
                    Some(folder) => format!("{prefix}{folder}0"),
                    None => format!("{prefix}{name}\0"),
                };
                if name > after && !name.is_empty() {
                    names.push(name.to_owned());
                }
            }
            Ok(names)
        })
    }

    /// Returns every entry below a prefix, at any depth.
    pub(crate) fn entries(&self, prefix: &str) -> airlock_storage::Result<Vec<StorageEntry>> {
        self.read(|table| {
            let mut entries = Vec::new();
            for found in table.range(prefix..)? {
                let (key, value) = found?;
                if !key.value().starts_with(prefix) {
                    break;
                }
                entries.push(entry(key.value().to_owned(), value.value()));
            }
            Ok(entries)
        })
    }

    /// Makes either all the changes or none. Returns, for each change, the entry that was there before.
    pub(crate) fn write(&self, changes: &[Change]) -> airlock_storage::Result<Vec<Option<StorageEntry>>> {
        let written = self.database().and_then(|database| write(&database, changes));
        written.map_err(|error| {
            *self.database.write() = None;
            unstored(&error)
        })
    }

    pub(crate) fn put_document<T: Serialize>(&self, key: &str, document: &T) -> airlock_storage::Result<()> {
        let value = serde_json::to_vec(document)
            .map_err(|error| airlock_storage::Error::Backend(format!("not written: {error}")))?;
        self.write(&[Change::Put(StorageEntry::new(key, value))])
            .map(drop)
    }

    /// Returns the documents below a prefix.
    pub(crate) fn documents<T: DeserializeOwned>(
        &self,
        prefix: &str,
        what: &'static str,
    ) -> Result<Vec<T>, Error> {
        let decode = |entry: StorageEntry| {
            serde_json::from_slice(&entry.value).map_err(|source| Error::Damaged { what, source })
        };
        self.entries(prefix)?.into_iter().map(decode).collect()
    }

    pub(crate) fn delete(&self, key: String) -> airlock_storage::Result<()> {
        self.write(&[Change::Delete(key)]).map(drop)
    }

    fn read<T>(
        &self,
        work: impl FnOnce(&ReadOnlyTable<&'static str, &'static [u8]>) -> Result<T, redb::Error>,
    ) -> airlock_storage::Result<T>
    where
        T: Default,
    {
        let answer = self.database().and_then(|database| read(&database, work));
        answer.map_err(|error| unstored(&error))
    }
}

/// A read lock on an open database.
struct OpenDatabase<'a>(RwLockReadGuard<'a, Option<Database>>);

impl OpenDatabase<'_> {
    fn get(&self) -> Result<&Database, redb::Error> {
        self.0.as_ref().ok_or(redb::Error::DatabaseClosed)
    }
}

fn read<T: Default>(
    database: &OpenDatabase<'_>,
    work: impl FnOnce(&ReadOnlyTable<&'static str, &'static [u8]>) -> Result<T, redb::Error>,
) -> Result<T, redb::Error> {
    match database.get()?.begin_read()?.open_table(TABLE) {
        Ok(table) => work(&table),
        Err(redb::TableError::TableDoesNotExist(_)) => Ok(T::default()),
        Err(error) => Err(error.into()),
    }
}

/// The kind of content that a usable database has.
#[derive(PartialEq)]
enum Content {
    Nothing,
    /// A store whose version is known.
    Store,
}

/// Checks that a database is empty or a store that can be read.
fn check(database: &impl ReadableDatabase, path: &Path) -> Result<Content, Error> {
    let look = || -> Result<_, redb::Error> {
        let transaction = database.begin_read()?;
        let is_empty = transaction.list_tables()?.next().is_none()
            && transaction.list_multimap_tables()?.next().is_none();
        let format = match transaction.open_table(TABLE) {
            Ok(table) => table.get(FORMAT_KEY)?.map(|value| value.value().to_vec()),
            Err(_) => None,
        };
        Ok((is_empty, format))
    };
    let (is_empty, format) = look().map_err(|source| unopened(path, source))?;
    let Some(format) = format else {
        return match is_empty {
            true => Ok(Content::Nothing),
            false => Err(Error::Foreign(path.to_owned())),
        };
    };
    let found: u64 = serde_json::from_slice(format.get(1..).unwrap_or_default()).map_err(|source| {
        let what = "a format";
        Error::Damaged { what, source }
    })?;
    if found > FORMAT {
        return Err(Error::NewerStore {
            path: path.to_owned(),
            found,
            known: FORMAT,
        });
    }
    Ok(Content::Store)
}

fn unopened(path: &Path, source: redb::Error) -> Error {
    Error::Store {
        place: path.display().to_string(),
        source: Box::new(source),
    }
}

fn write(database: &OpenDatabase<'_>, changes: &[Change]) -> Result<Vec<Option<StorageEntry>>, redb::Error> {
    let transaction = database.get()?.begin_write()?;
    let mut before = Vec::with_capacity(changes.len());
    {
        let mut table = transaction.open_table(TABLE)?;
        for change in changes {
            match change {
                Change::Put(entry) => {
                    let mut value = Vec::with_capacity(1 + entry.value.len());
                    value.push(u8::from(entry.seal_wrap));
                    value.extend_from_slice(&entry.value);
                    let old = table.insert(entry.key.as_str(), value.as_slice())?;
                    before.push(old.map(|old| self::entry(entry.key.clone(), old.value())));
                }
                Change::Delete(key) => {
                    let old = table.remove(key.as_str())?;
                    before.push(old.map(|old| entry(key.clone(), old.value())));
                }
            }
        }
    }
    transaction.commit()?;
    Ok(before)
}

fn entry(key: String, value: &[u8]) -> StorageEntry {
    let (flag, value) = value.split_first().unwrap_or((&0, &[]));
    StorageEntry {
        key,
        value: Bytes::copy_from_slice(value),
        seal_wrap: *flag == 1,
    }
}

fn unstored(error: &redb::Error) -> airlock_storage::Error {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    let full = matches!(error, redb::Error::Io(error) if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge));
    airlock_storage::Error::Backend(if full {
        "the disk is full: nothing was stored, and what was stored before is kept; make room and try again"
            .to_owned()
    } else {
        format!("the store failed: {error}")
    })
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

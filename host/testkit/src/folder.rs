//! A storage in a directory.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use airlock_storage::{MemoryStorage, Storage, StorageEntry};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

const MARK: &str = "airlock-storage";
const FORMAT: &str = "airlock storage 1\n";
const SUFFIX: &str = ".entry";
/// The prefix of temporary files, which a crash may leave incomplete.
const UNFINISHED: &str = ".unfinished-";

/// A mount's storage in a directory. The entries are also in memory while the directory is open.
///
/// # Layout
/// ```text
/// DIR/airlock-storage            marks the directory; one line: `airlock storage 1`
/// DIR/<digest>.entry             one entry; <digest> is the SHA-256 of its key
/// ```
/// An entry's file is one line of JSON, `{"key":…,"seal_wrap":…,"bytes":…,"sha256":…}`, followed by the value's bytes
/// unchanged. `sha256` is the digest of the value.
///
/// # Crashes and damage
/// A file is written under a temporary name, synced to disk and then renamed, so a crash leaves the old value or the
/// new one. Opening the directory reads and checks all of it: if it holds a foreign or damaged file, the error names
/// that file and nothing is changed. Only one process at a time can have the directory open.
#[derive(Debug)]
pub struct FolderStorage {
    directory: PathBuf,
    entries: MemoryStorage,
    /// The marker file, locked for as long as the directory is open.
    _mark: File,
}

/// The first line of an entry's file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    key: String,
    seal_wrap: bool,
    bytes: usize,
    sha256: String,
}

impl FolderStorage {
    /// Opens a directory. Creates it if it is missing, accessible only to this user.
    ///
    /// # Errors
    /// Returns [`Error::Folder`] if it is in use, not a storage directory, of a newer version, or damaged.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self> {
        let directory = directory.as_ref();
        let wrong = |what: String| Error::Folder {
            directory: directory.to_owned(),
            what,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| match directory.exists() {
                true => wrong("is not a directory; name a new or an empty one".into()),
                false => wrong(format!("cannot be made: {error}")),
            })?;
        let mark = mark(directory).map_err(wrong)?;
        let (entries, mut unfinished) = (MemoryStorage::new(), Vec::new());
        let files = fs::read_dir(directory).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        for file in files {
            let file = file.map_err(|error| wrong(format!("cannot be read: {error}")))?;
            let name = file.file_name();
            match name.to_str() {
                Some(MARK) => {}
                Some(name) if name.starts_with(UNFINISHED) => unfinished.push(file.path()),
                Some(name) if name.ends_with(SUFFIX) => {
                    let entry = read(&file.path()).and_then(|entry| match file_name(&entry.key) == name {
                        true => Ok(entry),
                        false => Err("it holds another entry than its name says".into()),
                    });
                    entries.insert(entry.map_err(|why| {
                        wrong(format!(
                            "{name} is damaged: {why}; restore it, or remove it to lose that entry"
                        ))
                    })?);
                }
                _ => return Err(wrong(foreign(&name))),
            }
        }
        for file in unfinished {
            // A file that cannot be removed now is found again at the next opening.
            let _ = fs::remove_file(file);
        }
        Ok(Self {
            directory: directory.to_owned(),
            entries,
            _mark: mark,
        })
    }

    /// Returns a copy of all entries, in the order of their keys.
    pub fn entries(&self) -> Vec<StorageEntry> {
        self.entries.entries()
    }

    fn write(&self, entry: &StorageEntry) -> io::Result<()> {
        let head = Head {
            key: entry.key.clone(),
            seal_wrap: entry.seal_wrap,
            bytes: entry.value.len(),
            sha256: hex::encode(Sha256::digest(&entry.value)),
        };
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(&self.directory)?;
        serde_json::to_writer(&mut file, &head)?;
        file.write_all(b"\n")?;
        file.write_all(&entry.value)?;
        file.as_file().sync_all()?;
        file.persist(self.directory.join(file_name(&entry.key)))?;
        self.sync()
    }

    fn remove(&self, key: &str) -> io::Result<()> {
        match fs::remove_file(self.directory.join(file_name(key))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.sync(),
        }
    }

    /// Syncs the directory, so that the names in it are on disk.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }
}

/// Opens and locks the marker file. Creates it in an empty directory.
fn mark(directory: &Path) -> Result<File, String> {
    let path = directory.join(MARK);
    let failed = |error: io::Error| format!("{MARK} cannot be used: {error}");
    if let Some(other) = first_but_mark(directory).map_err(failed)?
        && !path.try_exists().map_err(failed)?
    {
        return Err(foreign(&other));
    }
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            return Err("is in use by another process; end that one first".into());
        }
        Err(fs::TryLockError::Error(error)) => return Err(failed(error)),
    }
    // An empty marker file is new, or is left from a crash or a full disk.
    let is_empty = file.metadata().map_err(failed)?.len() == 0;
    if is_empty && first_but_mark(directory).map_err(failed)?.is_none() {
        (&file)
            .write_all(FORMAT.as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(failed)?;
    }
    match fs::read_to_string(&path).map_err(failed)?.as_str() {
        FORMAT => Ok(file),
        text if text.starts_with("airlock storage ") => Err(format!(
            "was written by another version ({}); use that version",
            text.trim().replace("airlock storage", "format")
        )),
        _ => Err(format!(
            "{MARK} is damaged; it should hold the line {:?}",
            FORMAT.trim()
        )),
    }
}

/// Returns the name of a file in the directory that is not the marker file.
fn first_but_mark(directory: &Path) -> io::Result<Option<OsString>> {
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        if name != MARK {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn foreign(name: &OsStr) -> String {
    format!(
        "holds {}, which is not an entry of a storage; name a new or an empty directory",
        Path::new(name).display()
    )
}

fn file_name(key: &str) -> String {
    format!("{}{SUFFIX}", hex::encode(Sha256::digest(key)))
}

fn read(file: &Path) -> Result<StorageEntry, String> {
    parse(&fs::read(file).map_err(|error| error.to_string())?)
}

/// Reads an entry from its file's content.
pub(crate) fn parse(bytes: &[u8]) -> Result<StorageEntry, String> {
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or("it has no first line")?;
    let head: Head =
        serde_json::from_slice(&bytes[..end]).map_err(|_| "its first line is not what it should be")?;
    let value = &bytes[end + 1..];
    if value.len() != head.bytes || hex::encode(Sha256::digest(value)) != head.sha256 {
        return Err("its value is not the one that was written".into());
    }
    Ok(StorageEntry {
        key: head.key,
        value: value.to_vec().into(),
        seal_wrap: head.seal_wrap,
    })
}

fn failed(error: io::Error) -> airlock_storage::Error {
    airlock_storage::Error::Backend(format!("the storage directory cannot be written: {error}"))
}

#[async_trait]
impl Storage for FolderStorage {
    async fn get(&self, key: &str) -> airlock_storage::Result<Option<StorageEntry>> {
        self.entries.get(key).await
    }

    async fn put(&self, entry: StorageEntry) -> airlock_storage::Result<()> {
        self.write(&entry).map_err(failed)?;
        self.entries.put(entry).await
    }

    async fn delete(&self, key: &str) -> airlock_storage::Result<()> {
        self.remove(key).map_err(failed)?;
        self.entries.delete(key).await
    }

    async fn list(&self, folder: &str) -> airlock_storage::Result<Vec<String>> {
        self.entries.list(folder).await
    }

    async fn list_page(
        &self,
        folder: &str,
        after: &str,
        limit: usize,
    ) -> airlock_storage::Result<Vec<String>> {
        self.entries.list_page(folder, after, limit).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn entry() -> StorageEntry {
        StorageEntry {
            key: "kv/ä/../b".into(),
            value: vec![0, 10, 255].into(),
            seal_wrap: true,
        }
    }

    async fn with_one_entry() -> (TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        FolderStorage::open(directory.path())
            .unwrap()
            .put(entry())
            .await
            .unwrap();
        let file = directory.path().join(file_name(&entry().key));
        (directory, file)
    }

    fn refused(directory: &Path) -> String {
        FolderStorage::open(directory).unwrap_err().to_string()
    }

    #[tokio::test]
    async fn entries_are_there_again_and_a_deleted_one_is_not() {
        let (directory, _) = with_one_entry().await;
        let storage = FolderStorage::open(directory.path()).unwrap();
        assert!(storage.entries() == [entry()]);
        storage.delete(&entry().key).await.unwrap();
        storage.delete(&entry().key).await.unwrap();
        drop(storage);
        assert!(
            FolderStorage::open(directory.path())
                .unwrap()
                .entries()
                .is_empty()
        );
    }

    #[tokio::test]
    async fn a_damaged_entry_is_named_and_left_as_it_is() {
        let (directory, file) = with_one_entry().await;
        let whole = fs::read(&file).unwrap();
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for damaged in [&whole[..whole.len() - 1], &whole[..5], &[], &flipped] {
            fs::write(&file, damaged).unwrap();
            assert!(refused(directory.path()).contains("is damaged"));
            assert_eq!(fs::read(&file).unwrap(), damaged);
        }
        fs::write(&file, &whole).unwrap();
        fs::rename(&file, directory.path().join(file_name("other"))).unwrap();
        assert!(refused(directory.path()).contains("another entry"));
    }

    #[tokio::test]
    async fn a_directory_of_something_else_is_refused_and_not_written_to() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("letter.txt"), "dear").unwrap();
        assert!(refused(directory.path()).contains("holds letter.txt"));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        let (directory, _) = with_one_entry().await;
        fs::write(directory.path().join("letter.txt"), "dear").unwrap();
        assert!(refused(directory.path()).contains("holds letter.txt"));
    }

    #[tokio::test]
    async fn a_newer_format_and_a_second_process_are_refused() {
        let (directory, _) = with_one_entry().await;
        let open = FolderStorage::open(directory.path()).unwrap();
        assert!(refused(directory.path()).contains("in use"));
        drop(open);
        fs::write(directory.path().join(MARK), "airlock storage 2\n").unwrap();
        assert!(refused(directory.path()).contains("format 2"));
    }

    #[tokio::test]
    async fn what_a_crash_left_half_written_is_not_an_entry() {
        let (directory, _) = with_one_entry().await;
        fs::write(directory.path().join(format!("{UNFINISHED}x")), "{\"key\":").unwrap();
        assert_eq!(FolderStorage::open(directory.path()).unwrap().entries().len(), 1);
        // The mark, the entry, and nothing else.
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[tokio::test]
    async fn an_empty_mark_is_that_of_a_new_directory_unless_there_are_entries() {
        let (directory, file) = with_one_entry().await;
        fs::write(directory.path().join(MARK), "").unwrap();
        assert!(refused(directory.path()).contains("is damaged"));
        fs::remove_file(file).unwrap();
        FolderStorage::open(directory.path()).unwrap();
        assert_eq!(fs::read_to_string(directory.path().join(MARK)).unwrap(), FORMAT);
    }

    #[test]
    fn a_file_is_no_directory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(refused(file.path()).contains("is not a directory"));
    }
}

//! Keeps compiled guests on disk, so that the host need not compile them at each start.
//!
//! The files in the directory run as native code. So the directory must belong to this user alone, and nobody else may
//! be able to put another directory in its place ([`ancestors`]). Otherwise it is refused. A file is written completely
//! or not at all. It carries a digest of its contents, because code that the disk damaged would run as well. The name
//! of a file says what was compiled (the component's digest) and by what and for what (wasmtime's compatibility hash).

mod ancestors;

use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;

use crate::LoadError;

/// Number of files that are kept. The oldest are removed first.
const KEPT: usize = 32;
const SUFFIX: &str = ".airlock";

/// A directory that this user alone can enter.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    directory: PathBuf,
    compatibility: u64,
}

impl Cache {
    /// Opens the directory. Creates it if it is missing.
    ///
    /// # Errors
    /// [`LoadError::Cache`], which says what is wrong with the directory.
    pub fn open(directory: &Path, engine: &Engine) -> Result<Self, LoadError> {
        let wrong = |what: String| LoadError::Cache {
            directory: directory.to_owned(),
            what,
            source: None,
        };
        let failed = |source| LoadError::Cache {
            directory: directory.to_owned(),
            what: "cannot be used".into(),
            source: Some(source),
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(failed)?;
        let metadata = fs::symlink_metadata(directory).map_err(failed)?;
        if !metadata.is_dir() {
            return Err(wrong(
                "is a symbolic link or a file; name the directory itself".into(),
            ));
        }
        let user = rustix::process::geteuid().as_raw();
        if metadata.uid() != user {
            return Err(wrong("belongs to another user, who could put code there".into()));
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(wrong(format!(
                "others may enter it (mode {:03o}); set it to 700",
                metadata.mode() & 0o777
            )));
        }
        ancestors::check(directory, user).map_err(wrong)?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self {
            directory: directory.to_owned(),
            compatibility: hasher.finish(),
        })
    }

    fn file(&self, digest: &str) -> PathBuf {
        self.directory
            .join(format!("{digest}-{:016x}{SUFFIX}", self.compatibility))
    }

    /// Returns the code that was compiled from the component with this digest. Removes a damaged file and returns
    /// `None`.
    pub fn get(&self, digest: &str) -> Option<Vec<u8>> {
        let file = self.file(digest);
        let mut reader = File::open(&file).ok()?;
        let (mut sum, mut code) = ([0; 32], Vec::new());
        let read = reader
            .read_exact(&mut sum)
            .and_then(|()| reader.read_to_end(&mut code));
        if read.is_err() || Sha256::digest(&code)[..] != sum {
            tracing::warn!(file = %file.display(), "a compiled guest on disk is damaged; compiling again");
            let _ = fs::remove_file(&file);
            return None;
        }
        Some(code)
    }

    /// Stores compiled code. Only logs a failure, because the guest runs without the cache.
    pub fn put(&self, digest: &str, code: &[u8]) {
        if let Err(error) = self.store(digest, code) {
            tracing::warn!(%error, directory = %self.directory.display(), "a compiled guest cannot be kept on disk");
        }
    }

    /// Stores compiled code.
    ///
    /// # Errors
    /// [`LoadError::Cache`] with the system's error, such as that the disk is full. Code that was stored before is still
    /// there.
    pub fn keep(&self, digest: &str, code: &[u8]) -> Result<(), LoadError> {
        self.store(digest, code).map_err(|source| LoadError::Cache {
            directory: self.directory.clone(),
            what: "the compiled guest cannot be kept".into(),
            source: Some(source),
        })
    }

    fn store(&self, digest: &str, code: &[u8]) -> io::Result<()> {
        self.write(digest, code)?;
        self.prune()
    }

    fn write(&self, digest: &str, code: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(&Sha256::digest(code))?;
        file.write_all(code)?;
        file.as_file().sync_data()?;
        file.persist(self.file(digest))?;
        Ok(())
    }

    fn prune(&self) -> io::Result<()> {
        let mut files: Vec<_> = fs::read_dir(&self.directory)?
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name().to_string_lossy().ends_with(SUFFIX))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        files.sort();
        for (_, old) in files.iter().take(files.len().saturating_sub(KEPT)) {
            fs::remove_file(old)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    fn open(directory: &Path) -> Result<Cache, String> {
        Cache::open(directory, &Engine::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_kept_is_found_and_what_is_damaged_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let cache = open(&directory.path().join("new/one")).unwrap();
        assert_eq!(cache.get("abc"), None);
        cache.put("abc", b"code");
        assert_eq!(cache.get("abc").as_deref(), Some(&b"code"[..]));

        let mut bytes = fs::read(cache.file("abc")).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(cache.file("abc"), bytes).unwrap();
        assert_eq!(cache.get("abc"), None);
        assert!(!cache.file("abc").exists());
        fs::write(cache.file("abc"), b"short").unwrap();
        assert_eq!(cache.get("abc"), None);
    }

    #[test]
    fn a_directory_that_others_may_enter_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o750)).unwrap();
        let error = open(directory.path()).unwrap_err();
        assert!(error.contains("mode 750") && error.contains("700"), "{error}");
    }

    #[test]
    fn a_directory_that_others_could_replace_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let open_to_all = directory.path().join("open");
        let cache = open_to_all.join("cache");
        open(&cache).unwrap();
        fs::set_permissions(&open_to_all, Permissions::from_mode(0o777)).unwrap();
        let error = open(&cache).unwrap_err();
        assert!(error.contains("open can be written to by others"), "{error}");
    }

    #[test]
    fn a_link_to_a_directory_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().join("real"), directory.path().join("link"));
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(open(&link).unwrap_err().contains("symbolic link"));
    }

    #[test]
    fn old_files_make_room() {
        let directory = tempfile::tempdir().unwrap();
        let cache = open(&directory.path().join("cache")).unwrap();
        for number in 0..KEPT + 3 {
            cache.put(&number.to_string(), b"code");
        }
        assert_eq!(fs::read_dir(&cache.directory).unwrap().count(), KEPT);
    }
}

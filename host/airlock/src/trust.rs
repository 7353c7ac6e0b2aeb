//! Decides which guests may run. A file's bytes are read once, so what is hashed is what is run.
//!
//! Vault's catalog pins the host binary and its arguments. The arguments pin the guest, so that replacing the file is
//! not enough to run code on a mount's secrets.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Most bytes of a guest that is read: far above any engine, far below what would hurt the host.
const MAX_GUEST_BYTES: u64 = 256 * 1024 * 1024;

/// The guests that the operator lets run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Those with one of these digests, in lower-case hexadecimal.
    Pinned(Vec<String>),
    /// Any guest that the file holds; for development.
    Unpinned,
}

/// The reason why a guest file was not accepted.
#[derive(Debug, Error)]
pub enum Refused {
    #[error("--guest-sha256={0} is not a SHA-256: give 64 hexadecimal digits, as `sha256sum` prints them")]
    BadPin(String),
    #[error("guest {}: cannot be read by this user", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("guest {}: not a regular file", .0.display())]
    NotAFile(PathBuf),
    #[error("guest {}: larger than 256 MiB, which no guest may be", .0.display())]
    TooLarge(PathBuf),
    #[error(
        "guest {}: its SHA-256 is {found}, which no --guest-sha256 names: put back the pinned file, or register the \
         plugin with this digest if it is the build you want",
        path.display()
    )]
    NotPinned { path: PathBuf, found: String },
}

impl Trust {
    /// Returns the trust in the digests of `--guest-sha256` (any case, surrounding space ignored). Without a pin,
    /// nothing may run.
    pub fn pinned(pins: &[String]) -> Result<Self, Refused> {
        let digest = |pin: &String| {
            let digest = pin.trim().to_ascii_lowercase();
            let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
            if is_digest {
                Ok(digest)
            } else {
                Err(Refused::BadPin(pin.clone()))
            }
        };
        pins.iter()
            .map(digest)
            .collect::<Result<_, _>>()
            .map(Self::Pinned)
    }

    /// Reads a whole guest, if it may run.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, Refused> {
        let bytes = read_guest(path)?;
        if let Self::Pinned(pins) = self {
            let found = hex::encode(Sha256::digest(&bytes));
            if !pins.contains(&found) {
                return Err(Refused::NotPinned {
                    path: path.into(),
                    found,
                });
            }
        }
        Ok(bytes)
    }
}

/// Reads a guest's file up to the largest size, even if the guest may not run.
pub fn read_guest(path: &Path) -> Result<Vec<u8>, Refused> {
    let unreadable = |source| Refused::Unreadable {
        path: path.into(),
        source,
    };
    // Does not wait: opening a pipe would wait for its writer.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(Refused::NotAFile(path.into()));
    }
    let mut bytes = Vec::new();
    file.take(MAX_GUEST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_GUEST_BYTES {
        return Err(Refused::TooLarge(path.into()));
    }
    Ok(bytes)
}

/// The properties of a file that change when it is written or replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    /// Change time of the inode, in seconds and nanoseconds. It changes with the file's mode, too.
    changed: (i64, i64),
    length: u64,
    inode: u64,
}

impl FileState {
    /// Returns the state of a file, or `None` if the file does not exist.
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            length: metadata.len(),
            inode: metadata.ino(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(bytes: &[u8]) -> String {
        hex::encode(Sha256::digest(bytes))
    }

    #[test]
    fn a_pinned_guest_is_read_and_another_is_refused_by_digest() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one").unwrap();
        let trust =
            Trust::pinned(&[digest(b"zero"), format!(" {}\n", digest(b"one").to_uppercase())]).unwrap();
        assert_eq!(trust.read(file.path()).unwrap(), b"one");

        std::fs::write(file.path(), "two").unwrap();
        let error = trust.read(file.path()).unwrap_err().to_string();
        assert!(error.contains(&digest(b"two")), "{error}");
    }

    #[test]
    fn a_pin_that_is_no_digest_is_named() {
        for pin in ["abc", &"g".repeat(64)] {
            let error = Trust::pinned(&[pin.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(&format!("--guest-sha256={pin}")), "{error}");
        }
    }

    #[test]
    fn a_folder_and_a_missing_file_are_refused_with_their_path() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            Trust::Unpinned.read(folder.path()),
            Err(Refused::NotAFile(_))
        ));
        let missing = folder.path().join("missing.wasm");
        let error = Trust::Unpinned.read(&missing).unwrap_err().to_string();
        assert!(error.contains("missing.wasm"), "{error}");
    }
}

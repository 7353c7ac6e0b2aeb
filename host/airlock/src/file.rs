//! Reads the files that guests consist of: the component, and its signature in a file beside it. Each is read once, so
//! that what is vouched for is what runs.

use std::ffi::OsString;
use std::fs::{Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use airlock_trust::LONGEST_SIGNATURE;
use rustix::fs::OFlags;
use thiserror::Error;

/// Most bytes of a guest that is read: far above any engine, far below what would hurt the host.
const MAX_GUEST_BYTES: usize = 256 << 20;

/// The reason why a file was not read.
#[derive(Debug, Error)]
pub enum Unread {
    #[error("{what} {}: cannot be read{}", path.display(), by_whom(source))]
    Unreadable {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{what} {}: not a regular file", path.display())]
    NotAFile { what: &'static str, path: PathBuf },
    #[error("{what} {}: larger than {}, which no {what} may be", path.display(), size(*most))]
    TooLarge {
        what: &'static str,
        path: PathBuf,
        most: usize,
    },
}

impl Unread {
    /// Returns true if the file does not exist.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Names the user where another one might have more luck: Vault may run as one who may not read what the caller may.
fn by_whom(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => " by this user",
        _ => "",
    }
}

fn size(bytes: usize) -> String {
    match bytes >> 20 {
        0 => format!("{} KiB", bytes >> 10),
        mib => format!("{mib} MiB"),
    }
}

/// Reads a guest's file up to the largest size, even if the guest may not run.
pub fn read_guest(path: &Path) -> Result<Vec<u8>, Unread> {
    read("guest", path, MAX_GUEST_BYTES)
}

/// Reads a file that is a guest or a program, up to the largest size of a guest.
pub fn read_program_or_guest(path: &Path) -> Result<Vec<u8>, Unread> {
    read("program or guest", path, MAX_GUEST_BYTES)
}

/// Reads the signature of a guest, which is beside the guest's file. Returns `None` if there is no such file.
pub fn read_signature(guest: &Path) -> Result<Option<String>, Unread> {
    match read("signature", &signature_of(guest), LONGEST_SIGNATURE) {
        // A signature that is not UTF-8 does not verify with the replacements, as it would not without them.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the path of a guest's signature: the guest's with `.minisig` appended, as minisign names it.
pub fn signature_of(guest: &Path) -> PathBuf {
    appended(guest, ".minisig")
}

/// Returns a path with an ending appended.
pub fn appended(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// Reads a regular file of at most `most` bytes. `what` says in errors what the file was to be.
pub fn read(what: &'static str, path: &Path, most: usize) -> Result<Vec<u8>, Unread> {
    read_with_metadata(what, path, most).map(|(bytes, _)| bytes)
}

/// Does the same as [`read`], and returns the metadata of what was read, even if the path names something else by now.
pub fn read_with_metadata(
    what: &'static str,
    path: &Path,
    most: usize,
) -> Result<(Vec<u8>, Metadata), Unread> {
    let path = || path.to_owned();
    let unreadable = |source| Unread::Unreadable {
        what,
        path: path(),
        source,
    };
    // Does not wait: opening a pipe would wait for its writer.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path())
        .map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Unread::NotAFile { what, path: path() });
    }
    // A buffer that grows would be copied and wiped again and again.
    let length = usize::try_from(metadata.len()).map_or(most, |length| length.min(most));
    let mut bytes = Vec::with_capacity(length + 1);
    file.take(most as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > most {
        let path = path();
        return Err(Unread::TooLarge { what, path, most });
    }
    Ok((bytes, metadata))
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

/// The states of a guest's file and of the signature beside it. Either can heal a guest that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestState {
    guest: Option<FileState>,
    signature: Option<FileState>,
}

impl GuestState {
    /// Returns the present states.
    pub fn of(guest: &Path) -> Self {
        Self {
            guest: FileState::of(guest),
            signature: FileState::of(&signature_of(guest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_and_a_missing_file_are_refused_with_their_path() {
        let folder = tempfile::tempdir().unwrap();
        let error = read_guest(folder.path()).unwrap_err();
        assert!(matches!(error, Unread::NotAFile { .. }), "{error}");
        let error = read_guest(&folder.path().join("missing.wasm")).unwrap_err();
        let text = error.to_string();
        assert!(
            error.is_missing() && text.ends_with("missing.wasm: cannot be read"),
            "{text}"
        );
    }

    #[test]
    fn a_signature_is_beside_its_guest_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let guest = folder.path().join("kv-0.1.0.wasm");
        assert_eq!(read_signature(&guest).unwrap(), None);
        let signature = folder.path().join("kv-0.1.0.wasm.minisig");
        std::fs::write(&signature, b"text\xff").unwrap();
        assert_eq!(read_signature(&guest).unwrap().as_deref(), Some("text\u{fffd}"));
        std::fs::write(&signature, vec![b' '; LONGEST_SIGNATURE + 1]).unwrap();
        let error = read_signature(&guest).unwrap_err().to_string();
        assert!(
            error.contains("kv-0.1.0.wasm.minisig") && error.contains("4 KiB"),
            "{error}"
        );
        std::fs::remove_file(&signature).unwrap();
        std::fs::create_dir(&signature).unwrap();
        assert!(matches!(read_signature(&guest), Err(Unread::NotAFile { .. })));
    }

    #[test]
    fn the_state_changes_with_either_file() {
        let folder = tempfile::tempdir().unwrap();
        let guest = folder.path().join("kv.wasm");
        let mut states = vec![GuestState::of(&guest)];
        for file in ["kv.wasm", "kv.wasm.minisig"] {
            std::fs::write(folder.path().join(file), "content").unwrap();
            states.push(GuestState::of(&guest));
        }
        assert!(states[0] != states[1] && states[1] != states[2]);
        assert_eq!(states[2], GuestState::of(&guest));
    }
}

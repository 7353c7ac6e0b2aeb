//! The guest that a program's own file contains, if `airlock bundle` wrote it.
//!
//! [`this_program`] looks at the last bytes of the running program once. [`ThisProgram::read_code`] reads the guest's code and
//! checks both digests. The file is always `/proc/self/exe`, which is the file that the kernel runs, even if another
//! one has its name by now; `argv[0]` is whatever the caller wrote.
//!
//! The contained code runs as native code. It may, because Vault has checked the SHA-256 of the whole file before it started
//! it, and because whoever can write to the file can change the host in it as well. So code is taken from the running
//! program only: of another file, [`Contained::read_guest`] gives the guest alone.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::LazyLock;

use airlock_sandbox::CompiledCode;
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::bundle::trailer::{self, Damage, Part, Trailer};

/// Bytes of a guest that are read at once to check it.
const CHUNK: usize = 64 << 10;

/// The running program's own file.
pub const THIS_PROGRAM: &str = "/proc/self/exe";

/// The reason why a program does not know what it contains.
#[derive(Debug, Error)]
pub enum Problem {
    #[error(
        "this program cannot read its own file, {THIS_PROGRAM}, to find the guest that it may contain: it needs /proc, and \
         the permission to read the file"
    )]
    Unreadable(#[source] io::Error),
    #[error(
        "the bundle is damaged, so nothing of it is run: {0}; install the file again, or bundle its guest again"
    )]
    Damaged(Damage),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl From<Damage> for Problem {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

/// Returns what the running program contains, and `None` if it is plain `airlock`. The file is looked at once.
pub fn this_program() -> Result<Option<&'static ThisProgram>, &'static Problem> {
    static FOUND: LazyLock<Result<Option<ThisProgram>, Problem>> =
        LazyLock::new(|| Ok(Contained::find(Path::new(THIS_PROGRAM))?.map(ThisProgram)));
    FOUND.as_ref().map(Option::as_ref)
}

/// The guest in the running program. Only [`this_program`] makes one, so its code is as trustworthy as the program.
#[derive(Debug)]
pub struct ThisProgram(Contained);

impl ThisProgram {
    /// Returns what the file says of itself.
    pub fn trailer(&self) -> &Trailer {
        self.0.trailer()
    }

    /// Reads the guest's compiled code, and checks the guest too, which is only needed if its code does not fit.
    ///
    /// # Errors
    /// [`Problem`] if they cannot be read, or one of them is not what was bundled.
    pub fn read_code(&self) -> Result<CompiledCode, Problem> {
        self.0.check_guest()?;
        let code = self.0.read_code()?;
        let digest = hex::encode(self.trailer().guest.sha256);
        // SAFETY: the bytes come from the very file that this process runs. `airlock bundle` put them there, beside the
        // compiler that made them; their digest shows that they are unchanged; and whoever could have written other code
        // and another digest could have written another program. Vault does not start the file unless its SHA-256 is the
        // one in the catalog.
        #[allow(unsafe_code)]
        let code = unsafe { CompiledCode::trusted(code, digest) };
        Ok(code)
    }

    /// Reads the guest.
    ///
    /// # Errors
    /// [`Problem`] if it cannot be read, or is not what was bundled.
    pub fn read_guest(&self) -> Result<Vec<u8>, Problem> {
        self.0.read_guest()
    }
}

/// A guest in a file, with its compiled code.
#[derive(Debug)]
pub struct Contained {
    file: File,
    trailer: Trailer,
}

impl Contained {
    /// Looks for a guest in a file. Reads its last bytes only.
    ///
    /// # Errors
    /// [`Problem`] if the file cannot be read, or was a bundle and is damaged.
    pub fn find(path: &Path) -> Result<Option<Self>, Problem> {
        // Does not wait: opening a pipe would wait for its writer.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)?;
        let metadata = file.metadata()?;
        let Some(at) = metadata.len().checked_sub(trailer::LENGTH as u64) else {
            return Ok(None);
        };
        if !metadata.is_file() {
            return Ok(None);
        }
        let mut bytes = [0; trailer::LENGTH];
        file.read_exact_at(&mut bytes, at)?;
        let trailer = Trailer::decode(metadata.len(), &bytes)?;
        Ok(trailer.map(|trailer| Self { file, trailer }))
    }

    /// Returns what the file says of itself.
    pub fn trailer(&self) -> &Trailer {
        &self.trailer
    }

    /// Reads the guest.
    ///
    /// # Errors
    /// [`Problem`] if it cannot be read, or is not what was bundled.
    pub fn read_guest(&self) -> Result<Vec<u8>, Problem> {
        let Trailer { program, guest, .. } = &self.trailer;
        self.part(*program, guest, Damage::Guest)
    }

    /// Checks that the guest is what was bundled. Holds little of it at once.
    fn check_guest(&self) -> Result<(), Problem> {
        let Trailer { program, guest, .. } = &self.trailer;
        let mut hasher = Sha256::new();
        let mut bytes = vec![0; CHUNK];
        let (mut at, end) = (*program, program + guest.length);
        while at < end {
            let length = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
            self.file.read_exact_at(&mut bytes[..length], at)?;
            hasher.update(&bytes[..length]);
            at += length as u64;
        }
        if hasher.finalize()[..] == guest.sha256 {
            Ok(())
        } else {
            Err(Damage::Guest.into())
        }
    }

    /// Reads the compiled code, of which only its digest is known here.
    fn read_code(&self) -> Result<Vec<u8>, Problem> {
        let Trailer {
            program, guest, code, ..
        } = &self.trailer;
        self.part(program + guest.length, code, Damage::Code)
    }

    fn part(&self, at: u64, part: &Part, damage: Damage) -> Result<Vec<u8>, Problem> {
        // The trailer's lengths are bounded, and add up to the file's.
        let mut bytes = vec![0; usize::try_from(part.length).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut bytes, at)?;
        if part.is(&bytes) {
            Ok(bytes)
        } else {
            Err(damage.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn bundle() -> Vec<u8> {
        let trailer = Trailer {
            program: 7,
            guest: Part::of(b"guest"),
            code: Part::of(b"code"),
            baseline: "x86-64".to_owned(),
        };
        [b"program".as_slice(), b"guest", b"code", &trailer.encode()].concat()
    }

    #[test]
    fn a_guest_is_found_behind_a_program() {
        let file = written(&bundle());
        let contained = Contained::find(file.path()).unwrap().unwrap();
        assert_eq!(contained.read_guest().unwrap(), b"guest");
        assert_eq!(contained.read_code().unwrap(), b"code");
        contained.check_guest().unwrap();
    }

    #[test]
    fn a_plain_program_contains_nothing() {
        for bytes in [b"".as_slice(), b"short", &[7; 1000]] {
            assert!(Contained::find(written(bytes).path()).unwrap().is_none());
        }
        assert!(this_program().unwrap().is_none());
    }

    #[test]
    fn each_cut_of_a_bundle_is_plain_or_damaged_and_never_read() {
        let whole = bundle();
        for length in 0..whole.len() {
            let found = Contained::find(written(&whole[..length]).path());
            assert!(
                matches!(found, Ok(None) | Err(Problem::Damaged(_))),
                "{length}: {found:?}"
            );
        }
        let longer = [whole.as_slice(), b"x"].concat();
        assert!(matches!(Contained::find(written(&longer).path()), Ok(None)));
    }

    #[test]
    fn a_changed_guest_or_code_is_damage() {
        let mut changed = bundle();
        changed[8] ^= 1;
        changed[13] ^= 1;
        let file = written(&changed);
        let contained = Contained::find(file.path()).unwrap().unwrap();
        let told = contained.read_guest().unwrap_err().to_string();
        assert!(told.contains("its guest is not the one"), "{told}");
        assert!(matches!(
            contained.check_guest(),
            Err(Problem::Damaged(Damage::Guest))
        ));
        assert!(matches!(
            contained.read_code(),
            Err(Problem::Damaged(Damage::Code))
        ));
    }

    #[test]
    fn a_system_without_proc_is_told_in_a_sentence() {
        let told = Contained::find(Path::new("/no/proc/self/exe"))
            .unwrap_err()
            .to_string();
        assert!(
            told.contains("/proc/self/exe") && told.contains("needs /proc"),
            "{told}"
        );
    }
}

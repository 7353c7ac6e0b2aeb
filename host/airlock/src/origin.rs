//! The places from which a process takes its own guest: a file that the arguments name, or this program itself. A process may
//! also have none, and run only what was pushed into its mounts.
//!
//! [`Origin::of`] decides which one it is. A further place is a further variant: what reads, watches and names a guest has a
//! method here each.

use std::fmt;
use std::path::PathBuf;

use airlock_sandbox::CompiledCode;
use airlock_trust::{Trust, Voucher};
use anyhow::{Result, bail};

use crate::args::ServeArgs;
use crate::contained::{self, Problem, ThisProgram};
use crate::file::{GuestState, read_guest};
use crate::guest;

/// The place from which a guest comes.
#[derive(Debug, Clone)]
pub enum Origin {
    /// The file of `--guest`.
    File(PathBuf),
    /// This program, which Vault has pinned as a whole.
    ThisProgram(&'static ThisProgram),
    /// Nowhere: only pushed guests run.
    Pushed,
}

/// A guest that may run.
pub struct Read {
    pub content: Content,
    /// The voucher for it.
    pub voucher: Voucher,
}

/// The form in which a guest was read.
pub enum Content {
    Component(Vec<u8>),
    /// Its compiled code, and the program that contains the component in case the code does not fit.
    Compiled(CompiledCode, &'static ThisProgram),
}

impl Origin {
    /// Returns the origin that the arguments and this program's own file say.
    ///
    /// # Errors
    /// Says what is missing, or what contradicts what.
    pub fn of(args: &ServeArgs) -> Result<Self> {
        match (contained::this_program(), &args.guest) {
            (Ok(None), Some(file)) => Ok(Self::File(file.clone())),
            (Ok(None), None) if !args.trusted.keys.trust.is_empty() => Ok(Self::Pushed),
            (Ok(None), None) => bail!(
                "--guest is missing: this program contains no guest, and without --trust none can be pushed either"
            ),
            (Ok(Some(program)), None) if args.trusted.guest_sha256.is_empty() && !args.unpinned => {
                Ok(Self::ThisProgram(program))
            }
            (Ok(Some(_)), _) => bail!(
                "this program contains its guest, which is pinned with it: remove --guest, --guest-sha256 and --unpinned, or \
                 use plain airlock for a guest in a file"
            ),
            // A plain program can serve a file without /proc. Its pins are as strict as ever.
            (Err(Problem::Unreadable(_)), Some(file)) => Ok(Self::File(file.clone())),
            (Err(problem), _) => Err(problem.into()),
        }
    }

    /// Reads the guest, if it may run.
    ///
    /// # Errors
    /// Says why it may not, or cannot be read.
    pub fn read(&self, trust: &Trust) -> Result<Read> {
        match self {
            Self::File(path) => {
                let component = read_guest(path)?;
                let voucher = guest::vouch(trust, path, &component)?;
                Ok(Read {
                    content: Content::Component(component),
                    voucher,
                })
            }
            Self::ThisProgram(program) => Ok(Read {
                content: Content::Compiled(program.read_code()?, program),
                voucher: Voucher::of_program(program.trailer().guest.sha256.into()),
            }),
            Self::Pushed => bail!(
                "no guest was pushed to this mount, and the process has none of its own: run `airlock push FILE --mount PATH`"
            ),
        }
    }

    /// Returns the guest's own file, if it has one.
    pub fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::File(path) => Some(path),
            Self::ThisProgram(_) | Self::Pushed => None,
        }
    }

    /// Returns what changes when another guest may be there, or `None` if that cannot happen.
    pub fn state(&self) -> Option<GuestState> {
        self.file().map(|path| GuestState::of(path))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "guest {}", path.display()),
            Self::ThisProgram(_) => f.write_str("the guest in this program"),
            Self::Pushed => f.write_str("a pushed guest"),
        }
    }
}

//! The one error of this crate.

use std::io;
use std::path::PathBuf;

/// Why a guest could not be loaded or mounted. What a request is answered is an [`Answer`](crate::Answer), errors too.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The guest's file cannot be read.
    #[error("guest {}: cannot be read: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },

    /// The file is no guest that can run here.
    #[error("guest {}: {source}", path.display())]
    Load {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: airlock_sandbox::Error,
    },

    /// This machine cannot run guests.
    #[error("guests cannot run here: {0}")]
    Runtime(String),

    /// The guest's `initialize` failed.
    #[error("the guest could not be initialized: {0}")]
    Initialize(#[source] airlock_sandbox::Error),

    /// A storage directory cannot be used. Nothing in it was changed.
    #[error("storage directory {}: {what}", directory.display())]
    Folder {
        /// Which directory.
        directory: PathBuf,
        /// What is wrong, and what to do.
        what: String,
    },

    /// A scenario cannot be read.
    #[error("{}: cannot be read: {source}", file.display())]
    ReadScenario {
        /// Which file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },

    /// A scenario is wrong: `file:line: what; what to do`.
    #[error("{}:{line}: {what}", file.display())]
    Scenario {
        /// Which file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what to do.
        what: String,
    },
}

/// What this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

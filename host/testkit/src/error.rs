//! The error type of this crate.

use std::io;
use std::path::PathBuf;

/// An error from loading or mounting a guest. The error that a request is answered with is in its
/// [`Answer`](crate::Answer).
///
/// `Display` does not name the cause; [`Report`](crate::Report) adds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The guest's file cannot be read.
    #[error("guest {}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },

    /// The file is not a guest that can run here.
    #[error("guest {}", path.display())]
    Load {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: airlock_sandbox::LoadError,
    },

    /// This machine cannot run guests.
    #[error("guests cannot run here: {0}")]
    Runtime(String),

    /// The guest could not be set up on its mount, for example because of its special paths.
    #[error("the guest could not be mounted")]
    SetUp(#[source] vault_plugin::Error),

    /// The guest's `initialize` failed.
    #[error("the guest could not be initialized")]
    Initialize(#[source] vault_plugin::Error),

    /// A storage directory cannot be used. Nothing in it was changed.
    #[error("storage directory {}: {what}", directory.display())]
    Folder {
        /// The directory.
        directory: PathBuf,
        /// A text that says what is wrong and what to do.
        what: String,
    },

    /// A scenario cannot be read.
    #[error("{}: cannot be read", file.display())]
    ReadScenario {
        /// The file.
        file: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },

    /// A scenario is wrong. The text has the form `file:line: what is wrong; what to do`.
    #[error("{}:{line}: {what}", file.display())]
    Scenario {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// A text that says what is wrong and what to do.
        what: String,
    },
}

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

//! Why the server could not start, or could not do what its owner asked.

use std::net::SocketAddr;
use std::path::PathBuf;

/// What this crate's own functions return. Callers over HTTP get Vault's errors instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is not one of this machine alone.
    #[error("a development server listens on loopback only, not on {0}; use 127.0.0.1 or [::1]")]
    NotLoopback(SocketAddr),
    /// The address cannot be had.
    #[error("cannot listen on {address}; choose another address or end what uses it")]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// An empty token would let everybody in.
    #[error("the token must not be empty, and its characters must fit an HTTP header")]
    BadToken,
    /// A text that is no [`Clock`](crate::Clock).
    #[error(
        "{0:?} is no clock: give `running` or `held`, and how far ahead of now, as in `held+90d` or `+8h`"
    )]
    BadClock(String),
    /// The directory cannot be used.
    #[error("cannot use the storage directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// What is there is not this server's.
    #[error("{} holds something else than a store of airlock dev; nothing was changed: choose an empty or a new directory", .0.display())]
    Foreign(PathBuf),
    /// Another server has the store open.
    #[error("the store {} is in use by another server; end that one or choose another directory", .0.display())]
    InUse(PathBuf),
    /// A later version wrote it.
    #[error(
        "the store {} has format {found}, newer than {known}, which this version reads; nothing was changed: use the \
         version that wrote it or another directory", path.display()
    )]
    NewerStore {
        /// The store's file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// The newest format that this version reads.
        known: u64,
    },
    /// The store's file is not one, or is damaged.
    #[error("the store {place} cannot be opened")]
    Store {
        /// The store's file, or `memory`.
        place: String,
        /// What the database says.
        #[source]
        source: Box<redb::Error>,
    },
    /// What is stored is not what this version writes.
    #[error("the store holds {what} that cannot be read")]
    Damaged {
        /// Such as `a mount`.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] airlock_storage::Error),
    /// What Vault's API would answer.
    #[error("{0}")]
    Refused(String),
}

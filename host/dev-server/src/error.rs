//! Errors of starting the server and of its owner's calls.

use std::net::SocketAddr;
use std::path::PathBuf;

/// An error of this crate's own functions. Callers over HTTP get Vault's errors instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is not a loopback address.
    #[error("a development server listens on loopback only, not on {0}; use 127.0.0.1 or [::1]")]
    NotLoopback(SocketAddr),
    /// The server cannot listen on the address.
    #[error("cannot listen on {address}; choose another address or end what uses it")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        #[source]
        source: std::io::Error,
    },
    /// The token is empty, which would let everybody in, or it does not fit an HTTP header.
    #[error("the token must not be empty, and its characters must fit an HTTP header")]
    BadToken,
    /// The text is not a valid [`Clock`](crate::Clock).
    #[error(
        "{0:?} is not a valid clock: give `running` or `frozen`, and how far ahead of now, as in `frozen+90d` or `+8h`"
    )]
    BadClock(String),
    /// The directory cannot be used.
    #[error("cannot use the storage directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The error of the system.
        #[source]
        source: std::io::Error,
    },
    /// The directory holds files that are not this server's.
    #[error("{} holds something else than a store of airlock dev; nothing was changed: choose an empty or a new directory", .0.display())]
    Foreign(PathBuf),
    /// Another server has the store open.
    #[error("the store {} is in use by another server; end that one or choose another directory", .0.display())]
    InUse(PathBuf),
    /// The store was written by a later version.
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
    /// The store's file is not a store, or is damaged.
    #[error("the store {place} cannot be opened")]
    Store {
        /// The store's file, or `memory`.
        place: String,
        /// The error of the database.
        #[source]
        source: Box<redb::Error>,
    },
    /// A stored record has a format that this version does not write.
    #[error("the store holds {what} that cannot be read")]
    Damaged {
        /// The kind of record, such as `a mount`.
        what: &'static str,
        /// The error of decoding it.
        #[source]
        source: serde_json::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Storage(#[from] airlock_storage::Error),
    /// The refusal that Vault's API would answer.
    #[error("{0}")]
    Refused(String),
}

//! The one error of this crate.

use std::time::Duration;

/// Why storage did not do what it was asked. No variant carries a key or a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A standby, or a mount that is being set up. Vault's own text, which makes a server forward the request.
    #[error("cannot write to readonly storage")]
    ReadOnly,

    /// The guest may not name this key or folder, or may not do this in an existence check; the text says why and what to
    /// do.
    #[error("storage access denied: {0}")]
    Denied(&'static str),

    /// No storage holds such a key or folder; the text says why.
    #[error("not a storage key: {0}")]
    InvalidKey(&'static str),

    /// Larger than [`Settings`](crate::Settings) allows; checked when the write is made, before anything is stored.
    #[error(
        "storage {what} of {bytes} bytes is over the limit of {limit}: store less, or in several entries"
    )]
    TooLarge {
        /// `key` or `value`.
        what: &'static str,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        limit: usize,
    },

    /// The mount's scratch is used up.
    #[error("scratch is full: this mount may keep {limit} bytes (`description.scratch-bytes`)")]
    ScratchFull {
        /// Bytes of keys and values.
        limit: usize,
    },

    /// The operation needs more storage calls than its [`Budget`](crate::Budget) pays for. The transaction goes on.
    #[error("the request may make no more storage calls")]
    OverBudget,

    /// Another request changed what this one read. Nothing since the last commit is stored: run the guest again with
    /// [`Attempt::next`](crate::Attempt::next), unless the transaction [has committed](crate::Transaction::has_committed).
    #[error("another request changed what this one had read")]
    Conflict,

    /// The mount's commit lock was not to be had, or was held, for too long. Nothing since the last commit is stored.
    #[error("storage of this mount is busy: {what} for longer than {} ms", limit.as_millis())]
    Busy {
        /// What took so long.
        what: &'static str,
        /// The bound.
        limit: Duration,
    },

    /// The mount is being taken down: commits that had begun are finished, no other begins. Nothing since the last
    /// commit is stored.
    #[error("this mount is being taken down")]
    Draining,

    /// Storage cannot be reached any more, for as long as this process lives: nothing is tried again.
    #[error("the server no longer serves this mount's storage to this process")]
    Unreachable,

    /// A flush began and could not be finished in time. Storage may hold the first part of the commit.
    #[error("storage may hold part of what was written: {0}")]
    Partial(#[source] Box<Error>),

    /// A redo record that a crash left cannot be flushed. The mount serves nothing until it can, because part of that
    /// commit may be in storage.
    #[error("the redo record of an interrupted commit cannot be read: {0}")]
    RedoRecord(&'static str),

    /// Storage failed; what it said.
    #[error("{0}")]
    Backend(String),
}

/// What everything here returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

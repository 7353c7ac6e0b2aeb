//! The one error of this crate.

use std::time::Duration;

/// Why storage did not do what it was asked.
///
/// The texts of [`Rejected`](Error::Rejected) and [`Backend`](Error::Backend) are the server's own and may name the key
/// that the call was about: show them to the caller, keep them out of logs. No variant carries a value.
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

    /// Storage did not do this call and never will: the same call need not be made again. Of a commit that ends with
    /// it, nothing is stored.
    #[error("{rejection}: {reason}")]
    Rejected {
        /// What was wrong with the entry.
        rejection: Rejection,
        /// The server's own words.
        reason: String,
    },

    /// Storage holds some writes of the commit and will never hold the others. Without a redo record the stored ones are
    /// the first ones, in the guest's order.
    #[error("storage holds only {stored} of the {of} writes of this commit: {cause}")]
    Incomplete {
        /// How many writes are stored.
        stored: usize,
        /// How many writes the commit had.
        of: usize,
        /// Why the first of the others is not: [`Error::Rejected`] or [`Error::ReadOnly`].
        #[source]
        cause: Box<Error>,
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

    /// Storage did not say in time whether it took a write. It may hold all of the commit, the first part of it or
    /// nothing.
    #[error("the outcome of this commit is unknown, and storage may hold part of it: {0}")]
    UnknownOutcome(#[source] Box<Error>),

    /// Storage failed; what it said. A write may have taken effect nevertheless.
    #[error("{0}")]
    Backend(String),
}

/// Why storage will never take an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Key and value together are larger than it takes.
    #[error("the entry is too large for storage")]
    TooLarge,
    /// It cannot hold an entry under such a key.
    #[error("storage cannot hold such a key")]
    Key,
}

impl Error {
    /// The rejection of an entry, with the server's own words.
    pub fn rejected(rejection: Rejection, reason: impl Into<String>) -> Self {
        Self::Rejected {
            rejection,
            reason: reason.into(),
        }
    }

    /// What was wrong with an entry that storage rejected, also if others of the same commit are stored.
    pub fn rejection(&self) -> Option<Rejection> {
        match self {
            Self::Rejected { rejection, .. } => Some(*rejection),
            Self::Incomplete { cause, .. } => cause.rejection(),
            _ => None,
        }
    }
}

/// What everything here returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

//! The one error of this crate.

use std::time::Duration;

/// The reason why storage did not do what it was asked.
///
/// The texts of [`Rejected`](Error::Rejected) and [`Backend`](Error::Backend) are the server's own and may name the key
/// that the call was about: show them to the caller, keep them out of logs. No variant carries a value. A cause is part of
/// the text, and so not a source as well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server is a standby, or the mount is being set up. This is Vault's own text, which makes a server forward
    /// the request.
    #[error("cannot write to readonly storage")]
    ReadOnly,

    /// The guest may not name this key or folder, or may not do this in an existence check; the text says why and what
    /// to do.
    #[error("storage access denied: {0}")]
    Denied(&'static str),

    /// The key or folder cannot exist in any storage; the text says why.
    #[error("not a storage key: {0}")]
    InvalidKey(&'static str),

    /// Storage did not make this call and never will: there is no need to repeat it. If a commit ends with this error,
    /// nothing of it is stored.
    #[error("{rejection}: {reason}")]
    Rejected {
        /// The property of the entry that storage rejects.
        rejection: Rejection,
        /// The server's own words.
        reason: String,
    },

    /// Storage holds some writes of the commit and will never hold the others. Without a redo record, the stored writes
    /// are a prefix, in the guest's order.
    #[error("storage holds only {stored} of the {of} writes of this commit: {cause}")]
    Incomplete {
        /// The number of writes that are stored.
        stored: usize,
        /// The number of writes in the commit.
        of: usize,
        /// The reason why the first of the others is not stored: [`Error::Rejected`], [`Error::ReadOnly`] or
        /// [`Error::NotLeader`].
        cause: Box<Error>,
    },

    /// The scratch of the mount is used up.
    #[error("scratch is full: this mount may keep {limit} bytes (`description.scratch-bytes`)")]
    ScratchFull {
        /// Bytes of keys and values, and 200 for each entry.
        limit: usize,
    },

    /// The operation needs more storage calls than its [`Budget`](crate::Budget) pays for. The transaction can
    /// continue.
    #[error("the request may make no more storage calls")]
    OverBudget,

    /// Another request changed what this one read. Nothing since the last commit is stored: run the guest again with
    /// [`Attempt::next`](crate::Attempt::next), unless the transaction [has
    /// committed](crate::Transaction::has_committed).
    #[error("another request changed what this one had read")]
    Conflict,

    /// The request waited for too long, for the mount's commit lock or for a key that another request was writing, or
    /// it held the commit lock for too long. Nothing since the last commit is stored.
    #[error("storage of this mount is busy: {what} for longer than {} ms", limit.as_millis())]
    Busy {
        /// The step that took too long.
        what: &'static str,
        /// The bound.
        limit: Duration,
    },

    /// The mount is being taken down: commits that had begun are finished, and no other begins. Nothing since the last
    /// commit is stored.
    #[error("this mount is being taken down")]
    Draining,

    /// The server has lost the leadership of its cluster, and did not take the write. Another node may have stored newer values,
    /// so no call is tried again. If a commit ends with this error, nothing of it is stored.
    #[error("node is not the leader of its cluster any more; send the request again")]
    NotLeader,

    /// The server lost the leadership of its cluster while it took the write, which may be stored. No call is tried again.
    #[error("the leadership of the cluster was lost meanwhile")]
    LostLeadership,

    /// Storage can never be reached again by this process: no call is tried again.
    #[error("the server no longer serves this mount's storage to this process")]
    Unreachable,

    /// Storage did not say in time whether it took a write. It may hold all of the commit, the first part of it or
    /// nothing.
    #[error("the outcome of this commit is unknown, and storage may hold part of it: {0}")]
    UnknownOutcome(Box<Error>),

    /// Storage failed, with this text. A write may have taken effect nevertheless.
    #[error("{0}")]
    Backend(String),
}

/// The reason why storage will never take an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Key and value together are larger than storage takes.
    #[error("the entry is too large for storage")]
    TooLarge,
    /// Storage cannot hold an entry under such a key.
    #[error("storage cannot hold such a key")]
    Key,
}

impl Error {
    /// Creates the rejection of an entry, with the server's own words.
    pub fn rejected(rejection: Rejection, reason: impl Into<String>) -> Self {
        Self::Rejected {
            rejection,
            reason: reason.into(),
        }
    }

    /// Returns a word for the error that names nothing: for traces.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::Denied(_) => "denied",
            Self::InvalidKey(_) | Self::Rejected { .. } => "rejected",
            Self::Incomplete { .. } => "incomplete",
            Self::ScratchFull { .. } | Self::OverBudget => "limit",
            Self::Conflict => "conflict",
            Self::Busy { .. } => "busy",
            Self::Draining | Self::NotLeader | Self::LostLeadership | Self::Unreachable => "ending",
            Self::UnknownOutcome(_) => "unknown_outcome",
            Self::Backend(_) => "failed",
        }
    }

    /// Returns true if nothing since the last commit is stored, and the same request may well succeed later or elsewhere.
    pub fn may_succeed_later(&self) -> bool {
        matches!(
            self,
            Self::Conflict | Self::Busy { .. } | Self::Draining | Self::NotLeader | Self::Unreachable
        )
    }

    /// Returns true if the call must not be tried again: nobody listens, or another node may have stored newer values.
    pub(crate) fn ends_writing(&self) -> bool {
        self.is_loss() || *self == Self::Unreachable
    }

    /// Returns true if the server has lost the leadership of its cluster.
    pub(crate) fn is_loss(&self) -> bool {
        matches!(self, Self::NotLeader | Self::LostLeadership)
    }

    /// Returns the reason why storage rejected an entry, also if others of the same commit are stored.
    pub fn rejection(&self) -> Option<Rejection> {
        match self {
            Self::Rejected { rejection, .. } => Some(*rejection),
            Self::Incomplete { cause, .. } => cause.rejection(),
            _ => None,
        }
    }
}

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

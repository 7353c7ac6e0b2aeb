//! The outcomes of calls to the server.

use airlock_logical::json::Flaw;

use airlock_logical::JsonError;

/// The reason why a call to the server was not done: one of [`Storage`](crate::Storage),
/// [`SystemView`](crate::SystemView), [`Events`](crate::Events) or [`Observations`](crate::Observations).
///
/// `Display` names no cause; [`Report`](crate::Report) adds it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Storage cannot be written here. An OpenBao standby that gets this as an answer forwards the request.
    #[error("cannot write to readonly storage")]
    ReadOnly,
    /// Storage cannot be written before [`crate::Backend::initialize`].
    #[error("cannot write to storage during setup")]
    SetupReadOnly,
    /// The server wants the request to go to its active node, and forwards it when it gets this as an answer.
    #[error("please forward to the active node")]
    PleaseForward,
    /// Storage keys cannot contain `..`. HTTP status 400.
    #[error("relative paths not supported")]
    RelativePath,
    /// Key and value together are larger than storage takes: it did not store them and never will. HTTP status 413.
    #[error("too large for the server's storage: {0}")]
    TooLarge(String),
    /// Storage cannot hold an entry under such a key, and did not store it. HTTP status 400.
    #[error("not a key for the server's storage: {0}")]
    UnstorableKey(String),
    /// The server has lost the leadership of its cluster, and did not take this write. Another node may have stored newer values,
    /// so do not try again. Usually the server takes the mount down next.
    #[error("node is not the leader")]
    NotLeader,
    /// The server lost the leadership of its cluster while it took this write, which may be stored. Otherwise as
    /// [`ServerError::NotLeader`].
    #[error("leadership lost while committing log")]
    LostLeadership,
    /// Another request changed what an OpenBao transaction read: nothing was written, try again.
    #[error("the storage transaction conflicts with another one")]
    Conflict,
    /// The server has no storage transactions; Vault never has.
    #[error("the server offers no storage transactions")]
    NotTransactional,
    /// The server does not offer this call.
    #[error("the server does not offer {0}")]
    Unsupported(&'static str),
    /// The mount was taken down or the process is ending: the server no longer listens, and trying again is useless.
    #[error("the server no longer serves this mount to this process")]
    Closed,
    /// The server's own words about a call that failed.
    #[error("{call} failed: {message}")]
    Failed {
        /// The call, such as `storage get`.
        call: &'static str,
        /// The text that the server sent.
        message: String,
    },
    /// The server sent no answer.
    #[error("{call} was not answered")]
    Unanswered {
        /// The call, such as `storage get`.
        call: &'static str,
        /// The failure that gRPC reports.
        source: NoAnswer,
    },
    /// The data of an event or observation is not a JSON object, so the call was not made.
    #[error("the data of the event cannot be sent")]
    EventData(#[source] JsonError),
    /// The data to be wrapped is not a JSON object that Vault can decode, so the call was not made.
    #[error("the data cannot be wrapped")]
    WrappedData(#[source] Flaw),
    /// The system gave no random bytes for the id of an event, so the call was not made.
    #[error("the system gave no random bytes")]
    NoRandomBytes(#[source] std::io::Error),
}

/// The failure of a call that the server did not answer. `Display` shows gRPC's message, which contains that of its
/// cause; `Debug` shows the causes too.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message())]
pub struct NoAnswer(Box<tonic::Status>);

impl NoAnswer {
    pub(crate) fn new(status: tonic::Status) -> Self {
        Self(Box::new(status))
    }
}

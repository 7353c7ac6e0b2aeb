//! The reasons why something was not done: the errors that an engine answers, and those of storage and the server.
//!
//! An engine passes on storage errors with `?`; each variant reaches Vault as an error that it understands.

mod wire;

/// The reason why a request, or a call to the server, was not done. Its text may reach the caller and Vault's log: do
/// not put a secret into it. The texts of the server's own errors may name a storage key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller's mistake: HTTP status 400 with this text.
    #[error("{0}")]
    User(String),
    /// HTTP status 400, with a text of Vault's own.
    #[error("invalid request")]
    InvalidRequest,
    /// HTTP status 400, and counted as a failed login by an auth mount.
    #[error("invalid credentials")]
    InvalidCredentials,
    /// HTTP status 403.
    #[error("permission denied")]
    PermissionDenied,
    /// HTTP status 404. In an existence check, Vault continues as if the path held something.
    #[error("unsupported path")]
    UnsupportedPath,
    /// HTTP status 404: the path used to do something.
    #[error("functionality on this path has been removed")]
    PathRemoved,
    /// HTTP status 405: the path exists, but not the operation on it.
    #[error("unsupported operation")]
    UnsupportedOperation,
    /// HTTP status 412: this server has not caught up with the state that the caller saw.
    #[error("required index state not present")]
    MissingState,
    /// HTTP status 429.
    #[error("rate limit quota exceeded")]
    RateLimited,
    /// HTTP status 429.
    #[error("lease count quota exceeded")]
    TooManyLeases,
    /// HTTP status 502: another service that the engine depends on limits its rate.
    #[error("upstream rate limited")]
    UpstreamRateLimited,
    /// HTTP status 500: somebody has to repair it.
    #[error("unrecoverable error")]
    Unrecoverable,
    /// HTTP status 500: more approvals are needed.
    #[error("request needs further approval")]
    ApprovalPending,
    /// An HTTP status of the engine's choice.
    #[error("{message}")]
    Coded {
        /// 400 to 599.
        status: u16,
        /// Shown to the caller.
        message: String,
    },
    /// The engine's own fault: HTTP status 500 with this text.
    #[error("{0}")]
    Internal(String),
    /// JSON that is not as expected. The text says where, but quotes no value. 500 unless it is made an
    /// [`Error::User`].
    #[error("{0}")]
    Json(String),

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
    Server {
        /// The call, such as `storage get`.
        call: &'static str,
        /// The text that the server sent.
        message: String,
    },
    /// The server sent no answer.
    #[error("{call} was not answered: {}", status.message())]
    Unanswered {
        /// The call, such as `storage get`.
        call: &'static str,
        /// The status that gRPC reports.
        #[source]
        status: Box<tonic::Status>,
    },
    /// The plugin could not be served.
    #[error(transparent)]
    Serve(#[from] go_plugin::Error),
}

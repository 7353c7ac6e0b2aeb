//! The errors, by purpose: the answers of an engine to a request, and the outcomes of calls to the server.
//!
//! An engine passes on both the server's errors and those of JSON with `?`; each variant reaches Vault as an error that
//! it understands.

mod answer;
mod server;
mod wire;

use airlock_logical::JsonError;

pub(crate) use answer::Unreadable;
pub use server::{NoAnswer, ServerError};

/// The reason why an engine did not do a request: its own answer, or an error of the server that it passes on.
///
/// The text, with that of its sources, may reach the caller and Vault's log: do not put a secret into it. The texts of
/// the server's own errors may name a storage key.
///
/// ```
/// use vault_plugin::{Error, Request, ServerError, Storage};
///
/// async fn limit(storage: &Storage, request: &Request) -> Result<u32, Error> {
///     if request.path != "limit" {
///         return Err(Error::UnsupportedPath);
///     }
///     // `?` answers with the server's error.
///     let entry = storage.get("limit").await?;
///     let entry = entry.ok_or_else(|| Error::User("the limit is not configured".to_owned()))?;
///     serde_json::from_slice(&entry.value).map_err(|_| Error::Internal("the stored limit is damaged".to_owned()))
/// }
///
/// // An engine can answer what the server would: this makes an OpenBao standby forward the request.
/// let error = Error::from(ServerError::ReadOnly);
/// assert_eq!(error.to_string(), "cannot write to readonly storage");
/// ```
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
    /// A JSON text or value is not as the engine expects: HTTP status 500. If the text is the caller's, answer
    /// [`Error::User`] instead.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A call to the server failed, and the engine passes its error on: HTTP status 500, unless the variant documents
    /// another.
    #[error(transparent)]
    Server(#[from] ServerError),
}

impl Error {
    /// Returns the HTTP status with which Vault answers its caller.
    pub fn status(&self) -> u16 {
        match self {
            Self::User(_)
            | Self::InvalidRequest
            | Self::InvalidCredentials
            | Self::Server(ServerError::RelativePath | ServerError::UnstorableKey(_)) => 400,
            Self::PermissionDenied => 403,
            Self::UnsupportedPath | Self::PathRemoved => 404,
            Self::UnsupportedOperation => 405,
            Self::MissingState => 412,
            Self::Server(ServerError::TooLarge(_)) => 413,
            Self::RateLimited | Self::TooManyLeases => 429,
            Self::UpstreamRateLimited => 502,
            // Vault gets any other number as a 500.
            Self::Coded { status, .. } if (400..600).contains(status) => *status,
            _ => 500,
        }
    }
}

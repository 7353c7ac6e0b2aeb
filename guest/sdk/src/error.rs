//! Defines the errors of requests and their HTTP statuses.

mod from_std;

/// The result of a handler.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why a request failed. It determines the HTTP status that the caller sees.
///
/// Nothing that the request wrote since its last [`commit`](crate::Storage::commit) is stored. The caller sees the
/// text: put no secrets into it.
///
/// `?` makes an [`Error::Internal`] of the usual errors of the standard library and of `serde_json`: of numbers, texts
/// and bytes that cannot be converted. Its text never repeats the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The caller's mistake: 400 with this text.
    #[error("{0}")]
    User(String),
    /// The path exists, but does not support the operation: 405.
    #[error("unsupported operation")]
    UnsupportedOperation,
    /// The path does not exist: 404.
    #[error("unsupported path")]
    UnsupportedPath,
    /// The caller may not do this: 403.
    #[error("permission denied")]
    PermissionDenied,
    /// Storage is read-only here. Return the error unchanged: the server then forwards the request to one that may
    /// write.
    #[error("cannot write to readonly storage")]
    ReadOnly,
    /// An HTTP status of the engine's choice.
    #[error("{message}")]
    Coded {
        /// 400 to 599.
        status: u16,
        /// The text for the caller.
        message: String,
    },
    /// The engine's own fault, or its storage's: 500 with this text.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// Makes the error for a caller's mistake: 400 with this text.
    pub fn user(message: impl Into<String>) -> Error {
        Error::User(message.into())
    }

    /// Makes the error for the engine's own fault: 500 with this text.
    pub fn internal(message: impl Into<String>) -> Error {
        Error::Internal(message.into())
    }

    /// Makes an error with an HTTP status from 400 to 599 and a text for the caller.
    pub fn coded(status: u16, message: impl Into<String>) -> Error {
        Error::Coded {
            status,
            message: message.into(),
        }
    }

    /// Adds what the engine was doing: `failed to put data: the disk is full`.
    ///
    /// Errors without a text, such as [`Error::ReadOnly`], do not change.
    #[must_use]
    pub fn context(self, doing: &str) -> Error {
        match self {
            Error::User(cause) => Error::User(format!("{doing}: {cause}")),
            Error::Internal(cause) => Error::Internal(format!("{doing}: {cause}")),
            Error::Coded { status, message } => Error::Coded {
                status,
                message: format!("{doing}: {message}"),
            },
            sentinel => sentinel,
        }
    }

    /// Returns the HTTP status of Vault's answer.
    pub fn status(&self) -> u16 {
        match self {
            Error::User(_) => 400,
            Error::PermissionDenied => 403,
            Error::UnsupportedPath => 404,
            Error::UnsupportedOperation => 405,
            Error::Coded { status, .. } => *status,
            Error::ReadOnly | Error::Internal(_) => 500,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_keeps_the_kind_and_the_cause() {
        let error = Error::internal("the disk is full").context("failed to put data");
        assert_eq!(error, Error::internal("failed to put data: the disk is full"));
    }

    #[test]
    fn context_leaves_read_only_alone_so_that_the_server_can_forward() {
        assert_eq!(Error::ReadOnly.context("failed to put data"), Error::ReadOnly);
    }
}

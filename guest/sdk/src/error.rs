//! Why a request was not done.

/// What a handler returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request was not done, and so the HTTP status that its caller sees.
///
/// Nothing that the request wrote since its last [`commit`](crate::Storage::commit) is stored. The text reaches the
/// caller: put no secret into it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The caller's mistake: 400 with this text.
    #[error("{0}")]
    User(String),
    /// The path exists, the operation on it does not: 405.
    #[error("unsupported operation")]
    UnsupportedOperation,
    /// No such path: 404.
    #[error("unsupported path")]
    UnsupportedPath,
    /// Not for this caller: 403.
    #[error("permission denied")]
    PermissionDenied,
    /// Storage is read-only here. Pass it on as it is: the server then sends the request to one that may write.
    #[error("cannot write to readonly storage")]
    ReadOnly,
    /// An HTTP status of the engine's choice.
    #[error("{message}")]
    Coded {
        /// 400 to 599.
        status: u16,
        /// What the caller reads.
        message: String,
    },
    /// The engine's own fault, or its storage's: 500 with this text.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// The caller's mistake: 400 with this text.
    pub fn user(message: impl Into<String>) -> Error {
        Error::User(message.into())
    }

    /// The engine's own fault: 500 with this text.
    pub fn internal(message: impl Into<String>) -> Error {
        Error::Internal(message.into())
    }

    /// An HTTP status from 400 to 599, and what the caller reads.
    pub fn coded(status: u16, message: impl Into<String>) -> Error {
        Error::Coded {
            status,
            message: message.into(),
        }
    }

    /// Says what was being done: `failed to put data: the disk is full`.
    ///
    /// Errors whose kind is their whole meaning, such as [`Error::ReadOnly`], stay as they are.
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

    /// The HTTP status that Vault answers with.
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

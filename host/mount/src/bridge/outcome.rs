//! Converts limits and outcomes of calls of Vault's storage.

use airlock_storage::{Error, Rejection};
use vault_plugin::{Report, ServerError};

/// Converts the limit of a page to 32 bits, in which Vault counts. A larger limit returns the whole folder.
pub(super) fn page_limit(limit: usize) -> u32 {
    u32::try_from(limit).unwrap_or(i32::MAX as u32)
}

/// Converts the outcome of a call of Vault's storage.
pub(super) fn error(error: ServerError) -> Error {
    match error {
        // All of these mean to a writer: not here, not now. The server forwards the request if it can.
        ServerError::ReadOnly | ServerError::SetupReadOnly | ServerError::PleaseForward => Error::ReadOnly,
        ServerError::Conflict => Error::Conflict,
        ServerError::Closed => Error::Unreachable,
        ServerError::NotLeader => Error::NotLeader,
        ServerError::LostLeadership => Error::LostLeadership,
        ServerError::TooLarge(reason) => Error::rejected(Rejection::TooLarge, reason),
        ServerError::UnstorableKey(reason) => Error::rejected(Rejection::Key, reason),
        ServerError::RelativePath => Error::rejected(Rejection::Key, ServerError::RelativePath.to_string()),
        other => Error::Backend(Report::new(&other).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_rejects_is_rejected_with_its_words() {
        assert_eq!(
            error(ServerError::TooLarge("max: 1048576 bytes".into())),
            Error::rejected(Rejection::TooLarge, "max: 1048576 bytes")
        );
        assert_eq!(
            error(ServerError::UnstorableKey("file name too long".into())),
            Error::rejected(Rejection::Key, "file name too long")
        );
        assert_eq!(error(ServerError::RelativePath).rejection(), Some(Rejection::Key));
        assert_eq!(error(ServerError::Closed).rejection(), None);
    }

    #[test]
    fn a_lost_leadership_is_not_one_failure_among_others() {
        assert_eq!(error(ServerError::NotLeader), Error::NotLeader);
        assert_eq!(error(ServerError::LostLeadership), Error::LostLeadership);
    }
}

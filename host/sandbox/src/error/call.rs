//! The reasons why a call of a guest was not carried out.

use std::sync::Arc;

use printable::Printable;

use crate::limits::Exceeded;
use crate::load::engine::POOL;
use crate::types;

/// The reason why a call of a guest was not carried out. Only [`CallError::Guest`], which is the guest's own answer, may
/// carry a path, a key or a value.
///
/// Each variant except [`CallError::Guest`] is displayed on one line: what it quotes of a guest's file, such as the name of a
/// function, is escaped. [`CallError::Guest`] displays the guest's answer unchanged, for the caller of the API.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// A request exceeded a limit.
    #[error("guest {guest} went {exceeded}")]
    Limit {
        /// The guest's name.
        guest: Arc<str>,
        /// The limit that was exceeded.
        exceeded: Exceeded,
    },

    /// The guest's code failed.
    #[error("guest {guest} failed: {}{}", Printable(reason), trace(.functions))]
    Trap {
        /// The guest's name.
        guest: Arc<str>,
        /// The failure, in the runtime's words.
        reason: String,
        /// The functions in which the guest failed, the innermost first: only a few, and only the guest's own.
        functions: Vec<String>,
    },

    /// The guest broke the contract, for example by an answer that is not valid JSON.
    #[error("guest {guest} broke the contract: {}", Printable(what))]
    Contract {
        /// The guest's name.
        guest: Arc<str>,
        /// The way in which the guest broke it.
        what: String,
    },

    /// The mount has as many requests running and waiting as it may, or all requests together hold as much memory as
    /// they may.
    #[error("this mount is busy: guest {guest} is {exceeded}")]
    Busy {
        /// The guest's name.
        guest: Arc<str>,
        /// The limit that was exceeded.
        exceeded: Exceeded,
    },

    /// All mounts together have as many requests running as the process has instances for.
    #[error(
        "this host is busy: the requests of all mounts use its {instances} instances; lower --instances where mounts take too many, or raise --process-memory-mib if there are fewer than {}",
        POOL
    )]
    Full {
        /// The number of instances.
        instances: u32,
    },

    /// Vault allowed a create but the path exists by now, or an update but the path is gone. When the request is sent
    /// again, it is checked against the policies anew. Vault's own Go client sends it again by itself.
    #[error(
        "another request {} this path in the meantime; nothing was written; send the request again",
        if *exists { "created" } else { "deleted" }
    )]
    ExistenceChanged {
        /// True if the path exists now.
        exists: bool,
    },

    /// The existence check on which the request relies could not be made, so the request was not run.
    #[error(
        "the existence check of this request could not be made: {0}; nothing was written; send the request again"
    )]
    Unchecked(Box<CallError>),

    /// The caller hung up while the request waited for an instance.
    #[error("the caller hung up")]
    HungUp,

    /// Storage failed, at the beginning or the end of the request.
    #[error(transparent)]
    Storage(#[from] airlock_storage::Error),

    /// The guest answered with this error.
    #[error(transparent)]
    Guest(types::Error),

    /// Another guest has taken over the mount. Nothing was written; the request is for the new guest.
    #[error("another guest has taken over this mount; send the request again")]
    Replaced,

    /// The thread for long requests ended before the request was done, because the process is ending.
    #[error("the request was given up: the host is shutting down")]
    GivenUp,
}

impl CallError {
    /// Returns the HTTP status that describes best what happened.
    ///
    /// 503 means that the request may well succeed when it is sent again. An exceeded limit is 500, whichever limit it
    /// was: a loop may exceed one limit on an idle machine and another on a busy one.
    pub fn status(&self) -> u16 {
        use airlock_storage::{Error as Storage, Rejection};
        match self {
            Self::Busy { .. } | Self::Full { .. } => 429,
            // Not 409: Vault's Go client sends a request again on 412.
            Self::ExistenceChanged { .. } => 412,
            Self::Unchecked(_) | Self::Replaced | Self::GivenUp => 503,
            Self::Storage(error) if error.may_succeed_later() => 503,
            Self::Storage(Storage::InvalidKey(_)) => 400,
            Self::Storage(error) => match error.rejection() {
                Some(Rejection::TooLarge) => 413,
                Some(_) => 400,
                None => 500,
            },
            Self::Guest(error) => match error {
                types::Error::User(_) => 400,
                types::Error::UnsupportedOperation => 405,
                types::Error::UnsupportedPath => 404,
                types::Error::PermissionDenied => 403,
                types::Error::Coded(coded) => coded.status,
                types::Error::ReadOnly | types::Error::Internal(_) => 500,
            },
            _ => 500,
        }
    }

    /// Converts the error of an existence check to the error of the request that relies on it. The guest's own refusal
    /// stays, because the guest would refuse again. Any other cause may be gone when the request is sent again.
    #[must_use]
    pub fn of_existence_check(self) -> Self {
        match self {
            Self::Guest(_) => self,
            // The server forwards the request.
            error if error.is_read_only() => error,
            error => Self::Unchecked(Box::new(error)),
        }
    }

    /// Returns true if the storage is read-only here, so that the server should forward the request.
    pub fn is_read_only(&self) -> bool {
        matches!(
            self,
            Self::Guest(types::Error::ReadOnly) | Self::Storage(airlock_storage::Error::ReadOnly)
        )
    }
}

fn trace(functions: &[String]) -> String {
    match functions {
        [] => String::new(),
        functions => Printable(format_args!(" (in {})", functions.join(", called by "))).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Limit, Limits};

    #[test]
    fn a_limit_names_the_guest_the_limit_and_the_setting() {
        let error = CallError::Limit {
            guest: "kv".into(),
            exceeded: Exceeded::new(Limit::Memory, &Limits::default()),
        };
        assert_eq!(
            error.to_string(),
            "guest kv went over the limit of 64 MiB of memory (--memory-mib)"
        );
        assert_eq!(error.status(), 500);
    }

    #[test]
    fn a_full_queue_is_429_with_its_reason() {
        let error = CallError::Busy {
            guest: "kv".into(),
            exceeded: Exceeded::new(Limit::Queue, &Limits::default()),
        };
        assert_eq!(
            error.to_string(),
            "this mount is busy: guest kv is over the limit of 512 requests waiting (--queue)"
        );
        assert_eq!(error.status(), 429);
    }

    #[test]
    fn a_check_that_was_not_made_is_503_with_its_cause() {
        let full = CallError::Full { instances: 9 }.of_existence_check();
        assert_eq!(full.status(), 503);
        assert!(full.to_string().contains("this host is busy"), "{full}");
        let refused = CallError::Guest(types::Error::PermissionDenied).of_existence_check();
        assert_eq!(refused.status(), 403);
    }

    #[test]
    fn a_decision_that_no_longer_holds_is_412_and_to_be_sent_again() {
        let error = CallError::ExistenceChanged { exists: true };
        assert_eq!(error.status(), 412);
        assert_eq!(
            error.to_string(),
            "another request created this path in the meantime; nothing was written; send the request again"
        );
    }

    #[test]
    fn a_rejected_entry_is_413_or_400_also_in_mid_commit() {
        use airlock_storage::{Error as Storage, Rejection};
        for (rejection, status) in [(Rejection::TooLarge, 413), (Rejection::Key, 400)] {
            let rejected = Storage::rejected(rejection, "no");
            assert_eq!(CallError::from(rejected.clone()).status(), status);
            let cause = Box::new(rejected);
            let incomplete = Storage::Incomplete {
                stored: 1,
                of: 2,
                cause: cause.clone(),
            };
            assert_eq!(CallError::from(incomplete).status(), status);
            assert_eq!(CallError::from(Storage::UnknownOutcome(cause)).status(), 500);
        }
    }

    #[test]
    fn a_trap_shows_functions() {
        let error = CallError::Trap {
            guest: "kv".into(),
            reason: "unreachable".into(),
            functions: vec!["a".into(), "b".into()],
        };
        assert_eq!(
            error.to_string(),
            "guest kv failed: unreachable (in a, called by b)"
        );
    }

    #[test]
    fn what_is_quoted_of_a_guest_cannot_leave_its_line() {
        let hostile = "x\n[INFO]  core: sealed\u{1b}[2J";
        let errors = [
            CallError::Trap {
                guest: "kv".into(),
                reason: hostile.into(),
                functions: vec![hostile.into()],
            },
            CallError::Contract {
                guest: "kv".into(),
                what: hostile.into(),
            },
        ];
        for error in errors {
            let told = error.to_string();
            assert!(told.contains("x\\n[INFO]  core: sealed\\u{1b}[2J"), "{told}");
            assert!(!told.contains(char::is_control), "{told:?}");
        }
    }
}

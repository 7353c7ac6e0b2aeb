//! The existence check of a write, from end to end; and which errors of it Vault gets.
//!
//! 1. Vault asks whether the path of a write holds something, with the id of the write. The guest answers in a transaction
//!    that stores nothing. What it read is kept under the id (`airlock_storage`, `transaction/kept.rs`), and so is the
//!    instance (`airlock_sandbox`, `run/kept.rs`).
//! 2. Vault asks its policies for `create` or `update`, according to the answer. So a token that may create but not update
//!    gets 403 here.
//! 3. The write comes with the same id, as a create or an update. Its transaction continues that of the check: what the
//!    check read counts as read by the write. The write may then run in the check's instance. If another request changed
//!    what the check read, the write conflicts and runs again.
//! 4. An attempt that does not continue the check repeats it, in its own transaction (`airlock_sandbox`, `run.rs`). If the
//!    answer is another one now, the caller gets 412: Vault authorised something else than what would happen.
//! 5. A check may fail, and Vault does not show why: the caller would read "internal error". So Vault is told that the path
//!    has no such check, and the cause is remembered here. The write that follows gets the cause as its answer and is not
//!    run: Vault would have authorised it as an update, whether or not it is one.
//!
//! # How to use it
//! Call [`Checks::answer`] for every check, and [`Checks::take_failure`] before every request runs.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use vault_plugin::{Error, ServerError};

use crate::breaker::Fault;
use crate::bridge;

/// Most failed checks that are remembered, each with a text of some 16 KiB at most. Vault gets the error of a check
/// that does not fit, and its caller gets 500.
const MOST: usize = 1024;

/// Time for which a failed check is remembered. Between a check and its request Vault asks its policies and writes its
/// audit log.
const LIFETIME: Duration = Duration::from_secs(10);

/// The failed checks of one mount whose requests have not come yet.
#[derive(Default)]
pub struct Checks {
    failed: Mutex<Failed>,
}

/// The reason why a check could not be made.
#[derive(Debug)]
pub struct Cause {
    /// The error that the caller gets.
    pub error: Error,
    pub(crate) blame: Blame,
}

/// The side that is to blame for a check that was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The guest itself.
    Guest(Fault),
    /// The breaker, which has set the guest aside.
    Breaker,
    /// Anything else.
    Other,
}

#[derive(Default)]
struct Failed {
    /// The causes, by the id of the request.
    causes: HashMap<String, (Cause, Instant)>,
    /// The ids in the order in which they were remembered. The requests of some may have come already.
    order: VecDeque<(String, Instant)>,
}

impl Checks {
    /// Returns what Vault is told of the check for the request with this id. `fault` is the guest's own failure, if it was one.
    ///
    /// # Errors
    /// The errors that Vault passes on to the caller or acts upon: the caller's mistake, a path without such a check,
    /// and read-only storage. Also any other error if too many failed checks are remembered already; it becomes a 500
    /// without a text.
    pub(crate) fn answer(
        &self,
        id: &str,
        checked: airlock_sandbox::Result<Option<bool>>,
        fault: Option<Fault>,
    ) -> Result<Option<bool>, Error> {
        match checked {
            Ok(exists) => Ok(exists),
            // No request follows.
            Err(error @ airlock_sandbox::CallError::HungUp) => Err(bridge::refusal(error)),
            Err(error) => {
                let error = bridge::refusal(error.of_existence_check());
                let blame = fault.map_or(Blame::Other, Blame::Guest);
                self.remember(id, Cause { error, blame })
            }
        }
    }

    /// Does the same as [`answer`](Self::answer), for a check that did not run.
    ///
    /// # Errors
    /// The same as for [`answer`](Self::answer).
    pub(crate) fn not_made(&self, id: &str, error: Error, blame: Blame) -> Result<Option<bool>, Error> {
        self.remember(id, Cause { error, blame })
    }

    fn remember(&self, id: &str, cause: Cause) -> Result<Option<bool>, Error> {
        match cause.error {
            Error::User(_) | Error::UnsupportedPath | Error::Server(ServerError::ReadOnly) => {
                Err(cause.error)
            }
            _ => self
                .failed
                .lock()
                .remember(id, cause, Instant::now())
                .map(|()| None),
        }
    }

    /// Fails if the check for the request with this id could not be made. Reports each failed check once.
    ///
    /// # Errors
    /// The cause. The request must not be run.
    pub fn take_failure(&self, id: &str) -> Result<(), Cause> {
        match self.failed.lock().take(id, Instant::now()) {
            Some(cause) => Err(cause),
            None => Ok(()),
        }
    }
}

impl Failed {
    /// Remembers why a check failed. Remembers nothing for an empty id, because more than one request may have it: the
    /// check is then repeated within the request.
    fn remember(&mut self, id: &str, cause: Cause, now: Instant) -> Result<(), Error> {
        if id.is_empty() {
            return Ok(());
        }
        if self.order.front().is_some_and(|(_, until)| *until <= now) || self.order.len() >= MOST {
            self.forget(now);
        }
        if self.order.len() >= MOST {
            return Err(cause.error);
        }
        let until = now + LIFETIME;
        self.order.push_back((id.to_owned(), until));
        self.causes.insert(id.to_owned(), (cause, until));
        Ok(())
    }

    /// Drops causes whose time is over, and the places of those whose requests have come.
    fn forget(&mut self, now: Instant) {
        let Self { causes, order } = self;
        causes.retain(|_, (_, until)| *until > now);
        order.retain(|(id, until)| causes.get(id).is_some_and(|(_, its)| its == until));
    }

    fn take(&mut self, id: &str, now: Instant) -> Option<Cause> {
        let (cause, until) = self.causes.remove(id)?;
        (until > now).then_some(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use airlock_sandbox::CallError;
    use airlock_sandbox::types;

    fn full() -> airlock_sandbox::Result<Option<bool>> {
        Err(CallError::Full { instances: 1 })
    }

    fn told(checks: &Checks, id: &str) -> Option<(u16, String)> {
        match checks.take_failure(id) {
            Ok(()) => None,
            Err(Cause {
                error: Error::Coded { status, message },
                ..
            }) => Some((status, message)),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_request_of_a_failed_check_gets_503_and_the_cause() {
        let checks = Checks::default();
        assert!(matches!(checks.answer("a", full(), None), Ok(None)));
        assert_eq!(told(&checks, "b"), None);
        let (status, message) = told(&checks, "a").unwrap();
        assert_eq!(status, 503);
        assert!(
            message.contains("existence check") && message.contains("this host is busy"),
            "{message}"
        );
        assert_eq!(told(&checks, "a"), None, "it is told once");
    }

    #[test]
    fn what_vault_acts_upon_is_passed_on() {
        let checks = Checks::default();
        for refusal in [
            types::Error::User("no".into()),
            types::Error::UnsupportedPath,
            types::Error::ReadOnly,
        ] {
            assert!(checks.answer("a", Err(CallError::Guest(refusal)), None).is_err());
        }
        assert!(matches!(checks.answer("a", Ok(Some(true)), None), Ok(Some(true))));
        assert_eq!(told(&checks, "a"), None);
    }

    #[test]
    fn nothing_is_remembered_for_a_request_without_id() {
        let checks = Checks::default();
        assert!(matches!(checks.answer("", full(), None), Ok(None)));
        assert_eq!(told(&checks, ""), None);
    }

    #[test]
    fn a_failed_check_is_forgotten_after_its_time() {
        let mut failed = Failed::default();
        let now = Instant::now();
        let cause = || Cause {
            error: Error::Internal("busy".into()),
            blame: Blame::Other,
        };
        failed.remember("a", cause(), now).unwrap();
        assert!(failed.take("a", now + LIFETIME).is_none());
        failed.remember("b", cause(), now).unwrap();
        failed.remember("c", cause(), now + LIFETIME).unwrap();
        assert_eq!((failed.causes.len(), failed.order.len()), (1, 1));
    }

    #[test]
    fn too_many_failed_checks_are_errors_and_not_conflicts() {
        let checks = Checks::default();
        for number in 0..MOST {
            assert!(checks.answer(&number.to_string(), full(), None).is_ok());
        }
        assert!(checks.answer("one more", full(), None).is_err());
        for number in 0..MOST {
            assert!(told(&checks, &number.to_string()).is_some());
        }
        assert!(checks.answer("one more", full(), None).is_ok());
        assert_eq!(checks.failed.lock().order.len(), 1);
    }
}

//! Tells which ends of a call are the guest's own failure, and which are an answer. All others are neither.

use std::fmt;

use airlock_sandbox::{CallError, Exceeded, Limit, Usage};

/// A failure that is the guest's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Trap,
    Contract,
    Limit(Exceeded),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trap => f.write_str("it trapped"),
            Self::Contract => f.write_str("it broke the contract"),
            Self::Limit(exceeded) => write!(f, "it went {exceeded}"),
        }
    }
}

/// Returns the guest's own failure with which a call ended, if it did.
pub(crate) fn fault<T>(result: &airlock_sandbox::Result<T>, usage: &Usage) -> Option<Fault> {
    match result {
        Err(CallError::Trap { .. }) => Some(Fault::Trap),
        Err(CallError::Contract { .. }) => Some(Fault::Contract),
        Err(CallError::Limit { exceeded, .. }) => {
            is_its_own(exceeded.limit, usage).then_some(Fault::Limit(*exceeded))
        }
        _ => None,
    }
}

/// Returns true if it is the guest's doing that a request went over a limit.
fn is_its_own(limit: Limit, usage: &Usage) -> bool {
    match limit {
        Limit::Memory | Limit::Cpu | Limit::StorageOperations | Limit::Transfer => true,
        // Slow storage and a busy machine use up this time too.
        Limit::Wall => usage.cpu * 2 >= usage.wall,
        _ => false,
    }
}

/// Returns true if the guest has answered, and not to say that something does not work.
pub(super) fn has_answered<T>(result: &airlock_sandbox::Result<T>) -> bool {
    match result {
        Ok(_) => true,
        Err(error @ CallError::Guest(_)) => error.status() < 500,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use airlock_sandbox::types;

    use super::*;

    #[test]
    fn time_that_passes_without_the_guest_is_not_its_failure() {
        let usage = |cpu, wall| Usage {
            cpu: Duration::from_millis(cpu),
            wall: Duration::from_millis(wall),
            ..Usage::default()
        };
        assert!(is_its_own(Limit::Wall, &usage(500, 1000)));
        assert!(!is_its_own(Limit::Wall, &usage(499, 1000)));
        assert!(is_its_own(Limit::Cpu, &usage(1, 1000)));
        for of_others in [Limit::ProcessMemory, Limit::Queue, Limit::Instances, Limit::Start] {
            assert!(!is_its_own(of_others, &usage(1000, 1000)), "{of_others:?}");
        }
    }

    #[test]
    fn what_others_cause_is_neither_failure_nor_answer() {
        let errors = [
            CallError::HungUp,
            CallError::Replaced,
            CallError::GivenUp,
            CallError::Full { instances: 1 },
            CallError::ExistenceChanged { exists: true },
            CallError::Storage(airlock_storage::Error::Conflict),
            CallError::Guest(types::Error::Internal("storage failed".into())),
        ];
        for error in errors {
            let result = Err::<(), _>(error);
            assert_eq!(fault(&result, &Usage::default()), None, "{result:?}");
            assert!(!has_answered(&result), "{result:?}");
        }
        let refused = Err::<(), _>(CallError::Guest(types::Error::User("no".into())));
        assert!(has_answered(&refused) && has_answered(&Ok(())));
    }
}

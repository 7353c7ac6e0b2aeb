//! Reports a guest's calls to the log and to the operator.

use std::time::Duration;

use airlock_sandbox::{CallError, Guest, Outcome, Usage};
use airlock_storage::Error as Storage;
use vault_plugin::Error;

/// Duration from which a call gets a line in the log.
const SLOW: Duration = Duration::from_secs(1);

/// The reason why a call gets a line in the log.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// Storage failed. The server's words about it may name a key, so only the caller gets them.
    StorageFailed,
    /// The host gave the call up. These are our own words: they name the guest, the limit and the setting, and contain nothing
    /// of the request.
    NotDone(String),
    /// The guest answered with this status, which is its own fault. Its words may contain anything.
    GuestFailed(u16),
    Slow,
    Repeated,
}

/// Returns the result of a call. Logs what the call used only if somebody would look for it: a line for each request
/// would cost Vault more than the guest does.
pub(super) fn report<T>(guest: &Guest, what: &str, outcome: Outcome<T>) -> airlock_sandbox::Result<T> {
    let usage = &outcome.usage;
    // The level is part of a call site, so there is one for each.
    macro_rules! emit {
        ($level:ident, $message:literal $(, $field:ident = $value:expr)*) => {
            tracing::$level!(
                guest = guest.description().name,
                call = what,
                attempts = usage.attempts,
                cpu_ms = milliseconds(usage.cpu),
                wall_ms = milliseconds(usage.wall),
                memory_kib = usage.memory_bytes.div_ceil(1024),
                storage_calls = usage.storage.calls(),
                $($field = $value,)*
                $message
            )
        };
    }
    let done = outcome.result.is_ok();
    match line(&outcome.result, usage) {
        None => {}
        Some(Line::StorageFailed) => emit!(warn, "a call of the guest was not done: storage failed"),
        Some(Line::NotDone(error)) => emit!(warn, "a call of the guest was not done", error = error),
        Some(Line::GuestFailed(status)) => {
            emit!(
                warn,
                "a call of the guest failed, as the guest itself says",
                status = status
            );
        }
        Some(Line::Slow) => emit!(info, "a call of the guest was slow", done = done),
        Some(Line::Repeated) => emit!(debug, "a call of the guest ran more than once", done = done),
    }
    outcome.result
}

/// Returns why a call gets a line, if it does.
fn line<T>(result: &airlock_sandbox::Result<T>, usage: &Usage) -> Option<Line> {
    match result {
        Err(CallError::Storage(
            Storage::Backend(_) | Storage::UnknownOutcome(_) | Storage::Incomplete { .. },
        )) => Some(Line::StorageFailed),
        Err(error @ CallError::Guest(_)) if error.status() >= 500 && !error.is_read_only() => {
            Some(Line::GuestFailed(error.status()))
        }
        // The error itself gets no line. A rejected write is the caller's mistake, and the server's words about it may name a
        // key. A read-only error is not a failure of the call: a standby's server forwards the request to the active node.
        Ok(_)
        | Err(
            CallError::Guest(_)
            | CallError::Storage(Storage::Rejected { .. } | Storage::ReadOnly)
            | CallError::Replaced
            | CallError::HungUp,
        ) => match usage {
            Usage { wall, .. } if *wall > SLOW => Some(Line::Slow),
            Usage { attempts: 2.., .. } => Some(Line::Repeated),
            _ => None,
        },
        Err(error) => Some(Line::NotDone(error.to_string())),
    }
}

/// Returns milliseconds, to the microsecond. Vault's log writes a whole number above a million with an exponent.
fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

/// Escapes an error for the operator. Vault's log and command line print it unchanged, and the guest may have worded
/// it.
pub(super) fn printable(error: Error) -> Error {
    let escape = |text: String| printable::escape(&text).into_owned();
    match error {
        Error::User(text) => Error::User(escape(text)),
        Error::Internal(text) => Error::Internal(escape(text)),
        Error::Coded { status, message } => Error::Coded {
            status,
            message: escape(message),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use airlock_sandbox::types;

    use super::*;

    fn after(attempts: u32, wall: Duration) -> Usage {
        Usage {
            attempts,
            wall,
            ..Usage::default()
        }
    }

    #[test]
    fn a_call_that_failed_was_slow_or_ran_again_has_a_line() {
        let (quick, slow) = (after(1, Duration::ZERO), after(2, Duration::from_secs(2)));
        assert_eq!(line(&Ok(()), &quick), None);
        assert_eq!(line(&Ok(()), &slow), Some(Line::Slow));
        assert_eq!(line(&Ok(()), &after(2, Duration::ZERO)), Some(Line::Repeated));
        let fails = |error: CallError| line::<()>(&Err(error), &quick);
        assert_eq!(
            fails(CallError::Guest(types::Error::User("a secret".into()))),
            None
        );
        assert_eq!(fails(CallError::Guest(types::Error::ReadOnly)), None);
        let internal = CallError::Guest(types::Error::Internal("a secret".into()));
        assert_eq!(fails(internal), Some(Line::GuestFailed(500)));
        let storage = CallError::Storage(Storage::Backend("a secret".into()));
        assert_eq!(fails(storage), Some(Line::StorageFailed));
        assert!(matches!(fails(CallError::GivenUp), Some(Line::NotDone(_))));
        assert_eq!(fails(CallError::HungUp), None);
    }
}

//! What the log and the operator hear of a guest's calls.

use std::time::Duration;

use airlock_sandbox::{CallError, Guest, Outcome};
use vault_plugin::Error;

/// Duration from which a call gets a line in the log.
const SLOW: Duration = Duration::from_secs(1);

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
                cpu_us = usage.cpu.as_micros() as u64,
                wall_us = usage.wall.as_micros() as u64,
                memory_bytes = usage.memory_bytes,
                storage_calls = usage.storage.calls(),
                $($field = $value,)*
                $message
            )
        };
    }
    use airlock_storage::Error as Storage;
    match &outcome.result {
        // The server's words about its storage may name a key. Only the caller gets them.
        Err(CallError::Storage(
            Storage::Backend(_) | Storage::UnknownOutcome(_) | Storage::Incomplete { .. },
        )) => emit!(warn, "a call of the guest was not done: storage failed"),
        // The caller's mistake, about which the server's words may name a key, and what is no failure of the call: a standby's
        // server forwards it to the active node.
        Ok(_)
        | Err(
            CallError::Guest(_)
            | CallError::Storage(Storage::Rejected { .. } | Storage::ReadOnly)
            | CallError::Replaced
            | CallError::HungUp,
        ) => {
            if usage.attempts > 1 || usage.wall > SLOW {
                let done = outcome.result.is_ok();
                emit!(
                    debug,
                    "a call of the guest was slow or ran more than once",
                    done = done
                );
            }
        }
        // These are our own words: they name the guest, the limit and the setting, and contain nothing of the request.
        Err(error) => emit!(
            warn,
            "a call of the guest was not done",
            error = tracing::field::display(error)
        ),
    }
    outcome.result
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

//! Reports a breaker: its state in a mount's status and metrics, and the answer to a request that it refuses.

use std::time::{Duration, Instant};

use serde::Serialize;
use time::OffsetDateTime;
use vault_plugin::Error;

use super::Breaker;
use super::state::State;
use crate::control::time_text;
use crate::guest_mount::unavailable;

/// The state of a breaker, for an answer.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// `closed`, `open`, `half-open` or `off`. A half-open breaker lets one request with a token through at a time.
    state: &'static str,
    /// The time since which it is open, or closed, in the layout of RFC 3339.
    since: Option<String>,
    /// The number of failures in a row.
    failures: u32,
    /// The last of them.
    cause: Option<String>,
    /// Whom an open breaker refuses: `everybody`, or the `callers` whose requests failed.
    refuses: Option<&'static str>,
    /// The time from which the guest is tried again.
    next_try: Option<String>,
}

impl Breaker {
    /// Returns the state, for an answer.
    pub fn report(&self) -> Report {
        let state = self.state.lock();
        let instant = Instant::now();
        let now = OffsetDateTime::now_utc();
        let open = state.open.as_ref();
        let since = match open {
            Some(open) => now - instant.saturating_duration_since(open.at),
            None => *self.closed.lock(),
        };
        Report {
            state: match self.settings.failures {
                0 => "off",
                _ => name(&state, instant).0,
            },
            since: time_text(since),
            failures: state.failures,
            cause: state.last.map(|(fault, _)| fault.to_string()),
            refuses: open.map(|_| match state.refuses_everybody() {
                true => "everybody",
                false => "callers",
            }),
            next_try: open.and_then(|open| time_text(now + open.until.saturating_duration_since(instant))),
        }
    }

    /// Returns the state as a number, for metrics: 0 closed, 1 half-open, 2 open.
    pub fn number(&self) -> u8 {
        name(&self.state.lock(), Instant::now()).1
    }

    pub(super) fn refusal(&self, state: &State, wait: Option<Duration>) -> Error {
        let Self { guest, .. } = self;
        let failures = state.failures;
        let cause = state.last.map(|(fault, _)| fault.to_string()).unwrap_or_default();
        let next = match wait {
            // Rounded up, so that whoever waits for so long does not come too early.
            Some(wait) => format!(
                "one request tries it again in {} s",
                wait.as_millis().div_ceil(1000)
            ),
            None => "one request tries it again now".to_owned(),
        };
        unavailable(format!(
            "guest {guest} is set aside on this mount, because it failed {failures} times in a row, the last time because \
             {cause}; {next}; this request did not run"
        ))
    }
}

/// Returns the name and the number of a state.
fn name(state: &State, now: Instant) -> (&'static str, u8) {
    match &state.open {
        None => ("closed", 0),
        Some(open) if open.is_probing || open.until <= now => ("half-open", 1),
        Some(_) => ("open", 2),
    }
}

//! Sets a guest aside on its mount while it fails again and again, and tries it again by itself.
//!
//! 1. Each request that the guest answers ends the row of failures. A trap, a broken contract, and a limit that the guest itself
//!    went over make the row longer ([`fault`]). Everything else changes nothing: busy mounts, storage that fails, conflicts,
//!    callers who hang up, errors of status 500 and above that the guest words itself.
//! 2. After [`Settings::failures`] in a row, none more than [`MEMORY`] after the one before it, the breaker opens. Requests get
//!    503 with the cause, and the guest does not run.
//! 3. After [`Settings::pause`] one request is let through, the probe. If the guest answers it, all requests run again.
//!    Otherwise the pause doubles, up to [`LONGEST`] times the first.
//!
//! # Who can close a mount to others
//! A caller who knows a request that traps could send it again and again. Three rules keep that from being a way to take a mount
//! away from the others:
//!
//! - *In a row*: one request of anybody that the guest answers ends the row. A share of failures would be in the hand of whoever
//!   sends the most requests.
//! - *For whom*: an open breaker refuses only the callers whose requests failed in this row. It refuses everybody once they are
//!   [`CALLERS`], told apart by the entity or, without one, by the token: logging in again makes no other caller. A mount with
//!   one caller has nobody else to protect.
//! - *Which requests count*: those that came with a token and that Vault's policies allow. A failure without a
//!   token never counts, because anybody can cause one, and such a request is never the probe. Vault makes existence checks before
//!   it asks its policies, so a check that failed counts when its request comes, and once with it; a check that succeeds says
//!   nothing about the request.
//!
//! What remains: several callers who work together can close a mount on which nobody else's requests succeed meanwhile.
//!
//! # What Vault sends by itself
//! Renewals and revocations always run and never count: Vault gives a lease up after a few revocations that fail. A rollback gets
//! "unsupported operation" while the breaker is open, as on a mount without a guest, because Vault logs any other error each
//! minute.
//!
//! # What to watch
//! - One breaker belongs to one guest on one mount: another guest begins with a new one, and so does a reload. What runs for a
//!   canary's comparison does not pass here.
//! - A request costs two relaxed loads while nothing has failed. The lock is taken after a failure only.

mod state;

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use airlock_sandbox::{CallError, Exceeded, Limit, Outcome, Usage, types};
use parking_lot::Mutex;
use serde::Serialize;
use time::OffsetDateTime;
use vault_plugin::{Error, Operation};

use crate::control::time_text;
use crate::guest_mount::unavailable;
use crate::metrics::Metrics;
use state::{Admission, State, Who};

/// The number of callers whose requests have to fail until an open breaker refuses everybody.
const CALLERS: usize = 3;

/// The longest pause, as a multiple of the first one.
const LONGEST: u32 = 64;

/// The time after which failures are forgotten, if no other one followed.
const MEMORY: Duration = Duration::from_secs(300);

/// When a guest is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The number of failures in a row, without an answered request between them. 0 switches the breaker off.
    pub failures: u32,
    /// The time until the guest is tried again. It doubles each time that this fails, up to 64 times as much.
    pub pause: Duration,
}

impl Settings {
    /// Never sets a guest aside.
    pub const OFF: Self = Self {
        failures: 0,
        pause: Duration::ZERO,
    };
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            failures: 10,
            pause: Duration::from_secs(1),
        }
    }
}

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
fn has_answered<T>(result: &airlock_sandbox::Result<T>) -> bool {
    match result {
        Ok(_) => true,
        Err(error @ CallError::Guest(_)) => error.status() < 500,
        Err(_) => false,
    }
}

/// The breaker of one guest on one mount.
pub(crate) struct Breaker {
    settings: Settings,
    guest: Arc<str>,
    metrics: Arc<Metrics>,
    /// True if the state is not the initial one.
    is_marked: AtomicBool,
    state: Mutex<State>,
    hasher: RandomState,
    /// The time since which the breaker is closed, if it is.
    closed: Mutex<OffsetDateTime>,
}

/// The right of a request to run. If it is dropped before [`ended`](Self::ended), the request decides nothing.
pub(crate) struct Passage<'a> {
    breaker: &'a Breaker,
    is_probe: bool,
}

/// The state of a breaker, for an answer.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// `closed`, `open`, `half-open` or `off`. A half-open breaker lets one request through at a time.
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
    pub fn new(settings: Settings, guest: &str, metrics: Arc<Metrics>) -> Self {
        Self {
            settings,
            guest: guest.into(),
            metrics,
            is_marked: AtomicBool::new(false),
            state: Mutex::default(),
            hasher: RandomState::new(),
            closed: Mutex::new(OffsetDateTime::now_utc()),
        }
    }

    /// Lets a request run, or not.
    ///
    /// # Errors
    /// 503 with the cause; for a rollback, "unsupported operation".
    pub fn admit(&self, request: &types::Request) -> Result<Passage<'_>, Error> {
        let passage = Passage {
            breaker: self,
            is_probe: false,
        };
        if !self.is_marked.load(Relaxed) {
            return Ok(passage);
        }
        let mut state = self.state.lock();
        match request.operation {
            Operation::Renew | Operation::Revoke => return Ok(passage),
            Operation::Rollback if state.open.is_some() => return Err(Error::UnsupportedOperation),
            Operation::Rollback => return Ok(passage),
            _ => {}
        }
        match state.admit(self.who(request), Instant::now()) {
            Admission::Pass => Ok(passage),
            Admission::Probe => Ok(Passage {
                is_probe: true,
                ..passage
            }),
            Admission::Refused(wait) => Err(self.refusal(&state, wait)),
        }
    }

    /// Lets an existence check run, or not. Its request has to be [admitted](Self::admit) all the same.
    ///
    /// # Errors
    /// 503 with the cause.
    pub fn admit_check(&self, request: &types::Request) -> Result<(), Error> {
        if !self.is_marked.load(Relaxed) {
            return Ok(());
        }
        let state = self.state.lock();
        match state.look(self.who(request), Instant::now()) {
            Admission::Pass | Admission::Probe => Ok(()),
            Admission::Refused(wait) => Err(self.refusal(&state, wait)),
        }
    }

    /// Notes that the existence check of a request has failed so, and that the request does not run because of it.
    pub fn check_failed(&self, request: &types::Request, fault: Fault) {
        if let Ok(mut passage) = self.admit(request) {
            passage.fail(request, fault);
        }
    }

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

    /// Returns who sent a request, or `None` if it came without a token.
    fn who(&self, request: &types::Request) -> Option<Who> {
        let hash = |text: &str| (!text.is_empty()).then(|| self.hasher.hash_one(text));
        let who = Who {
            entity: hash(&request.entity_id),
            token: hash(&request.client_token),
        };
        (!request.unauthenticated && (who.entity.is_some() || who.token.is_some())).then_some(who)
    }

    fn refusal(&self, state: &State, wait: Option<Duration>) -> Error {
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

impl Passage<'_> {
    /// Notes what became of the request.
    pub fn ended<T>(mut self, request: &types::Request, outcome: &Outcome<T>) {
        if matches!(
            request.operation,
            Operation::Rollback | Operation::Renew | Operation::Revoke
        ) {
            return;
        }
        if let Some(fault) = fault(&outcome.result, &outcome.usage) {
            self.fail(request, fault);
        } else if has_answered(&outcome.result) && self.breaker.is_marked.load(Relaxed) {
            self.succeed();
        }
    }

    fn succeed(&mut self) {
        let Breaker {
            state,
            is_marked,
            closed,
            guest,
            ..
        } = self.breaker;
        let before = {
            let mut state = state.lock();
            is_marked.store(false, Relaxed);
            state.succeed()
        };
        self.is_probe = false;
        if let Some(open) = before.open {
            *closed.lock() = OffsetDateTime::now_utc();
            tracing::info!(
                guest = &**guest,
                failures = before.failures,
                open_ms = open.at.elapsed().as_millis() as u64,
                "the guest answers again, and is no longer set aside on this mount"
            );
        }
    }

    fn fail(&mut self, request: &types::Request, fault: Fault) {
        let Breaker {
            settings,
            state,
            is_marked,
            guest,
            metrics,
            ..
        } = self.breaker;
        let Some(who) = self.breaker.who(request).filter(|_| settings.failures != 0) else {
            return;
        };
        let (has_opened, failures) = {
            let mut state = state.lock();
            is_marked.store(true, Relaxed);
            let has_opened = state.fail(settings, who, fault, self.is_probe, Instant::now());
            (has_opened, state.failures)
        };
        self.is_probe = false;
        if has_opened {
            metrics.count_opening();
            tracing::warn!(
                guest = &**guest,
                failures,
                cause = %fault,
                pause_ms = settings.pause.as_millis() as u64,
                "the guest fails again and again, and is set aside on this mount"
            );
        }
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.breaker.state.lock().give_back();
        }
    }
}

#[cfg(test)]
mod tests {
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

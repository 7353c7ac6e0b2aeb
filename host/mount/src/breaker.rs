//! Sets a guest aside on its mount while it fails again and again, and tries it again by itself.
//!
//! 1. Each request that the guest answers ends the row of failures. A trap, a broken contract, and a limit that the guest itself
//!    went over make the row longer ([`fault`]). Everything else changes nothing: busy mounts, storage that fails, conflicts,
//!    callers who hang up, errors of status 500 and above that the guest words itself.
//! 2. After [`Settings::failures`] in a row, none more than [`MEMORY`] after the one before it, the breaker opens. Requests get
//!    503 with the cause, and the guest does not run.
//! 3. After [`Settings::pause`] one request is let through, the probe. If the guest answers it, all requests run again.
//!    Otherwise the pause doubles, up to [`LONGEST`] times the first. Existence checks are let through too, one at a time of
//!    each caller. If a probe decides nothing, because storage fails for example, another caller's is the next.
//!
//! # Who can close a mount to others
//! A caller who knows a request that traps could send it again and again. Three rules keep that from being a way to take a mount
//! away from the others:
//!
//! - *In a row*: one request of anybody with a token that the guest answers ends the row. A share of failures would be in the
//!   hand of whoever sends the most requests.
//! - *For whom*: an open breaker refuses only the callers whose requests failed in this row. It refuses everybody once they are
//!   [`CALLERS`], told apart by the entity or, without one, by the token: logging in again makes no other caller. A mount with
//!   one caller has nobody else to protect.
//! - *Which requests count*: those that came with a token and that Vault's policies allow. A request without a token is never
//!   the probe and never counts, neither as a failure nor as an answer, because anybody can send one. Vault makes existence
//!   checks before it asks its policies, so a check that failed counts when its request comes, and once with it; a check that
//!   succeeds says nothing about the request.
//!
//! One risk remains: several callers who work together can close a mount on which nobody else's requests succeed meanwhile.
//!
//! # What Vault sends by itself
//! Renewals and revocations always run and never count: Vault gives a lease up after a few revocations that fail. A rollback gets
//! "unsupported operation" while the breaker is open, as on a mount without a guest, because Vault logs any other error each
//! minute.
//!
//! # What to watch
//! - One breaker belongs to one guest on one mount: another guest begins with a new one, and so does a reload. The runs of a
//!   canary's comparison do not pass the breaker.
//! - A request costs two relaxed loads while nothing has failed. The lock is taken after a failure only.

mod fault;
mod report;
mod state;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use airlock_sandbox::{Outcome, types};
use parking_lot::Mutex;
use time::OffsetDateTime;
use vault_plugin::{Error, Operation};

use crate::metrics::Metrics;
pub(crate) use fault::{Fault, fault};
use state::{Admission, Kind, Probe, State, Who};

/// The number of callers whose requests have to fail until an open breaker refuses everybody.
const CALLERS: usize = 3;

/// Most callers whose existence checks may try the guest of an open breaker at a time.
const CHECKS: usize = 8;

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

/// The right of a request or a check to run. If it is dropped before [`ended`](Self::ended), it decides nothing.
pub(crate) struct Passage<'a> {
    breaker: &'a Breaker,
    probe: Option<Probe>,
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
        if !self.is_marked.load(Relaxed) {
            return Ok(self.passage(None));
        }
        match request.operation {
            Operation::Renew | Operation::Revoke => Ok(self.passage(None)),
            Operation::Rollback if self.state.lock().open.is_some() => Err(Error::UnsupportedOperation),
            Operation::Rollback => Ok(self.passage(None)),
            _ => self.decide(Kind::Request, request),
        }
    }

    /// Lets an existence check run, or not. Its request has to be [admitted](Self::admit) all the same. The check itself decides
    /// nothing, so what is returned is to be dropped when the check has ended.
    ///
    /// # Errors
    /// 503 with the cause.
    pub fn admit_check(&self, request: &types::Request) -> Result<Passage<'_>, Error> {
        match self.is_marked.load(Relaxed) {
            false => Ok(self.passage(None)),
            true => self.decide(Kind::Check, request),
        }
    }

    fn decide(&self, kind: Kind, request: &types::Request) -> Result<Passage<'_>, Error> {
        let mut state = self.state.lock();
        match state.admit(kind, self.who(request), Instant::now()) {
            Admission::Pass => Ok(self.passage(None)),
            Admission::Probe(probe) => Ok(self.passage(Some(probe))),
            Admission::Refused(wait) => Err(self.refusal(&state, wait)),
        }
    }

    fn passage(&self, probe: Option<Probe>) -> Passage<'_> {
        Passage { breaker: self, probe }
    }

    /// Notes that the existence check of a request has failed so, and that the request does not run because of it.
    pub fn check_failed(&self, request: &types::Request, fault: Fault) {
        if let Ok(mut passage) = self.admit(request) {
            passage.fail(request, fault);
        }
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
        } else if fault::has_answered(&outcome.result)
            && self.breaker.is_marked.load(Relaxed)
            && self.breaker.who(request).is_some()
        {
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
        self.probe = None;
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
            let has_opened = state.fail(settings, who, fault, self.probe.take(), Instant::now());
            (has_opened, state.failures)
        };
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
        if let Some(probe) = self.probe {
            self.breaker.state.lock().give_back(probe, Instant::now());
        }
    }
}

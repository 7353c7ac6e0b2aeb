//! The states of a breaker, without a clock and without a lock: every method is told the time.

use std::time::{Duration, Instant};

use super::{CALLERS, CHECKS, Fault, LONGEST, MEMORY, Settings};

/// The caller of a request: a hash of the caller's entity, and one of its token.
///
/// Vault sends no entity for some tokens, and another token after each login; so two requests have the same caller if either
/// is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Who {
    pub entity: Option<u64>,
    pub token: Option<u64>,
}

impl Who {
    fn is(self, other: Who) -> bool {
        let same = |one: Option<u64>, other: Option<u64>| one.is_some() && one == other;
        same(self.entity, other.entity) || same(self.token, other.token)
    }
}

/// The kind of a probe, which tries the guest of an open breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request, one at a time. Its end decides whether the breaker closes.
    Request,
    /// An existence check, one at a time of each caller. It decides nothing, because Vault has not asked its policies yet. So a
    /// caller who may do nothing must not hold up the checks of others.
    Check,
}

/// The right to try the guest of an open breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Probe {
    kind: Kind,
    who: Who,
    /// The number of the opening that it is for. A probe left over from an earlier opening decides nothing in a later one.
    opening: u64,
}

/// The decision about a request or a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Pass,
    Probe(Probe),
    /// It does not run. A probe is due after this time, or running if it is `None`.
    Refused(Option<Duration>),
}

/// A breaker that has opened.
#[derive(Debug)]
pub(super) struct Open {
    /// The time at which it opened.
    pub at: Instant,
    /// The time from which a probe may run.
    pub until: Instant,
    pause: Duration,
    number: u64,
    pub is_probing: bool,
    /// Whose probe decided nothing, and until when others come first, so that one caller does not try it for ever.
    passed_over: Option<(Who, Instant)>,
    /// Whose existence checks run.
    checking: Vec<Who>,
}

impl Open {
    /// Returns true if a request or check of this caller may try the guest, which it then does.
    fn try_as(&mut self, kind: Kind, who: Who) -> bool {
        match kind {
            Kind::Request => !std::mem::replace(&mut self.is_probing, true),
            Kind::Check
                if self.checking.len() >= CHECKS || self.checking.iter().any(|other| other.is(who)) =>
            {
                false
            }
            Kind::Check => {
                self.checking.push(who);
                true
            }
        }
    }
}

/// The failures in a row of one guest on one mount.
#[derive(Debug, Default)]
pub(super) struct State {
    pub failures: u32,
    /// The last failure, and its time.
    pub last: Option<(Fault, Instant)>,
    /// The callers whose requests failed.
    pub failed: Vec<Who>,
    pub open: Option<Open>,
    /// The number of times that it has opened.
    openings: u64,
}

impl State {
    /// Returns true if an open breaker refuses everybody, and not only those whose requests failed.
    pub fn refuses_everybody(&self) -> bool {
        self.failed.len() >= CALLERS
    }

    fn concerns(&self, who: Option<Who>) -> bool {
        self.refuses_everybody() || who.is_some_and(|who| self.failed.iter().any(|failed| failed.is(who)))
    }

    /// Decides about a request or a check. A probe has to be [given back](Self::give_back) if neither [`succeed`](Self::succeed)
    /// nor [`fail`](Self::fail) follows.
    pub fn admit(&mut self, kind: Kind, who: Option<Who>, now: Instant) -> Admission {
        let concerns = self.concerns(who);
        let Some(open) = self.open.as_mut().filter(|_| concerns) else {
            return Admission::Pass;
        };
        match open.until.checked_duration_since(now) {
            Some(wait) if !wait.is_zero() => return Admission::Refused(Some(wait)),
            _ => {}
        }
        // Nobody knows who it is, so it must neither decide for the others nor hold up the one that does.
        let Some(who) = who else {
            return Admission::Pass;
        };
        if let (Kind::Request, Some((other, until))) = (kind, open.passed_over)
            && other.is(who)
            && until > now
        {
            return Admission::Refused(Some(until - now));
        }
        match open.try_as(kind, who) {
            true => Admission::Probe(Probe {
                kind,
                who,
                opening: open.number,
            }),
            false => Admission::Refused(None),
        }
    }

    /// Gives a probe back that decided nothing. The next one is that of another caller, if there is one within the pause.
    pub fn give_back(&mut self, probe: Probe, now: Instant) {
        let Some(open) = self.open_for(probe) else {
            return;
        };
        match probe.kind {
            Kind::Request => {
                open.is_probing = false;
                open.passed_over = Some((probe.who, now + open.pause));
            }
            Kind::Check => open.checking.retain(|who| *who != probe.who),
        }
    }

    fn open_for(&mut self, probe: Probe) -> Option<&mut Open> {
        self.open.as_mut().filter(|open| open.number == probe.opening)
    }

    /// Notes that the guest has answered a request. Returns what had been noted before.
    pub fn succeed(&mut self) -> State {
        let fresh = self.fresh();
        std::mem::replace(self, fresh)
    }

    fn fresh(&self) -> State {
        State {
            openings: self.openings,
            ..State::default()
        }
    }

    /// Notes a failure. Returns true if the breaker opens because of it, and not because it was open already.
    pub fn fail(
        &mut self,
        settings: &Settings,
        who: Who,
        fault: Fault,
        probe: Option<Probe>,
        now: Instant,
    ) -> bool {
        let longest = settings.pause.saturating_mul(LONGEST);
        let is_stale = |at: Instant| now.saturating_duration_since(at) > MEMORY;
        if self.open.is_none() && self.last.is_some_and(|(_, at)| is_stale(at)) {
            *self = self.fresh();
        }
        self.failures = self.failures.saturating_add(1);
        self.last = Some((fault, now));
        if !self.refuses_everybody() && !self.failed.iter().any(|failed| failed.is(who)) {
            self.failed.push(who);
        }
        if let Some(open) = probe.and_then(|probe| self.open_for(probe)) {
            open.pause = open.pause.saturating_mul(2).min(longest);
            open.until = now + open.pause;
            open.is_probing = false;
            return false;
        }
        let opens = self.open.is_none() && settings.failures != 0 && self.failures >= settings.failures;
        if opens {
            self.openings += 1;
            self.open = Some(Open {
                at: now,
                until: now + settings.pause,
                pause: settings.pause,
                number: self.openings,
                is_probing: false,
                passed_over: None,
                checking: Vec::new(),
            });
        }
        opens
    }
}

#[cfg(test)]
mod tests;

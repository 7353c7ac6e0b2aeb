//! The states of a breaker, without a clock and without a lock: every method is told the time.

use std::time::{Duration, Instant};

use super::{CALLERS, Fault, LONGEST, MEMORY, Settings};

/// Who sent a request: a hash of the caller's entity, and one of its token.
///
/// Vault sends no entity for some tokens, and another token after each login; so two requests have the same caller if either
/// is the same.
#[derive(Debug, Clone, Copy)]
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

/// What tries the guest of an open breaker. One of each kind runs at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request. What becomes of it decides what becomes of the others.
    Request,
    /// An existence check. It decides nothing, because Vault has not asked its policies yet.
    Check,
}

/// The right to try the guest of an open breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Probe {
    kind: Kind,
    /// The opening that it is for. What is left over from one has no say in the next.
    opening: u64,
}

/// What becomes of a request or a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Pass,
    Probe(Probe),
    /// It does not run. A probe is due after this time, or running if it is `None`.
    Refused(Option<Duration>),
}

/// A breaker that has opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    /// The time at which it opened.
    pub at: Instant,
    /// The time from which a probe may run.
    pub until: Instant,
    pause: Duration,
    number: u64,
    pub is_probing: bool,
    is_checking: bool,
}

impl Open {
    /// Whether something of this kind tries the guest now.
    fn is_trying(&mut self, kind: Kind) -> &mut bool {
        match kind {
            Kind::Request => &mut self.is_probing,
            Kind::Check => &mut self.is_checking,
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
    /// How often it has opened.
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
            // Nobody knows who it is, so it must neither decide for the others nor hold up the one that does.
            _ if who.is_none() => return Admission::Pass,
            _ => {}
        }
        match std::mem::replace(open.is_trying(kind), true) {
            true => Admission::Refused(None),
            false => Admission::Probe(Probe {
                kind,
                opening: open.number,
            }),
        }
    }

    /// Gives a probe back that decided nothing: the next request or check is one.
    pub fn give_back(&mut self, probe: Probe) {
        if let Some(open) = self.open_for(probe) {
            *open.is_trying(probe.kind) = false;
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
                is_checking: false,
            });
        }
        opens
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(1);
    const SETTINGS: Settings = Settings {
        failures: 3,
        pause: PAUSE,
    };

    fn who(number: u64) -> Who {
        Who {
            entity: Some(number),
            token: None,
        }
    }

    /// A breaker with a clock that the test moves.
    struct Clocked {
        state: State,
        now: Instant,
    }

    impl Clocked {
        fn new() -> Self {
            Self {
                state: State::default(),
                now: Instant::now(),
            }
        }

        fn fail(&mut self, number: u64) -> bool {
            let probe = match self.admit(number) {
                Admission::Probe(probe) => Some(probe),
                _ => None,
            };
            self.fail_as(who(number), probe)
        }

        fn fail_as(&mut self, who: Who, probe: Option<Probe>) -> bool {
            self.state.fail(&SETTINGS, who, Fault::Trap, probe, self.now)
        }

        fn admit(&mut self, number: u64) -> Admission {
            self.state.admit(Kind::Request, Some(who(number)), self.now)
        }

        /// Returns the probe that a request is.
        #[track_caller]
        fn probe(&mut self, kind: Kind, number: u64) -> Probe {
            match self.state.admit(kind, Some(who(number)), self.now) {
                Admission::Probe(probe) => probe,
                other => panic!("{other:?}"),
            }
        }

        /// Admits a request that came without a token.
        fn admit_nobody(&mut self) -> Admission {
            self.state.admit(Kind::Request, None, self.now)
        }

        /// Fails until the breaker opens for everybody.
        fn open(&mut self) {
            assert_eq!([1, 2, 3].map(|number| self.fail(number)), [false, false, true]);
        }
    }

    #[test]
    fn opens_after_failures_in_a_row_and_refuses_until_the_pause_is_over() {
        let mut breaker = Clocked::new();
        breaker.open();
        assert_eq!(breaker.admit(9), Admission::Refused(Some(PAUSE)));
        breaker.now += PAUSE - Duration::from_millis(1);
        assert_eq!(
            breaker.admit(9),
            Admission::Refused(Some(Duration::from_millis(1)))
        );
        breaker.now += Duration::from_millis(1);
        breaker.probe(Kind::Request, 9);
    }

    #[test]
    fn one_success_between_failures_keeps_it_closed() {
        let mut breaker = Clocked::new();
        for _ in 0..10 {
            assert!(!breaker.fail(1) && !breaker.fail(2));
            breaker.state.succeed();
        }
        assert_eq!(breaker.admit(1), Admission::Pass);
    }

    #[test]
    fn one_caller_sets_the_guest_aside_for_itself_alone() {
        let mut breaker = Clocked::new();
        for _ in 0..20 {
            breaker.fail(1);
        }
        assert!(matches!(breaker.admit(1), Admission::Refused(_)));
        assert_eq!(breaker.admit(2), Admission::Pass);
        assert_eq!(breaker.admit_nobody(), Admission::Pass);
        // The other's success ends it for both.
        breaker.state.succeed();
        assert_eq!(breaker.admit(1), Admission::Pass);
    }

    #[test]
    fn a_caller_is_known_by_its_entity_and_by_its_token() {
        let mut breaker = Clocked::new();
        let both = Who {
            entity: Some(7),
            token: Some(8),
        };
        for _ in 0..3 {
            breaker.fail_as(both, None);
        }
        assert_eq!(breaker.state.failed.len(), 1);
        let token = Who {
            entity: None,
            token: Some(8),
        };
        for known in [who(7), token] {
            let admission = breaker.state.admit(Kind::Request, Some(known), breaker.now);
            assert!(matches!(admission, Admission::Refused(_)), "{known:?}");
        }
    }

    #[test]
    fn only_one_probe_runs_and_its_success_lets_everybody_in() {
        let mut breaker = Clocked::new();
        breaker.open();
        breaker.now += PAUSE;
        breaker.probe(Kind::Request, 4);
        assert_eq!(breaker.admit(5), Admission::Refused(None));
        assert!(breaker.state.succeed().open.is_some());
        assert_eq!(breaker.admit(5), Admission::Pass);
    }

    #[test]
    fn each_probe_that_fails_doubles_the_pause_up_to_the_longest() {
        let mut breaker = Clocked::new();
        breaker.open();
        let mut pause = PAUSE;
        for _ in 0..10 {
            breaker.now += pause;
            assert!(!breaker.fail(1), "it opens once");
            pause = (pause * 2).min(PAUSE * LONGEST);
            assert_eq!(breaker.admit(1), Admission::Refused(Some(pause)));
        }
        assert_eq!(pause, PAUSE * LONGEST);
        // After a success, the first pause is the short one again.
        breaker.state.succeed();
        breaker.open();
        assert_eq!(breaker.admit(1), Admission::Refused(Some(PAUSE)));
    }

    #[test]
    fn a_probe_that_is_given_back_is_followed_by_another() {
        let mut breaker = Clocked::new();
        breaker.open();
        breaker.now += PAUSE;
        let probe = breaker.probe(Kind::Request, 1);
        breaker.state.give_back(probe);
        breaker.probe(Kind::Request, 2);
    }

    #[test]
    fn one_existence_check_runs_at_a_time_and_holds_up_no_request() {
        let mut breaker = Clocked::new();
        breaker.open();
        breaker.now += PAUSE;
        let check = breaker.probe(Kind::Check, 4);
        let second = breaker.state.admit(Kind::Check, Some(who(5)), breaker.now);
        assert_eq!(second, Admission::Refused(None));
        breaker.probe(Kind::Request, 6);
        breaker.state.give_back(check);
        breaker.probe(Kind::Check, 5);
        assert_eq!(breaker.admit(7), Admission::Refused(None));
    }

    #[test]
    fn a_probe_has_no_say_in_a_later_opening() {
        let mut breaker = Clocked::new();
        breaker.open();
        breaker.now += PAUSE;
        let slow = breaker.probe(Kind::Request, 1);
        breaker.state.succeed();
        breaker.open();
        breaker.fail_as(who(1), Some(slow));
        assert_eq!(breaker.admit(1), Admission::Refused(Some(PAUSE)));
        breaker.now += PAUSE;
        breaker.probe(Kind::Request, 2);
        breaker.state.give_back(slow);
        assert_eq!(breaker.admit(3), Admission::Refused(None));
    }

    #[test]
    fn a_request_of_nobody_is_no_probe_and_waits_for_none() {
        let mut breaker = Clocked::new();
        breaker.open();
        assert!(matches!(breaker.admit_nobody(), Admission::Refused(_)));
        breaker.now += PAUSE;
        breaker.probe(Kind::Request, 1);
        assert_eq!(breaker.admit_nobody(), Admission::Pass);
    }

    #[test]
    fn failures_of_requests_that_ran_already_lengthen_no_pause() {
        let mut breaker = Clocked::new();
        breaker.open();
        for number in 4..60 {
            breaker.fail_as(who(number), None);
        }
        assert_eq!(breaker.admit(1), Admission::Refused(Some(PAUSE)));
        assert_eq!(breaker.state.failed.len(), CALLERS);
    }

    #[test]
    fn failures_that_are_long_past_are_forgotten() {
        let mut breaker = Clocked::new();
        assert!(!breaker.fail(1) && !breaker.fail(2));
        breaker.now += MEMORY + Duration::from_secs(1);
        assert!(!breaker.fail(3) && !breaker.fail(4) && breaker.fail(5));
    }

    #[test]
    fn without_a_number_it_never_opens() {
        let mut state = State::default();
        let off = Settings {
            failures: 0,
            ..SETTINGS
        };
        for number in 0..100 {
            assert!(!state.fail(&off, who(number), Fault::Trap, None, Instant::now()));
        }
    }
}

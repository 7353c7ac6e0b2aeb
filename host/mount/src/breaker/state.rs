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

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Pass,
    /// It runs, and what becomes of it decides what becomes of the others.
    Probe,
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
    pub is_probing: bool,
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
}

impl State {
    /// Returns true if an open breaker refuses everybody, and not only those whose requests failed.
    pub fn refuses_everybody(&self) -> bool {
        self.failed.len() >= CALLERS
    }

    fn concerns(&self, who: Option<Who>) -> bool {
        self.refuses_everybody() || who.is_some_and(|who| self.failed.iter().any(|failed| failed.is(who)))
    }

    /// Decides about a request, but does not make a probe of it.
    pub fn look(&self, who: Option<Who>, now: Instant) -> Admission {
        match &self.open {
            Some(open) if self.concerns(who) => match open.until.checked_duration_since(now) {
                Some(wait) if !wait.is_zero() => Admission::Refused(Some(wait)),
                // Nobody knows who it is, so it must neither decide for the others nor hold up the one that does.
                _ if who.is_none() => Admission::Pass,
                _ if open.is_probing => Admission::Refused(None),
                _ => Admission::Probe,
            },
            _ => Admission::Pass,
        }
    }

    /// Decides about a request. A probe has to be [given back](Self::give_back) if neither [`succeed`](Self::succeed) nor
    /// [`fail`](Self::fail) follows.
    pub fn admit(&mut self, who: Option<Who>, now: Instant) -> Admission {
        let admission = self.look(who, now);
        if let (Admission::Probe, Some(open)) = (admission, &mut self.open) {
            open.is_probing = true;
        }
        admission
    }

    /// Gives a probe back that decided nothing: the next request is one.
    pub fn give_back(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_probing = false;
        }
    }

    /// Notes that the guest has answered a request. Returns what had been noted before.
    pub fn succeed(&mut self) -> State {
        std::mem::take(self)
    }

    /// Notes a failure. Returns true if the breaker opens because of it, and not because it was open already.
    pub fn fail(
        &mut self,
        settings: &Settings,
        who: Who,
        fault: Fault,
        is_probe: bool,
        now: Instant,
    ) -> bool {
        let longest = settings.pause.saturating_mul(LONGEST);
        let is_stale = |at: Instant| now.saturating_duration_since(at) > MEMORY;
        if self.open.is_none() && self.last.is_some_and(|(_, at)| is_stale(at)) {
            *self = Self::default();
        }
        self.failures = self.failures.saturating_add(1);
        self.last = Some((fault, now));
        if !self.refuses_everybody() && !self.failed.iter().any(|failed| failed.is(who)) {
            self.failed.push(who);
        }
        match &mut self.open {
            Some(open) if is_probe => {
                open.pause = open.pause.saturating_mul(2).min(longest);
                open.until = now + open.pause;
                open.is_probing = false;
                false
            }
            Some(_) => false,
            None if settings.failures != 0 && self.failures >= settings.failures => {
                self.open = Some(Open {
                    at: now,
                    until: now + settings.pause,
                    pause: settings.pause,
                    is_probing: false,
                });
                true
            }
            None => false,
        }
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
            let is_probe = self.admit(number) == Admission::Probe;
            self.state
                .fail(&SETTINGS, who(number), Fault::Trap, is_probe, self.now)
        }

        fn admit(&mut self, number: u64) -> Admission {
            self.state.admit(Some(who(number)), self.now)
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
        assert_eq!(breaker.admit(9), Admission::Probe);
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
        assert_eq!(breaker.state.look(None, breaker.now), Admission::Pass);
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
            breaker
                .state
                .fail(&SETTINGS, both, Fault::Trap, false, breaker.now);
        }
        assert_eq!(breaker.state.failed.len(), 1);
        let token = Who {
            entity: None,
            token: Some(8),
        };
        for known in [who(7), token] {
            let looked = breaker.state.look(Some(known), breaker.now);
            assert!(matches!(looked, Admission::Refused(_)), "{known:?}");
        }
    }

    #[test]
    fn only_one_probe_runs_and_its_success_lets_everybody_in() {
        let mut breaker = Clocked::new();
        breaker.open();
        breaker.now += PAUSE;
        assert_eq!(breaker.state.look(Some(who(4)), breaker.now), Admission::Probe);
        assert_eq!(breaker.admit(4), Admission::Probe);
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
        assert_eq!(breaker.admit(1), Admission::Probe);
        breaker.state.give_back();
        assert_eq!(breaker.admit(2), Admission::Probe);
    }

    #[test]
    fn a_request_of_nobody_is_no_probe_and_waits_for_none() {
        let mut breaker = Clocked::new();
        breaker.open();
        let looked = breaker.state.admit(None, breaker.now);
        assert!(matches!(looked, Admission::Refused(_)));
        breaker.now += PAUSE;
        assert_eq!(breaker.admit(1), Admission::Probe);
        assert_eq!(breaker.state.admit(None, breaker.now), Admission::Pass);
    }

    #[test]
    fn failures_of_requests_that_ran_already_lengthen_no_pause() {
        let mut breaker = Clocked::new();
        breaker.open();
        for number in 4..60 {
            breaker
                .state
                .fail(&SETTINGS, who(number), Fault::Trap, false, breaker.now);
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
            assert!(!state.fail(&off, who(number), Fault::Trap, false, Instant::now()));
        }
    }
}

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
    breaker.state.give_back(probe, breaker.now);
    // Others come first, for a pause.
    assert_eq!(breaker.admit(1), Admission::Refused(Some(PAUSE)));
    let probe = breaker.probe(Kind::Request, 2);
    breaker.state.give_back(probe, breaker.now);
    breaker.now += PAUSE;
    breaker.probe(Kind::Request, 2);
}

#[test]
fn a_caller_checks_once_at_a_time_and_holds_up_nobody() {
    let mut breaker = Clocked::new();
    breaker.open();
    breaker.now += PAUSE;
    let check = breaker.probe(Kind::Check, 4);
    let second = breaker.state.admit(Kind::Check, Some(who(4)), breaker.now);
    assert_eq!(second, Admission::Refused(None));
    breaker.probe(Kind::Check, 5);
    breaker.probe(Kind::Request, 5);
    breaker.state.give_back(check, breaker.now);
    breaker.probe(Kind::Check, 4);
    assert_eq!(breaker.admit(7), Admission::Refused(None));
}

#[test]
fn a_set_aside_guest_runs_a_few_checks_at_most() {
    let mut breaker = Clocked::new();
    breaker.open();
    breaker.now += PAUSE;
    for number in 0..CHECKS as u64 {
        breaker.probe(Kind::Check, 10 + number);
    }
    let further = breaker.state.admit(Kind::Check, Some(who(9)), breaker.now);
    assert_eq!(further, Admission::Refused(None));
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
    breaker.state.give_back(slow, breaker.now);
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

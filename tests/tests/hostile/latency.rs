//! How long the neighbours' requests take, and how far they are.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use airlock_tests::Mount;

/// Times of requests to the neighbour, and in turn with them to a mount on another process, which says how much of a delay
/// is the machine's and the server's.
pub struct Times {
    pub neighbour: Samples,
    pub elsewhere: Samples,
}

impl Times {
    /// Of so many rounds, and more as long as `goes_on` says so, which is asked after each.
    pub fn measure(
        neighbour: (&Mount, &str),
        elsewhere: (&Mount, &str),
        rounds: usize,
        goes_on: impl Fn() -> bool,
    ) -> Result<Self, String> {
        let (mut times, mut times_elsewhere) = (Vec::new(), Vec::new());
        loop {
            times.push(Samples::time(neighbour.0, neighbour.1)?);
            times_elsewhere.push(Samples::time(elsewhere.0, elsewhere.1)?);
            if !goes_on() && times.len() >= rounds {
                break;
            }
        }
        Ok(Self {
            neighbour: Samples::of(times),
            elsewhere: Samples::of(times_elsewhere),
        })
    }
}

/// Times of requests, in order of size.
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Times one request; the error is an answer other than success.
    pub fn time(neighbour: &Mount, path: &str) -> Result<Duration, String> {
        let began = Instant::now();
        let answer = neighbour.read(path);
        let time = began.elapsed();
        match answer.status {
            200 => Ok(time),
            _ => Err(format!("the neighbour got {answer:?}")),
        }
    }

    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// The time that so many of a hundred requests do not exceed.
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0[rank.max(1) - 1]
    }
}

/// How many answers the neighbour has, for those who wait for more.
#[derive(Default)]
pub struct Pace {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    answers: usize,
    ended: bool,
}

impl Pace {
    /// The neighbour has one more.
    pub fn count(&self) {
        self.state.lock().unwrap().answers += 1;
        self.changed.notify_all();
    }

    /// It asks for no more.
    pub fn end(&self) {
        self.state.lock().unwrap().ended = true;
        self.changed.notify_all();
    }

    /// How many it has.
    pub fn answers(&self) -> usize {
        self.state.lock().unwrap().answers
    }

    /// Waits until it has so many; false if it asks for no more.
    pub fn wait_for(&self, answers: usize) -> bool {
        let state = self.state.lock().unwrap();
        let state = self
            .changed
            .wait_while(state, |state| !state.ended && state.answers < answers);
        !state.unwrap().ended
    }
}

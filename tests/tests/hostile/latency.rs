//! Measures the neighbour's requests: how long they take, and how many are answered.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use airlock_tests::Mount;

/// Times of requests to the neighbour, alternating with requests to a mount on another process. The latter show which
/// part of a delay comes from the machine and the server.
pub struct Times {
    pub neighbour: Samples,
    pub elsewhere: Samples,
}

impl Times {
    /// Measures this number of rounds, and further ones while `goes_on` returns true. It is called after each round.
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

/// Times of requests, in ascending order.
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Times one request. An answer other than success is an error.
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

    /// Returns the time that this percentage of the requests does not exceed.
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0[rank.max(1) - 1]
    }
}

/// A count of the neighbour's answers, for callers that wait for more.
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
    /// Counts one more answer.
    pub fn count(&self) {
        self.state.lock().unwrap().answers += 1;
        self.changed.notify_all();
    }

    /// Ends the count, because the neighbour sends no further requests.
    pub fn end(&self) {
        self.state.lock().unwrap().ended = true;
        self.changed.notify_all();
    }

    /// Returns the number of answers.
    pub fn answers(&self) -> usize {
        self.state.lock().unwrap().answers
    }

    /// Waits until there are this many answers. Returns false if the count has ended.
    pub fn wait_for(&self, answers: usize) -> bool {
        let state = self.state.lock().unwrap();
        let state = self
            .changed
            .wait_while(state, |state| !state.ended && state.answers < answers);
        !state.unwrap().ended
    }
}

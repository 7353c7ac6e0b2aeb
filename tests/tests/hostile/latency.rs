//! How long a neighbour's requests take, and how far it is.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use airlock_tests::Mount;

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

    /// Of these times.
    pub fn of(mut times: Vec<Duration>) -> Self {
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

//! How long a neighbour's requests take.

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

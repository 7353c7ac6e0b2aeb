//! Callers that send requests until they are told to stop, and the count of what became of these.
//!
//! A request that was on its way while something happened, a crash say, may have been done or not, or both, for Vault may
//! send it again. [`Load::in_flight_during`] counts those; every other one was done once if it was acknowledged and not at
//! all if it was not. While nothing happens no request fails: [`Load::undisturbed`].

use std::sync::{Condvar, Mutex, MutexGuard};

use crate::http::Answer;

/// What became of a request.
#[derive(Clone, Debug)]
pub enum End {
    /// It was done, and the caller was told.
    Acknowledged,
    /// The engine refused it, as it had to: it was served, and it was not done.
    Refused,
    /// The caller was told that it was not done, or that nobody knows; with what the caller was told.
    Failed(String),
    /// What must not be: the load stops, and [`Load::acknowledged`] panics with this text.
    Wrong(String),
}

impl End {
    /// Of a request that may fail for want of a host, or of its storage: 500 and 503.
    pub fn of(answer: &Answer) -> End {
        match answer.status {
            200 | 204 => End::Acknowledged,
            500 | 503 => End::Failed(format!("{answer:?}")),
            _ => End::Wrong(format!("{answer:?}")),
        }
    }
}

/// Requests that several callers send.
#[derive(Default)]
pub struct Load {
    tally: Mutex<Tally>,
    changed: Condvar,
}

/// Requests are numbered as they begin.
#[derive(Default)]
struct Tally {
    begun: u64,
    ended: u64,
    acknowledged: Vec<u64>,
    failed: Vec<(u64, String)>,
    stop: bool,
    wrong: Option<String>,
}

impl Tally {
    fn acknowledged_since(&self, first: u64) -> u64 {
        let since = self.acknowledged.iter().filter(|number| **number >= first);
        since.count() as u64
    }
}

impl Load {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap()
    }

    /// Sends one request after the other until [`Load::stop`]: what a caller's thread does.
    pub fn call(&self, mut send: impl FnMut() -> End) {
        loop {
            let number = {
                let mut tally = self.tally();
                if tally.stop {
                    return;
                }
                let number = tally.begun;
                tally.begun += 1;
                number
            };
            let end = send();
            let mut tally = self.tally();
            tally.ended += 1;
            match end {
                End::Acknowledged => tally.acknowledged.push(number),
                End::Refused => {}
                End::Failed(what) => tally.failed.push((number, what)),
                End::Wrong(what) => {
                    tally.stop = true;
                    tally.wrong = Some(what);
                }
            }
            self.changed.notify_all();
        }
    }

    /// Tells the callers to stop. They end with the request that each is at.
    pub fn stop(&self) {
        self.tally().stop = true;
    }

    /// Stops the load when it is dropped, so that a test that fails beside its callers does not wait for them without end.
    #[must_use]
    pub fn stop_when_dropped(&self) -> Stop<'_> {
        Stop(self)
    }

    /// Waits until so many requests that begin from now on have been acknowledged, or the load has stopped.
    pub fn wait_for(&self, more: u64) {
        let mut tally = self.tally();
        let first = tally.begun;
        while tally.acknowledged_since(first) < more && !tally.stop {
            tally = self.changed.wait(tally).unwrap();
        }
    }

    /// Does something, and counts the requests that were on their way at some time meanwhile.
    pub fn in_flight_during(&self, something: impl FnOnce()) -> u64 {
        let ended = self.tally().ended;
        something();
        self.tally().begun - ended
    }

    /// Waits until so many more requests have been acknowledged, while nothing happens that could disturb one; panics if
    /// one that began meanwhile has failed. After a disturbance, wait for a request to be acknowledged first.
    #[track_caller]
    pub fn undisturbed(&self, more: u64) {
        let first = self.tally().begun;
        self.wait_for(more);
        self.assert_none_failed_since(first);
    }

    /// Panics if any request has failed.
    #[track_caller]
    pub fn assert_none_failed(&self) {
        self.assert_none_failed_since(0);
    }

    #[track_caller]
    fn assert_none_failed_since(&self, first: u64) {
        let failed = {
            let tally = self.tally();
            let since = tally.failed.iter().filter(|(number, _)| *number >= first);
            since.map(|(_, what)| what.clone()).collect::<Vec<_>>()
        };
        assert!(
            failed.is_empty(),
            "{} requests failed though nothing disturbed them: {}",
            failed.len(),
            failed[0]
        );
    }

    /// How many requests were acknowledged; panics if anything went wrong.
    #[track_caller]
    pub fn acknowledged(&self) -> u64 {
        let tally = self.tally();
        assert!(tally.wrong.is_none(), "{:?}", tally.wrong);
        tally.acknowledged.len() as u64
    }
}

/// Stops a load when it is dropped.
pub struct Stop<'l>(&'l Load);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

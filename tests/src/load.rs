//! Callers that send requests until they are told to stop, and a count of the results.
//!
//! A request that was in flight during an event such as a crash may or may not have taken effect, and it may have taken
//! effect twice, because Vault may send it again. [`Load::in_flight_during`] counts those requests. Every other request
//! took effect once if it was acknowledged and not at all if it was not. Without such an event no request fails: see
//! [`Load::undisturbed`].

use std::sync::{Condvar, Mutex, MutexGuard};

use crate::http::Answer;

/// The result of a request.
#[derive(Clone, Debug)]
pub enum End {
    /// The request took effect, and the caller was told so.
    Acknowledged,
    /// The engine refused the request, as it had to: it was served, and it had no effect.
    Refused,
    /// The caller was told that the request failed or that its outcome is unknown. Holds what the caller was told.
    Failed(String),
    /// A result that must not occur: the load stops, and [`Load::acknowledged`] panics with this text.
    Wrong(String),
}

impl End {
    /// Returns the result of a request that may fail with 500 or 503 because the host or its storage is unavailable.
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

/// The counts of requests. Requests are numbered as they begin.
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

    /// Sends one request after the other until [`Load::stop`]. Each caller's thread runs this.
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

    /// Tells the callers to stop. Each ends after its current request.
    pub fn stop(&self) {
        self.tally().stop = true;
    }

    /// Stops the load when the result is dropped, so that a test that fails while callers run does not wait for them
    /// forever.
    #[must_use]
    pub fn stop_when_dropped(&self) -> Stop<'_> {
        Stop(self)
    }

    /// Waits until this number of requests that begin from now on have been acknowledged, or the load has stopped.
    pub fn wait_for(&self, more: u64) {
        let mut tally = self.tally();
        let first = tally.begun;
        while tally.acknowledged_since(first) < more && !tally.stop {
            tally = self.changed.wait(tally).unwrap();
        }
    }

    /// Runs `something`, and returns the number of requests that were in flight at any time during it.
    pub fn in_flight_during(&self, something: impl FnOnce()) -> u64 {
        let ended = self.tally().ended;
        something();
        self.tally().begun - ended
    }

    /// Waits until this number of further requests have been acknowledged, while nothing happens that could disturb
    /// them. Panics if one that began meanwhile has failed. After a disturbance, wait for a request to be acknowledged
    /// first.
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

    /// Returns the number of acknowledged requests. Panics if a result was wrong.
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

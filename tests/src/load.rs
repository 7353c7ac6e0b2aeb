//! Callers that send requests until they are told to stop, and the count of what became of these.
//!
//! A request that was on its way while something happened, a crash say, may have been done or not, or both, for Vault may
//! send it again. [`Load::in_flight_during`] counts those; every other one was done once if it was acknowledged and not at
//! all if it was not.

use std::sync::{Condvar, Mutex, MutexGuard};

use crate::http::Answer;

/// What became of a request.
#[derive(Debug)]
pub enum End {
    /// It was done, and the caller was told.
    Acknowledged,
    /// The caller was told that it was not done, or that nobody knows.
    Failed,
    /// What must not be: the load stops, and [`Load::acknowledged`] panics with this text.
    Wrong(String),
}

impl End {
    /// Of a request that may fail for want of a host, or of its storage: 500 and 503.
    pub fn of(answer: &Answer) -> End {
        match answer.status {
            200 | 204 => End::Acknowledged,
            500 | 503 => End::Failed,
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

#[derive(Default)]
struct Tally {
    begun: u64,
    ended: u64,
    acknowledged: u64,
    stop: bool,
    wrong: Option<String>,
}

impl Load {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap()
    }

    /// Sends one request after the other until [`Load::stop`]: what a caller's thread does.
    pub fn call(&self, mut send: impl FnMut() -> End) {
        loop {
            {
                let mut tally = self.tally();
                if tally.stop {
                    return;
                }
                tally.begun += 1;
            }
            let end = send();
            let mut tally = self.tally();
            tally.ended += 1;
            match end {
                End::Acknowledged => tally.acknowledged += 1,
                End::Failed => {}
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

    /// Waits until so many more requests have been acknowledged, or the load has stopped.
    pub fn wait_for(&self, more: u64) {
        let mut tally = self.tally();
        let enough = tally.acknowledged + more;
        while tally.acknowledged < enough && !tally.stop {
            tally = self.changed.wait(tally).unwrap();
        }
    }

    /// Does something, and counts the requests that were on their way at some time meanwhile.
    pub fn in_flight_during(&self, something: impl FnOnce()) -> u64 {
        let ended = self.tally().ended;
        something();
        self.tally().begun - ended
    }

    /// How many requests were acknowledged; panics if anything went wrong.
    #[track_caller]
    pub fn acknowledged(&self) -> u64 {
        let tally = self.tally();
        assert!(tally.wrong.is_none(), "{:?}", tally.wrong);
        tally.acknowledged
    }
}

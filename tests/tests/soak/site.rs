//! A mount, the host process that serves it, and the single function that sends requests there.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use airlock_tests::{Answer, Dice, Mount, Server};
use serde_json::Value;

use super::clock::{Clock, Tick};
use super::outcome::{End, Outcome};
use super::register::Fault;
use super::value::{Id, Place};
use super::windows::{Disturbance, Mark, Windows};

/// An `airlock serve` process, and its successors.
pub struct Host {
    /// The name of its registration, and of its guest's file.
    pub name: String,
    /// True if the process lives through the whole run.
    pub steady: bool,
    pub windows: Windows,
    /// The number of requests at the last start of the process.
    pub born: AtomicU64,
}

impl Host {
    pub fn new(name: &str, steady: bool) -> Arc<Self> {
        Arc::new(Host {
            name: name.to_owned(),
            steady,
            windows: Windows::default(),
            born: AtomicU64::new(0),
        })
    }
}

/// One request that a caller is to make.
pub struct Call {
    /// The request's number, from 1. No two requests have the same number.
    pub id: Id,
    /// The source of its random choices, which follow from the number.
    pub dice: Dice,
}

/// The requests to a mount, and the model of the data that must be there.
pub trait Engine: Send + Sync {
    fn site(&self) -> &Site;

    /// Makes one request, and judges its answer.
    fn call(&self, call: &mut Call) -> Outcome;

    /// Returns true if the mount answers a request that changes nothing.
    fn serves(&self) -> bool;

    /// Called before its host is disturbed.
    fn disturb(&self) {}

    /// Called after the disturbance.
    fn settle(&self) -> Vec<Outcome> {
        Vec::new()
    }

    /// Reads everything while no other request runs, and compares it with the model and with storage.
    fn verify(&self, server: &Server) -> Vec<Outcome>;
}

/// A mount and its host.
pub struct Site {
    pub mount: Mount,
    pub host: Arc<Host>,
    pub clock: Arc<Clock>,
    /// The mount's number among all mounts.
    pub number: usize,
}

/// A request that is about to be sent.
pub struct Begun {
    pub at: Tick,
    mark: Mark,
}

/// A request that was sent.
pub struct Sent {
    pub begun: Tick,
    pub ended: Tick,
    pub disturbed: Option<Disturbance>,
    answer: Result<Answer, String>,
}

impl Site {
    pub fn place(&self, key: usize) -> Place {
        Place {
            mount: self.number,
            key,
        }
    }

    /// Begins a request. It must be called before the model is used for this request.
    pub fn begin(&self) -> Begun {
        let mark = self.host.windows.mark();
        Begun {
            at: self.clock.tick(),
            mark,
        }
    }

    pub fn send(&self, begun: Begun, method: &str, path: &str, body: Option<&Value>) -> Sent {
        let path = self.mount.path(path);
        let answer = self.mount.client().try_request(method, &path, body);
        Sent {
            begun: begun.at,
            ended: self.clock.tick(),
            disturbed: self.host.windows.since(begun.mark),
            answer: answer.map_err(|error| format!("{method} {path}: {error}")),
        }
    }
}

impl Sent {
    /// Returns the answer, unless the request failed, that is, unless its status is 429, 500 or more, or it has no
    /// answer.
    pub fn answer(&self) -> Result<&Answer, End> {
        match &self.answer {
            Ok(answer) if answer.status >= 500 || answer.status == 429 => {
                Err(End::Failed(format!("{} {}", answer.status, answer.errors())))
            }
            Ok(answer) => Ok(answer),
            Err(error) => Err(End::Failed(error.clone())),
        }
    }

    /// Returns the answer, whatever its status.
    pub fn any_answer(&self) -> Result<&Answer, End> {
        self.answer.as_ref().map_err(|error| End::Failed(error.clone()))
    }

    /// Judges the answer, unless the request failed.
    pub fn judge(&self, kind: &'static str, judge: impl FnOnce(&Answer) -> Result<End, Fault>) -> Outcome {
        let end = match self.answer() {
            Ok(answer) => judge(answer).into(),
            Err(failed) => failed,
        };
        self.outcome(kind, end)
    }

    pub fn outcome(&self, kind: &'static str, end: impl Into<End>) -> Outcome {
        Outcome {
            kind,
            end: end.into(),
            disturbed: self.disturbed,
        }
    }
}

//! A request runs a second time, on a guest that is not in office: to find out whether it would answer the same.
//!
//! 1. [`Permit::handle_recorded`](crate::Permit::handle_recorded) runs the request on the guest in office, and records what it
//!    read, the time, the random bytes and the answers of the system: a [`Record`].
//! 2. [`Guest::replay`](crate::Guest::replay) runs it on the other guest, which gets the same. It calls nothing that was not
//!    recorded, logs nothing and sends nothing; its writes are returned and dropped.
//!
//! A request may run in the instance of its existence check, and then in both runs: [`Record::after`] makes the record of such a
//! request, and its second run begins with the check.
//!
//! A record holds the secrets of one request. Keep it for as long as the second run lasts, and never print it.
//!
//! The recorded data can also leave the process: [`Record::take_heard`] returns it, and [`Guest::rerun`](crate::Guest::rerun)
//! runs a request with such data on a mount of its own, wherever the data comes from.

mod heard;
mod recorder;
mod replayer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use airlock_storage::{Replayed, Trace, Written};
use parking_lot::Mutex;

use crate::mount::{LogLine, LogSink, Services};
use crate::types::Nanoseconds;
use crate::{CallError, Entity, Group, Replication, SystemError};

pub use heard::{Heard, Rerun};
pub(crate) use recorder::Recorder;
pub(crate) use replayer::Replayer;

/// The data that a run of a request got from outside of the guest.
#[derive(Default)]
pub struct Record {
    calls: Mutex<Calls>,
    trace: Mutex<Option<Trace>>,
    /// True if the run cannot be repeated.
    is_partial: AtomicBool,
    /// The record of the request's existence check, in whose instance it may run.
    check: Option<Arc<Record>>,
    /// True if it ran in that instance.
    is_in_check: AtomicBool,
}

/// The input of a second run.
pub(crate) struct Recorded {
    /// The calls of the existence check, if the run was in its instance.
    pub check: Option<Calls>,
    pub calls: Calls,
    pub trace: Arc<Trace>,
}

/// The answers that a guest got, in its order.
#[derive(Default, Clone)]
pub(crate) struct Calls {
    times: Vec<SystemTime>,
    random: Vec<Vec<u8>>,
    random_bytes: usize,
    system: Vec<(String, SystemAnswer)>,
}

/// An answer of the system.
#[derive(Clone)]
#[allow(missing_docs)] // each holds what the methods of `System` with this type answer
pub enum SystemAnswer {
    Time(Result<Nanoseconds, SystemError>),
    Flag(Result<bool, SystemError>),
    State(Result<Replication, SystemError>),
    Text(Result<String, SystemError>),
    Entity(Result<Option<Entity>, SystemError>),
    Groups(Result<Vec<Group>, SystemError>),
    Token(Result<(String, Nanoseconds), SystemError>),
}

/// Most calls of one kind that are recorded, and most random bytes.
const MOST: usize = 256;
const MOST_RANDOM: usize = 256 << 10;

impl Record {
    /// Returns the record of a request whose existence check has this record.
    pub fn after(check: Arc<Self>) -> Self {
        Self {
            check: Some(check),
            ..Self::default()
        }
    }

    /// Returns true if the run may be in the instance of its existence check. A second run could not repeat that without
    /// the check's record.
    pub(crate) fn has_check(&self) -> bool {
        self.check.is_some()
    }

    /// Takes what the run read and wrote, unless it cannot be repeated: because it committed more than once, wrapped
    /// data, or asked for more than is recorded.
    pub(crate) fn take(&self) -> Option<Recorded> {
        let trace = self.trace.lock().take().filter(Trace::is_whole)?;
        let check = self
            .check
            .as_ref()
            .filter(|_| self.is_in_check.load(Ordering::Relaxed));
        Some(Recorded {
            check: match check {
                Some(check) => Some(check.whole_calls()?),
                None => None,
            },
            calls: self.whole_calls()?,
            trace: Arc::new(trace),
        })
    }

    fn whole_calls(&self) -> Option<Calls> {
        let is_whole = !self.is_partial.load(Ordering::Relaxed);
        is_whole.then(|| self.calls.lock().clone())
    }

    /// Forgets what an earlier attempt of the run was told. `is_in_check` is true if this one is in the instance of the
    /// request's existence check.
    pub(crate) fn begin_attempt(&self, is_in_check: bool) {
        *self.calls.lock() = Calls::default();
        *self.trace.lock() = None;
        self.is_partial.store(false, Ordering::Relaxed);
        self.is_in_check.store(is_in_check, Ordering::Relaxed);
    }

    pub(crate) fn keep(&self, trace: Trace) {
        *self.trace.lock() = Some(trace);
    }

    pub(crate) fn gives_up(&self) {
        self.is_partial.store(true, Ordering::Relaxed);
    }
}

/// The input of a second run, and its end.
pub(crate) struct Second {
    pub replayer: Arc<Replayer>,
    pub trace: Arc<Trace>,
    pub replayed: Mutex<Option<Replayed>>,
}

impl Second {
    /// Returns what the run would have stored, or `None` if it cannot be compared with the first one.
    pub(crate) fn end<T>(&self, result: &crate::Result<T>) -> Option<Written> {
        let replayed = self.replayed.lock().take();
        let is_comparable = replayed.as_ref().is_none_or(|replayed| replayed.is_comparable);
        if !is_comparable || !self.replayer.told_all() || is_of_the_host(result) {
            return None;
        }
        Some(match (result, replayed) {
            (Ok(_), Some(replayed)) => replayed.written,
            // It failed, and would have stored nothing.
            _ => Written::new(),
        })
    }
}

/// Returns true if a run ended because of the host's state, and not of what the guest did.
fn is_of_the_host<T>(result: &crate::Result<T>) -> bool {
    matches!(
        result,
        Err(CallError::Busy { .. }
            | CallError::Full { .. }
            | CallError::Storage(_)
            | CallError::HungUp
            | CallError::Replaced
            | CallError::GivenUp)
    )
}

/// Takes no log lines.
struct Silent;

impl LogSink for Silent {
    fn log(&self, _: LogLine<'_>) {}
}

/// Sends no events.
struct NoEvents;

#[async_trait::async_trait]
impl crate::Events for NoEvents {
    async fn send(&self, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }
}

impl Services {
    /// Returns services that record what these answer.
    pub(crate) fn recorded(&self, record: &Arc<Record>) -> Self {
        let recorder = Arc::new(Recorder::new(self.clone(), record.clone()));
        Self {
            system: recorder.clone(),
            clock: recorder.clone(),
            random: recorder,
            events: self.events.clone(),
            log: self.log.clone(),
        }
    }

    /// Returns services that answer what was recorded.
    pub(crate) fn replayed(replayer: &Arc<Replayer>) -> Self {
        Self {
            system: replayer.clone(),
            clock: replayer.clone(),
            random: replayer.clone(),
            events: Arc::new(NoEvents),
            log: Arc::new(Silent),
        }
    }
}

/// Names a call of the system with what it was asked.
fn asked(method: &str, about: &str) -> String {
    format!("{method} {about}")
}

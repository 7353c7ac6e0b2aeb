//! A request runs a second time, on a guest that is not in office: to find out whether it would answer the same.
//!
//! 1. [`Permit::handle_recorded`](crate::Permit::handle_recorded) runs the request on the guest in office, and records what it
//!    read, the time, the random bytes and the answers of the system: a [`Record`].
//! 2. [`Guest::replay`](crate::Guest::replay) runs it on the other guest, which gets the same. It calls nothing that was not
//!    recorded, logs nothing and sends nothing; its writes are returned and dropped.
//!
//! A record holds the secrets of one request. Keep it for as long as the second run lasts, and never print it.

mod recorder;
mod replayer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use airlock_storage::{Replayed, Trace};
use parking_lot::Mutex;

use crate::mount::{LogLine, LogSink, Services};
use crate::types::Nanoseconds;
use crate::{Entity, Group, Replication, SystemError};

pub(crate) use recorder::Recorder;
pub(crate) use replayer::Replayer;

/// What a run of a request got from outside of the guest.
#[derive(Default)]
pub struct Record {
    calls: Mutex<Calls>,
    trace: Mutex<Option<Trace>>,
    /// True if the run cannot be repeated.
    is_partial: AtomicBool,
}

/// What a guest was told, in its order.
#[derive(Default)]
pub(crate) struct Calls {
    times: Vec<SystemTime>,
    random: Vec<Vec<u8>>,
    random_bytes: usize,
    system: Vec<(String, Told)>,
}

/// An answer of the system.
#[derive(Clone)]
pub(crate) enum Told {
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
    /// Returns what the run read and wrote, unless it cannot be repeated: because it committed more than once, wrapped
    /// data, or asked for more than is recorded.
    pub(crate) fn into_parts(self) -> Option<(Calls, Trace)> {
        let trace = self.trace.into_inner()?;
        let is_whole = !self.is_partial.into_inner() && trace.is_whole();
        is_whole.then(|| (self.calls.into_inner(), trace))
    }

    /// Forgets what an earlier attempt of the run was told.
    pub(crate) fn begin_attempt(&self) {
        *self.calls.lock() = Calls::default();
        *self.trace.lock() = None;
        self.is_partial.store(false, Ordering::Relaxed);
    }

    pub(crate) fn keep(&self, trace: Trace) {
        *self.trace.lock() = Some(trace);
    }

    pub(crate) fn gives_up(&self) {
        self.is_partial.store(true, Ordering::Relaxed);
    }
}

/// What a second run is given, and how it ended.
pub(crate) struct Second {
    pub replayer: Arc<Replayer>,
    pub trace: Trace,
    pub replayed: Mutex<Option<Replayed>>,
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

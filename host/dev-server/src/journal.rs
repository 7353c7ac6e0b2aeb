//! A log for people to watch: each request with its cost, events, and failures that no caller sees. An [`Observer`] never
//! gets a value, a token or a key in storage. The effects of recent requests, which have both, are kept for the page.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::Cost;
use crate::effects::Effects;

/// The number of recent requests that are kept.
const KEPT: usize = 500;

/// The header of an answer with the number of its request, by which the page finds the request's effects.
pub(crate) const NUMBER: &str = "x-airlock-request";

/// A request that was answered. It shows the path, as Vault's own audit log does, but nothing of the body or the
/// answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestRecord {
    /// Counts up from 1.
    pub number: u64,
    /// The time of the request, by the server's clock.
    pub at: SystemTime,
    /// The operation, by Vault's name (`read`, `create`, `list`…), or the HTTP method if the request could not be
    /// understood.
    pub operation: String,
    /// The path without `/v1/` and without the query.
    pub path: String,
    /// The HTTP status.
    pub status: u16,
    /// The time from the request's head to its answer, by the system's clock.
    pub took: Duration,
    /// The resources that the guest used, or `None` if no guest ran or the backend does not report them.
    pub cost: Option<Cost>,
}

/// Receives what happens in the server. The calls come from the task that serves the request, so they must not block.
pub trait Observer: Send + Sync + 'static {
    /// Receives a request that was answered.
    fn request(&self, record: &RequestRecord) {
        let _ = record;
    }

    /// Receives an event that an engine sent.
    fn event(&self, mount: &str, event_type: &str, event: &vault_plugin::Event) {
        let _ = (mount, event_type, event);
    }

    /// Receives one line about a failure that no caller sees: of a tick, of a revocation, of loading a guest.
    fn trouble(&self, line: &str) {
        let _ = line;
    }
}

/// An observer that ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// The last requests, and those who wait for the next.
pub(crate) struct Journal {
    observer: Box<dyn Observer>,
    next: AtomicU64,
    last: Mutex<VecDeque<Kept>>,
    newest: watch::Sender<u64>,
}

/// A recent request.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) record: RequestRecord,
    pub(crate) effects: Arc<Effects>,
}

impl Journal {
    pub(crate) fn new(observer: Box<dyn Observer>) -> Journal {
        Journal {
            observer,
            next: AtomicU64::new(1),
            last: Mutex::new(VecDeque::with_capacity(KEPT)),
            newest: watch::Sender::new(0),
        }
    }

    /// Notes a request, and returns its number.
    pub(crate) fn request(&self, mut record: RequestRecord, effects: Effects) -> u64 {
        {
            let mut last = self.last.lock();
            record.number = self.next.fetch_add(1, Ordering::Relaxed);
            if last.len() == KEPT {
                last.pop_front();
            }
            last.push_back(Kept {
                record: record.clone(),
                effects: Arc::new(effects),
            });
        }
        self.newest.send_replace(record.number);
        self.observer.request(&record);
        record.number
    }

    /// Returns the kept requests after this number.
    pub(crate) fn after(&self, number: u64) -> Vec<Kept> {
        self.last
            .lock()
            .iter()
            .filter(|kept| kept.record.number > number)
            .cloned()
            .collect()
    }

    /// Returns the request of this number, if it is still kept.
    pub(crate) fn get(&self, number: u64) -> Option<Kept> {
        let last = self.last.lock();
        last.iter().find(|kept| kept.record.number == number).cloned()
    }

    /// Waits until there is a request after this number.
    pub(crate) async fn wait_after(&self, number: u64) {
        let mut newest = self.newest.subscribe();
        let _ = newest.wait_for(|newest| *newest > number).await;
    }

    /// Wakes everybody who waits, because the server stops.
    pub(crate) fn close(&self) {
        self.newest.send_replace(u64::MAX);
    }

    pub(crate) fn event(&self, mount: &str, event_type: &str, event: &vault_plugin::Event) {
        self.observer.event(mount, event_type, event);
    }

    pub(crate) fn trouble(&self, line: &str) {
        self.observer.trouble(line);
    }
}

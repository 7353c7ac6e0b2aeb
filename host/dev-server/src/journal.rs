//! What happens, for people to watch: each request with its cost, events, and what went wrong out of sight. Never a
//! value, a token or a key in storage.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::Cost;

/// How many requests are kept to be looked at.
const KEPT: usize = 500;

/// A request that was answered. Its path is shown, as in Vault's own audit log; nothing of its body or answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestRecord {
    /// Counts up from 1.
    pub number: u64,
    /// When it came, by the server's clock.
    pub at: SystemTime,
    /// What was asked, by Vault's name: `read`, `create`, `list`…; the method where it could not be understood.
    pub operation: String,
    /// The path without `/v1/` and without the query.
    pub path: String,
    /// The HTTP status.
    pub status: u16,
    /// From the request's head to its answer, by the system's clock.
    pub took: Duration,
    /// What the guest used; None where none ran, or the backend does not say.
    pub cost: Option<Cost>,
}

/// Who is told. Calls come from the task that serves the request: do not block.
pub trait Observer: Send + Sync + 'static {
    /// A request was answered.
    fn request(&self, record: &RequestRecord) {
        let _ = record;
    }

    /// An engine sent an event.
    fn event(&self, mount: &str, event_type: &str, event: &vault_plugin::Event) {
        let _ = (mount, event_type, event);
    }

    /// Something went wrong that no caller sees: a tick, a revocation, a guest that could not be loaded. One line.
    fn trouble(&self, line: &str) {
        let _ = line;
    }
}

/// An observer that looks away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// The last requests, and whoever watches.
pub(crate) struct Journal {
    observer: Box<dyn Observer>,
    next: AtomicU64,
    last: Mutex<VecDeque<RequestRecord>>,
    newest: watch::Sender<u64>,
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

    pub(crate) fn request(&self, mut record: RequestRecord) {
        {
            let mut last = self.last.lock();
            record.number = self.next.fetch_add(1, Ordering::Relaxed);
            if last.len() == KEPT {
                last.pop_front();
            }
            last.push_back(record.clone());
        }
        self.newest.send_replace(record.number);
        self.observer.request(&record);
    }

    /// The kept requests after this number.
    pub(crate) fn after(&self, number: u64) -> Vec<RequestRecord> {
        self.last
            .lock()
            .iter()
            .filter(|record| record.number > number)
            .cloned()
            .collect()
    }

    /// Waits until there is a request after this number.
    pub(crate) async fn wait_after(&self, number: u64) {
        let mut newest = self.newest.subscribe();
        let _ = newest.wait_for(|newest| *newest > number).await;
    }

    /// Nobody is kept waiting any longer: the server stops.
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

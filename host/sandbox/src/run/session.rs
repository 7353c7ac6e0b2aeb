//! The state of one attempt of a request: its transaction, and what waits for the commit.

use std::sync::Arc;
use std::time::Duration;

use airlock_logical::json::check_object;
use airlock_logical::trace::TARGET;
use airlock_storage::Transaction;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::CallError;
use crate::limits::Exceeded;
use crate::mount::MountContext;
use crate::run::account::Account;
use crate::run::memory::{RequestMemory, Reservation};

pub(crate) struct Session {
    pub transaction: Transaction,
    pub mount: Arc<MountContext>,
    events: Vec<(String, String)>,
    /// The memory of what waits for the commit.
    held: Option<Reservation>,
}

/// Most events of one transaction. Further ones are refused.
const MOST_EVENTS: usize = 256;

/// Most bytes of an event. On its way to the bus it is decoded, to about fifty times its size.
const LONGEST_EVENT: usize = 64 << 10;

/// Longest time that the event bus may take for the events of one transaction. The caller waits for it.
const EVENT_BUS: Duration = Duration::from_secs(2);

impl Session {
    pub fn new(transaction: Transaction, mount: Arc<MountContext>) -> Self {
        Self {
            transaction,
            mount,
            events: Vec::new(),
            held: None,
        }
    }

    /// Reserves memory for data that is kept until the commit.
    pub async fn hold(&mut self, memory: &Arc<RequestMemory>, bytes: u64) -> Result<(), Exceeded> {
        let held = self.held.get_or_insert_with(|| Reservation::of(memory));
        held.add(bytes).await
    }

    /// Keeps an event until the commit. Drops the event of an existence check.
    pub fn queue_event(&mut self, event_type: String, metadata: String) -> Result<(), String> {
        if self.events.len() >= MOST_EVENTS {
            return Err(format!("no more than {MOST_EVENTS} events in one transaction"));
        }
        if event_type.len() + metadata.len() > LONGEST_EVENT {
            return Err(format!("an event takes more than {} KiB", LONGEST_EVENT >> 10));
        }
        check_object(&metadata).map_err(|flaw| format!("the metadata of an event: {flaw}"))?;
        if !self.transaction.is_check() {
            self.events.push((event_type, metadata));
        }
        Ok(())
    }

    /// Returns the error with which this attempt ends. If another request changed what the attempt read, `error` is
    /// about something that may never have been so. The attempt then ends with a conflict instead, and runs again.
    /// `error` stays after a commit or another effect, because the attempt cannot run again then. Storage's own errors
    /// stay too, because they say nothing about what was read.
    pub fn verdict(&self, error: CallError, account: &Account) -> CallError {
        let is_overtaken = || account.may_run_again() && self.transaction.check().is_err();
        match error {
            CallError::Storage(_) => error,
            _ if is_overtaken() => airlock_storage::Error::Conflict.into(),
            error => error,
        }
    }

    /// Stores what was written, then sends the events.
    ///
    /// Tells the account, so that the request is not given up in between: once the request has stored something, an
    /// event bus that hangs must not make an error of it.
    pub async fn commit(&mut self, account: &Account) -> airlock_storage::Result<()> {
        account.commit_begins();
        let span = tracing::trace_span!(target: TARGET, "commit", outcome = Empty);
        let result = self.transaction.commit().instrument(span.clone()).await;
        if !span.is_disabled() {
            span.record(
                "outcome",
                result
                    .as_ref()
                    .map_or_else(airlock_storage::Error::kind, |()| "ok"),
            );
        }
        drop(span);
        let events = std::mem::take(&mut self.events);
        if result.is_ok() && !events.is_empty() {
            self.send(&events, &account.guest).await;
        }
        account.commit_ends(self.transaction.has_committed());
        if result.is_ok() {
            self.held = None;
        }
        result
    }

    /// Sends events in order. Gives up those that the bus does not take in time.
    ///
    /// Logs how many were lost, but neither the type of an event nor what the bus says of it: both are the guest's
    /// words, which may contain a path.
    async fn send(&self, events: &[(String, String)], guest: &str) {
        let until = Instant::now() + EVENT_BUS;
        let mut refused = 0_usize;
        for (number, (event_type, metadata)) in events.iter().enumerate() {
            let sent = self.mount.services.events.send(event_type, metadata);
            match timeout_at(until, sent).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => refused += 1,
                Err(_) => {
                    let unsent = events.len() - number;
                    tracing::warn!(
                        guest,
                        unsent,
                        "events were not sent: the event bus takes too long"
                    );
                    break;
                }
            }
        }
        if refused > 0 {
            tracing::warn!(guest, refused, "events were not sent: the event bus refused them");
        }
    }
}

//! What one attempt of a request works on: its transaction, and what waits for the commit.

use std::sync::Arc;
use std::time::Duration;

use airlock_storage::{Attempt, Transaction};
use tokio::time::{Instant, timeout_at};

use crate::account::Account;
use crate::limits::Exceeded;
use crate::memory::{RequestMemory, Reservation};
use crate::mount::MountContext;
use crate::types;

pub(crate) struct Session {
    pub transaction: Transaction,
    pub mount: Arc<MountContext>,
    pub attempt: Attempt,
    events: Vec<(String, String)>,
    /// Why nothing may be stored.
    forbidden: Option<airlock_storage::Error>,
    /// The memory of what waits for the commit.
    held: Option<Reservation>,
}

/// Events of one transaction; more are refused.
const MOST_EVENTS: usize = 256;

/// How long the event bus may take for the events of one transaction, while the caller waits.
const EVENT_BUS: Duration = Duration::from_secs(2);

impl Session {
    pub fn new(transaction: Transaction, mount: Arc<MountContext>, attempt: Attempt) -> Self {
        Self {
            transaction,
            mount,
            attempt,
            events: Vec::new(),
            forbidden: None,
            held: None,
        }
    }

    /// Reserves memory for what is kept until the commit.
    pub async fn hold(&mut self, memory: &Arc<RequestMemory>, bytes: u64) -> Result<(), Exceeded> {
        let held = self.held.get_or_insert_with(|| Reservation::of(memory));
        held.add(bytes).await
    }

    /// Lets no commit succeed: the existence check failed, so nobody knows whether the caller may do this.
    pub fn forbid_commits(&mut self, check_failed: &types::Error) {
        self.forbidden = Some(match check_failed {
            types::Error::ReadOnly => airlock_storage::Error::ReadOnly,
            error => airlock_storage::Error::Backend(error.to_string()),
        });
    }

    /// Keeps an event until the commit.
    pub fn queue_event(&mut self, event_type: String, metadata: String) -> Result<(), String> {
        if self.events.len() >= MOST_EVENTS {
            return Err(format!("no more than {MOST_EVENTS} events in one transaction"));
        }
        if !is_json_object(&metadata) {
            return Err("the metadata is not a JSON object".into());
        }
        self.events.push((event_type, metadata));
        Ok(())
    }

    /// Whether another request changed what this attempt read, so that what it met, and fails over, may never have been.
    /// It is then to be run again; after a commit it cannot be.
    pub fn is_overtaken(&self) -> bool {
        !self.transaction.has_committed() && self.transaction.check().is_err()
    }

    /// Stores what was written, then lets the events go.
    ///
    /// The account is told, so that the request is not given up in between: once it has stored something, an event bus
    /// that hangs must not make an error of it.
    pub async fn commit(&mut self, account: &Account) -> airlock_storage::Result<()> {
        if let Some(reason) = &self.forbidden {
            return Err(reason.clone());
        }
        account.commit_begins();
        let result = self.transaction.commit().await;
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

    /// Sends events in order; gives up those that the bus does not take in time.
    async fn send(&self, events: &[(String, String)], guest: &str) {
        let until = Instant::now() + EVENT_BUS;
        for (number, (event_type, metadata)) in events.iter().enumerate() {
            let sent = self.mount.services.events.send(event_type, metadata);
            match timeout_at(until, sent).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(guest, event_type, error, "an event was not sent"),
                Err(_) => {
                    let unsent = events.len() - number;
                    tracing::warn!(
                        guest,
                        unsent,
                        "events were not sent: the event bus takes too long"
                    );
                    return;
                }
            }
        }
    }
}

/// Whether a text is a JSON object. Cheaper than parsing it: nothing is built.
pub(crate) fn is_json_object(text: &str) -> bool {
    text.trim_ascii_start().starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

//! Redo records that cannot be flushed.
//!
//! A mount must not be down for good because of one commit. So such a record stays where it is, with an entry beside it that
//! says why it is no longer looked at: `<record>.aside`, a few lines of text. The log says so at every start, and
//! [`Mount::set_aside`](crate::Mount::set_aside) for as long as the mount is served. It is never flushed later, because
//! its keys may have newer values by then.

use crate::calls::Calls;
use crate::redo::Id;
use crate::retry::{Failed, Patience};
use crate::{Entry, Result};
use std::fmt::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

/// How many of the rejected keys the entry names.
const MOST_KEYS: usize = 100;

/// A redo record that was set aside because it could not be flushed.
#[derive(Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The key of the record's header in the mount's storage. Its other entries have keys that begin with this and a dot.
    pub record: String,
    /// Why it could not be flushed. It may hold the server's own words, which may name a key.
    pub reason: String,
    key: String,
}

impl SetAside {
    pub(crate) fn of(id: &Id, reason: String) -> Self {
        Self {
            record: id.header(),
            reason,
            key: id.aside(),
        }
    }

    /// Reads one that an earlier process set aside.
    pub(crate) async fn read(id: &Id, patience: &Patience, calls: &Calls) -> Result<Self> {
        let key = id.aside();
        let entry = patience.insist(|| calls.get(&key)).await?;
        let text = entry.map(|entry| String::from_utf8_lossy(&entry.value).into_owned());
        let reason = text
            .as_deref()
            .and_then(|text| text.lines().find_map(|line| line.strip_prefix("reason: ")))
            .unwrap_or("unknown");
        Ok(Self::of(id, reason.to_owned()))
    }

    /// Stores the entry that sets the record aside. `rejected` are the keys that are not stored.
    pub(crate) async fn store(
        &self,
        rejected: &[String],
        patience: &Patience,
        calls: &Calls,
    ) -> Result<(), Failed> {
        let text = self.text(rejected);
        patience
            .insist(|| calls.put(Entry::new(self.key.clone(), text.clone())))
            .await
    }

    fn text(&self, rejected: &[String]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = |text: &str| text.replace(char::is_control, " ");
        let mut text = format!(
            "set aside: {} seconds after 1970-01-01T00:00:00Z\nreason: {}\n",
            now.as_secs(),
            line(&self.reason)
        );
        for key in rejected.iter().take(MOST_KEYS) {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "not stored: {}", line(key));
        }
        if rejected.len() > MOST_KEYS {
            let _ = writeln!(text, "not stored: {} more", rejected.len() - MOST_KEYS);
        }
        text
    }

    /// Tells the operator. Not the reason: it may name a key.
    pub(crate) fn log(&self) {
        tracing::error!(
            record = self.record,
            "an acknowledged commit of this mount is not stored completely: its redo record could not be flushed and \
             was set aside; docs/operating.md says how to inspect and drop it"
        );
    }
}

/// Not the reason: it may name a key.
impl fmt::Debug for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SetAside({})", self.record)
    }
}

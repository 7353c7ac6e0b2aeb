//! Redo records that cannot be flushed.
//!
//! One bad commit must not take a mount down for good. So a record that cannot be flushed stays in storage, and an
//! entry beside it marks that it is to be skipped and says why: `<record>.aside`, a few lines of text. The log reports
//! it at every start, and [`Mount::set_aside`](crate::Mount::set_aside) for as long as the mount is served. The record
//! is never flushed later, because its keys may have newer values by then.

use crate::calls::Calls;
use crate::commit::record_id::Id;
use crate::commit::retry::{Failed, Patience};
use crate::{Result, StorageEntry};
use std::fmt::{self, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

/// The entry is at most this long, so that any storage that took the record takes it too. It names as many of the
/// rejected keys as fit.
const MOST_BYTES: usize = 8 << 10;
/// Longer lines are cut.
const MOST_CHARS_OF_A_LINE: usize = 1024;
/// Room for the line that counts the keys that are not named.
const LAST_LINE_BYTES: usize = 64;

/// A redo record that was set aside because it could not be flushed.
#[derive(Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The key of the record's header in the mount's storage. The keys of its other entries begin with this key and a
    /// dot.
    pub record: String,
    /// The reason why the record could not be flushed. It may contain the server's own words, which may name a key.
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

    /// Reads the entry of a record that an earlier process set aside.
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
    ///
    /// If storage rejects even that entry, the record is set aside for this process only, so that the mount can serve.
    pub(crate) async fn store(
        &self,
        rejected: &[String],
        patience: &Patience,
        calls: &Calls,
    ) -> Result<(), Failed> {
        let text = self.text(rejected);
        let stored = patience
            .insist(|| calls.put(StorageEntry::new(self.key.clone(), text.clone())))
            .await;
        match stored {
            Err(Failed::Refused(cause) | Failed::GaveUp(cause)) if cause.rejection().is_some() => {
                tracing::error!(
                    record = self.record,
                    "storage rejected the entry that sets a redo record aside: the next start of this mount will try to \
                     flush the record again, over newer values; remove the record before"
                );
                Ok(())
            }
            stored => stored,
        }
    }

    fn text(&self, rejected: &[String]) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut text = format!(
            "set aside: {} seconds after 1970-01-01T00:00:00Z\n",
            now.as_secs()
        );
        text += &line("reason: ", &self.reason);
        let mut unnamed = rejected.len();
        for key in rejected {
            let line = line("not stored: ", key);
            if text.len() + line.len() > MOST_BYTES - LAST_LINE_BYTES {
                break;
            }
            text += &line;
            unnamed -= 1;
        }
        if unnamed > 0 {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "not stored: {unnamed} more");
        }
        text
    }

    /// Tells the operator in the log. Omits the reason, because it may name a key.
    pub(crate) fn log(&self) {
        tracing::error!(
            record = self.record,
            "an acknowledged commit of this mount is not stored completely: its redo record could not be flushed and \
             was set aside; docs/operating.md says how to inspect and drop it"
        );
    }
}

fn line(label: &str, text: &str) -> String {
    let chars = label.chars().chain(text.chars()).take(MOST_CHARS_OF_A_LINE);
    let visible = chars.map(|char| if char.is_control() { ' ' } else { char });
    visible.chain(['\n']).collect()
}

/// Omits the reason, because it may name a key.
impl fmt::Debug for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SetAside({})", self.record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(reason: &str, rejected: &[String]) -> String {
        let aside = SetAside {
            record: String::new(),
            reason: reason.to_owned(),
            key: String::new(),
        };
        aside.text(rejected)
    }

    #[test]
    fn the_entry_is_small_however_long_and_many_the_keys_are() {
        for (key, count) in [("ü".repeat(32 << 10), 100), ("k".into(), 5_000), ("k".into(), 3)] {
            let text = text(&"🔒".repeat(32 << 10), &vec![key; count]);
            assert!(text.len() <= MOST_BYTES, "{}", text.len());
            assert!(
                text.lines()
                    .all(|line| line.chars().count() <= MOST_CHARS_OF_A_LINE)
            );
            let last = text.lines().last().unwrap();
            let more = last
                .strip_prefix("not stored: ")
                .and_then(|last| last.strip_suffix(" more"));
            let named = text
                .lines()
                .filter(|line| line.starts_with("not stored: "))
                .count();
            let (named, more) = match more {
                Some(more) => (named - 1, more.parse().unwrap()),
                None => (named, 0),
            };
            assert!(named > 0 && named + more == count, "{named} {more}");
        }
    }
}

//! Keeps the schedule and the times of an item in storage.
//!
//! `rotation/job/KIND/NAME` is the job. `rotation/due/KIND/TIME.NAME` is its entry in an index, in the order of times, so that a
//! tick reads only what is due. Entries are written in an order in which a crash leaves at most an entry without its job, which
//! the tick removes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Rotation, Schedule};
use crate::{Context, Error, Result, Timestamp};

/// The storage prefix of rotations.
pub(crate) const PREFIX: &str = "rotation/";

/// The schedule and the times of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Job {
    /// When it is rotated.
    pub schedule: Schedule,
    /// The time of the last rotation, or else the one at which it got its schedule.
    pub last: Timestamp,
    /// The time of the next try.
    pub due: Timestamp,
    /// The number of failures since the last rotation.
    pub failures: u32,
    /// The time until which the rotation that is due may begin, if the schedule has a window.
    pub(super) window_ends: Option<Timestamp>,
}

impl Job {
    /// Returns the time until the next try; zero if it is due.
    pub fn ttl(&self, cx: &Context) -> Duration {
        self.due.since(cx.clock.now())
    }
}

impl Rotation {
    pub(super) fn job_key(&self, name: &str) -> Result<String> {
        if name.is_empty() || name.contains('/') {
            return Err(Error::internal(
                "the name of a rotation is not empty and has no `/`",
            ));
        }
        Ok(format!("{PREFIX}job/{}/{name}", self.kind))
    }

    pub(super) fn due_folder(&self) -> String {
        format!("{PREFIX}due/{}/", self.kind)
    }

    /// Returns the key in the index. Its digits have a fixed length, so that the order of keys is that of times.
    pub(super) fn due_key(&self, name: &str, due: Timestamp) -> String {
        format!("{}{:012}.{name}", self.due_folder(), due.seconds.max(0))
    }

    /// Stores a job, and moves its entry in the index.
    pub(super) fn store(&self, cx: &Context, name: &str, old: Option<&Job>, new: &Job) -> Result<()> {
        let due = self.due_key(name, new.due);
        let before = old.map(|old| self.due_key(name, old.due));
        if before.as_ref() != Some(&due) {
            cx.storage.put(&due, "")?;
        }
        cx.storage.put_json(&self.job_key(name)?, new)?;
        match before.filter(|before| *before != due) {
            Some(before) => cx.storage.delete(&before),
            None => Ok(()),
        }
    }
}

//! Rotates what is due, in Vault's tick.

use super::{Job, Rotation, Rotations};
use crate::{Context, Error, Result};

/// Rotates what is due, each item in its own transaction. Nothing is written before it. Adds to `failures` what failed without a
/// trace in storage.
///
/// # Errors
/// The failure that ends the tick: something may be written that the caller has to drop.
pub(crate) fn run(rotations: Rotations, cx: &Context, failures: &mut Vec<Error>) -> Result<()> {
    rotations
        .iter()
        .try_for_each(|rotation| rotation.run(cx, failures))
}

impl Rotation {
    fn run(&self, cx: &Context, failures: &mut Vec<Error>) -> Result<()> {
        for entry in cx.storage.list_page(&self.due_folder(), "", self.at_once)? {
            let time = entry
                .split_once('.')
                .and_then(|(time, _)| time.parse::<i64>().ok());
            // The others come later.
            if time.is_some_and(|time| time > cx.clock.now().seconds) {
                break;
            }
            if let Err(error) = self.try_entry(cx, &entry) {
                if cx.storage.is_dirty() || error == Error::ReadOnly {
                    return Err(error);
                }
                failures.push(error);
            }
        }
        Ok(())
    }

    /// Rotates the item of an entry of the index.
    fn try_entry(&self, cx: &Context, entry: &str) -> Result<()> {
        let key = format!("{}{entry}", self.due_folder());
        let name = entry.split_once('.').map_or("", |(_, name)| name);
        let job = match name {
            "" => None,
            name => self.job(cx, name)?,
        };
        let Some(job) = job.filter(|job| self.due_key(name, job.due) == key) else {
            // A crash left it.
            cx.storage.delete(&key)?;
            return cx.storage.commit();
        };
        let now = cx.clock.now();
        if job.window_ends.is_some_and(|end| now >= end) {
            cx.log
                .field("kind", self.kind)
                .warn("a rotation missed its window, and waits for the next");
            let missed = Job {
                last: job.last,
                failures: job.failures,
                ..self.rotated(cx, &job)
            };
            self.store(cx, name, Some(&job), &missed)?;
            return cx.storage.commit();
        }
        // Stored before it runs, so that a rotation that traps counts as one that failed.
        let failures = job.failures.saturating_add(1);
        let tried = Job {
            failures,
            due: now + self.retry_after(failures),
            ..job.clone()
        };
        self.store(cx, name, Some(&job), &tried)?;
        cx.storage.commit()?;
        // Another request may have changed or removed the item since. From this read on, none can.
        if self.job(cx, name)?.as_ref() != Some(&tried) {
            return Ok(());
        }
        let rotated = (self.rotate)(cx, name)
            .and_then(|()| self.settle(cx, name, &tried))
            .and_then(|()| cx.storage.commit());
        rotated.map_err(|error| {
            cx.log
                .field("kind", self.kind)
                .field("failures", failures)
                .warn("a rotation failed, and is tried again");
            error.context(&format!("error rotating {:?}", self.kind))
        })
    }
}

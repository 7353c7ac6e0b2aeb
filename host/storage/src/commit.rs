//! Ends a transaction.

pub(crate) mod flush;
pub(crate) mod lock;
pub(crate) mod outcome;
pub(crate) mod proof;
pub(crate) mod record;
pub(crate) mod record_id;
pub(crate) mod recovery;
pub(crate) mod redo;
pub(crate) mod retry;
pub(crate) mod set_aside;
pub(crate) mod together;

use crate::commit::flush::Flush;
use crate::conflict::cache::Cached;
use crate::conflict::caches::Kept;
use crate::conflict::counters::Footprint;
use crate::conflict::ledger::{Marks, Refusal, Stored, footprint};
use crate::conflict::scratch::ScratchWrites;
use crate::transaction::Lock;
use crate::transaction::reads::Reads;
use crate::transaction::writes::{Write, Writes};
use crate::{Error, Result, Transaction};
use std::mem::take;

/// The parts of a transaction that is being ended, except its reads.
struct Ending {
    writes: Writes,
    scratch: ScratchWrites,
    lock: Lock,
}

impl Transaction {
    /// Stores what was written, and begins the next transaction. Without writes it only checks that everything that was
    /// read was true at the same time.
    ///
    /// A host calls it when its guest asks for it and when the guest returns success; if the guest fails, drop the
    /// transaction instead. Dropping this future does not stop a flush that has begun.
    ///
    /// When this returns, the next transaction has begun, whether the commit succeeded or not. From its first call on
    /// it holds the commit lock exclusively, because the request cannot be run again. Others may commit between the two
    /// transactions.
    ///
    /// # Errors
    /// - [`Error::Conflict`]: drop the transaction and run the guest again with
    ///   [`Attempt::next`](crate::Attempt::next). (If the request [has committed](Self::has_committed) before, storage
    ///   was changed from outside, by `InvalidateKey`, and the request has to end with an error.)
    /// - [`Error::Rejected`], [`Error::ReadOnly`] and [`Error::NotLeader`]: storage did not take the commit. Nothing was stored.
    /// - [`Error::Incomplete`]: storage holds some of the writes and never will hold the others. The request must not
    ///   be run again.
    /// - [`Error::UnknownOutcome`]: storage may hold part of what was written. The request must not be run again.
    /// - [`Error::Denied`]: this is an [existence check](Self::begin_check). The check continues as if `commit` had not
    ///   been called.
    /// - Any other: nothing was stored, and the writes are discarded. After [`Error::Busy`] and [`Error::Draining`],
    ///   what was read must still be unchanged when the request ends, unless the request has committed before.
    pub async fn commit(&mut self) -> Result<()> {
        if self.is_trial {
            return self.check();
        }
        self.may_have_effects()?;
        if self.stale {
            return Err(Error::Conflict);
        }
        let mut reads = take(&mut self.reads);
        if self.traced.is_some() {
            let writes = take(&mut self.writes);
            self.trace_commit(&reads, &writes);
            self.writes = writes;
        }
        let ending = Ending {
            writes: take(&mut self.writes),
            scratch: take(&mut self.scratch),
            lock: std::mem::replace(&mut self.lock, Lock::Due),
        };
        let result = self.end(&mut reads, ending).await;
        // The reads were not checked if the commit had to wait for too long. The guest may continue and answer from
        // them, so they must still be unchanged at the end. After a commit they do not matter, because others may
        // commit anyway.
        if !self.has_committed {
            self.reads = reads;
        }
        match &result {
            Ok(()) | Err(Error::UnknownOutcome(_) | Error::Incomplete { .. }) => self.has_committed = true,
            Err(Error::Conflict) => self.stale = !self.has_committed,
            Err(_) => {}
        }
        result
    }

    /// Takes the guard of a request that commits or has another effect. No other guest takes over until the request ends.
    async fn begin_effects(&mut self, holds_lock: bool) -> Result<()> {
        if self.committed.is_none() {
            let succession = &self.mount.succession;
            self.committed = Some(match holds_lock {
                true => succession.committing_now().ok_or(Error::Conflict)?,
                false => succession.committing(self.settings.wait).await?,
            });
        }
        // Another guest may have taken over before. What was read says so too, but a commit may have no reads left.
        match self.term == self.mount.term() {
            true => Ok(()),
            false => Err(Error::Conflict),
        }
    }

    /// Ends the transaction. Empties `reads` as soon as it has found that they are unchanged.
    async fn end(&mut self, reads: &mut Reads, ending: Ending) -> Result<()> {
        let Ending {
            writes,
            scratch,
            lock,
        } = ending;
        self.begin_effects(matches!(lock, Lock::Held(_))).await?;
        if writes.is_empty() && scratch.is_empty() {
            if !self.reads_stand(reads) {
                return Err(Error::Conflict);
            }
            take(reads);
            return Ok(());
        }
        let permit = match lock {
            Lock::Held(exclusive) => exclusive.into_permit()?,
            Lock::None | Lock::Due => self.mount.commit_lock.share(self.settings.wait).await?,
        };
        let begun = self.mount.undrained()?;
        let marks = self.mark(reads, &writes, &scratch).await?;
        let stored = Stored {
            generation: self.generation,
            keys: self.cacheable(&writes, &take(reads)),
            scratch,
        };
        if writes.is_empty() {
            marks.finish(stored, Footprint::default());
            self.mount.written.notify_waiters();
            return Ok(());
        }
        let (mount, settings, calls) = (self.mount.clone(), self.settings.clone(), self.calls.clone());
        let flush = Flush {
            mount,
            settings,
            calls,
            writes,
            permit,
            begun,
        };
        flush.run(marks, stored).await
    }

    /// Checks and marks in one step. Waits while others are writing one of the keys.
    async fn mark(&self, reads: &Reads, writes: &Writes, scratch: &ScratchWrites) -> Result<Marks> {
        let ledger = &self.mount.ledger;
        let log = writes
            .in_order()
            .iter()
            .map(|write| (write.key(), write.is_put()));
        let mut written: Option<Footprint> = Some(footprint(
            &ledger.places,
            log,
            |key| reads.existed(key),
            scratch.keys(),
        ));
        let mark = || match ledger.mark(reads.samples(), written.take().unwrap_or_default()) {
            Ok(marks) => Some(Ok(marks)),
            Err((Refusal::Stale, _)) => Some(Err(Error::Conflict)),
            Err((Refusal::Occupied, footprint)) => {
                written = Some(footprint);
                None
            }
        };
        self.mount.until(self.settings.wait, mark).await?
    }

    /// Returns the keys that were written and of which something may be kept: a copy of the value, or whether the key exists
    /// now, if the transaction has asked for that. Guests write many keys for which nobody ever asks.
    fn cacheable(&self, writes: &Writes, reads: &Reads) -> Vec<(String, Kept)> {
        let kept = |write: &Write| {
            let key = write.key();
            if self.settings.cacheable.contain(key) {
                return Some(Kept::Value(Cached::copy_of(match write {
                    Write::Put(entry) => Some((&*entry.value, entry.seal_wrap)),
                    Write::Delete(_) => None,
                })));
            }
            (reads.was_asked(key) && self.settings.remember(key)).then(|| Kept::Existence(write.is_put()))
        };
        writes
            .outcome()
            .filter_map(|write| Some((write.key().to_owned(), kept(write)?)))
            .collect()
    }

    /// Waits until nobody else commits, for the rest of this transaction, and checks that what it has read is
    /// unchanged.
    ///
    /// Use it for calls with an effect elsewhere (a wrapped response, a rotation job): once this succeeds, a commit
    /// cannot conflict, so the effect happens once. The lock is released after
    /// [`Settings::lock_time`](crate::Settings::lock_time); calls after that fail with [`Error::Busy`].
    pub async fn lock_commits(&mut self) -> Result<()> {
        self.may_have_effects()?;
        self.enter().await?;
        let begun = self.begin_effects(matches!(self.lock, Lock::Held(_))).await;
        self.stale |= begun == Err(Error::Conflict);
        begun?;
        if let Lock::None = self.lock {
            self.hold_lock().await?;
        }
        // Checks this also if the lock was already due: a commit that ended without a check has left its reads.
        self.stale |= !self.reads_stand(&self.reads);
        if self.stale { Err(Error::Conflict) } else { Ok(()) }
    }

    /// Fails with [`Error::Conflict`] if what was read was not all true at the same time, up to now.
    ///
    /// Use it for a request that is about to end with an error and has [not committed](Self::has_committed). It may
    /// have seen a state that never existed, so after a conflict run it again and do not rely on its error.
    pub fn check(&self) -> Result<()> {
        // A second run may read what is no longer true.
        if self.replay.is_some() {
            return Ok(());
        }
        if self.stale || !self.reads_stand(&self.reads) {
            return Err(Error::Conflict);
        }
        Ok(())
    }
}

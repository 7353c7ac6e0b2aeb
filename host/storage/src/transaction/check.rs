//! Existence checks: they store nothing.
//!
//! Vault asks for a check to choose between *create* and *update*, before it checks its policies. So a check may have
//! no effect: what it writes is visible to itself alone and is discarded when it ends. What it reads counts, because
//! Vault's choice depends on it.

use crate::conflict::scratch::ScratchWrites;
use crate::transaction::writes::Writes;
use crate::{Attempt, Error, Mount, Prefixes, Result, Settings, Transaction};
use std::mem::take;
use std::sync::Arc;

/// The writes that the transaction around a check had made before the check.
pub(crate) struct Aside {
    writes: Writes,
    scratch: ScratchWrites,
}

impl Mount {
    /// Begins the transaction of an existence check, which [`Transaction::keep_reads`] ends: calls
    /// [`begin`](Self::begin) and then [`Transaction::begin_check`].
    ///
    /// Dropping the transaction ends the check too, and keeps nothing.
    pub async fn begin_check(self: &Arc<Self>, attempt: Attempt) -> Result<Transaction> {
        let mut transaction = self.begin(attempt).await?;
        transaction.begin_check();
        Ok(transaction)
    }
}

impl Transaction {
    /// Begins an existence check within this transaction, until [`end_check`](Self::end_check). A host uses this to
    /// repeat a check in the transaction of the request that depends on it.
    ///
    /// - The check sees its own writes, to storage and to scratch. It does not see what the transaction wrote before.
    /// - What the check reads becomes part of what the transaction has read: the commit conflicts if that changed.
    /// - [`commit`](Self::commit) and [`lock_commits`](Self::lock_commits) fail with [`Error::Denied`] and change nothing.
    ///
    /// Beginning a check within a check ends the first one.
    pub fn begin_check(&mut self) {
        self.end_check();
        self.around_check = Some(Aside {
            writes: take(&mut self.writes),
            scratch: take(&mut self.scratch),
        });
    }

    /// Ends the existence check and discards what it wrote. What the transaction had written before the check is
    /// buffered again, as if the check had not happened. Does nothing outside a check.
    pub fn end_check(&mut self) {
        if let Some(Aside { writes, scratch }) = self.around_check.take() {
            self.writes = writes;
            self.scratch = scratch;
        }
    }

    /// Turns this transaction into a trial of a guest that may take over later, with that guest's settings. It stores
    /// nothing, like an existence check, but a [`commit`](Self::commit) seems to succeed. It leaves nothing in the cache.
    pub fn begin_trial(&mut self, settings: Settings) {
        self.begin_check();
        self.is_trial = true;
        self.settings = Arc::new(Settings {
            cacheable: Prefixes::none(),
            remembered: Prefixes::none(),
            ..settings
        });
    }

    /// Returns true during an existence check.
    pub fn is_check(&self) -> bool {
        self.around_check.is_some()
    }

    /// Refuses, within an existence check, a call that has an effect outside the transaction.
    pub(crate) fn may_have_effects(&self) -> Result<()> {
        if self.is_check() {
            return Err(Error::Denied(
                "an existence check stores nothing, so it cannot commit or wrap; do that in the request",
            ));
        }
        Ok(())
    }

    /// Ends an existence check, and keeps what it read for the request with the same id. Discards what it wrote. The
    /// reads are kept for five seconds and used once; with an empty id they are not kept. Fails with
    /// [`Error::Conflict`] if the check has to be run again.
    ///
    /// That request's transaction then *continues* this one ([`Mount::begin_with_reads`]): it need not read again what
    /// was read here, and it conflicts if that has changed since, because Vault's decision depends on it.
    pub fn keep_reads(self, request_id: &str) -> Result<()> {
        self.check()?;
        self.mount.kept.keep(request_id, self.reads);
        Ok(())
    }
}

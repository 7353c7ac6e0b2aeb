//! Existence checks: they store nothing.
//!
//! Vault asks for a check to choose between *create* and *update*, before it asks its policies. So a check may have no
//! effect: what it writes is for itself alone and is given up when it ends. What it reads counts, because Vault's choice
//! rests on it.

use crate::scratch::ScratchWrites;
use crate::writes::Writes;
use crate::{Attempt, Error, Mount, Result, Transaction};
use std::mem::take;
use std::sync::Arc;

/// What the transaction around a check had written before it.
pub(crate) struct Aside {
    writes: Writes,
    scratch: ScratchWrites,
}

impl Mount {
    /// Begins the transaction of an existence check, which [`Transaction::keep_reads`] ends: [`begin`](Self::begin) and
    /// then [`Transaction::begin_check`].
    ///
    /// Dropping the transaction ends the check too, and keeps nothing.
    pub async fn begin_check(self: &Arc<Self>, attempt: Attempt) -> Result<Transaction> {
        let mut transaction = self.begin(attempt).await?;
        transaction.begin_check();
        Ok(transaction)
    }
}

impl Transaction {
    /// Begins an existence check within this transaction, until [`end_check`](Self::end_check). A host repeats a check
    /// this way in the transaction of the request that rests on it.
    ///
    /// - The check sees its own writes, to storage and to scratch. It does not see what the transaction wrote before.
    /// - What the check reads becomes part of what the transaction has read: the commit conflicts if that changed.
    /// - [`commit`](Self::commit) and [`take_turn`](Self::take_turn) answer [`Error::Denied`] and change nothing.
    ///
    /// Beginning a check within a check ends the first one.
    pub fn begin_check(&mut self) {
        self.end_check();
        self.around_check = Some(Aside {
            writes: take(&mut self.writes),
            scratch: take(&mut self.scratch),
        });
    }

    /// Ends the existence check and gives up what it wrote. What the transaction had written before the check is held as
    /// if there had been no check. Without a check it does nothing.
    pub fn end_check(&mut self) {
        if let Some(Aside { writes, scratch }) = self.around_check.take() {
            self.writes = writes;
            self.scratch = scratch;
        }
    }

    /// Whether an existence check is going on.
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

    /// Ends an existence check, and keeps what it read for the request with the same id: used once, for five seconds,
    /// never for an empty id. Gives up what it wrote. [`Error::Conflict`]: run the check again.
    ///
    /// That request's transaction then *continues* this one ([`Mount::begin_with_reads`]): it need not read again what
    /// was read here, and it conflicts if that has changed since, because Vault's decision rests on it.
    pub fn keep_reads(self, request_id: &str) -> Result<()> {
        self.check()?;
        self.mount.kept.keep(request_id, self.reads);
        Ok(())
    }
}

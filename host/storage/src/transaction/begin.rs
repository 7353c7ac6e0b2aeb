//! Begins transactions.

use std::sync::Arc;

use crate::calls::Calls;
use crate::transaction::Lock;
use crate::{Attempt, Mount, Result, Transaction};

impl Mount {
    /// Begins the transaction of any request, including `initialize`, except an existence check on its own
    /// ([`begin_check`](Self::begin_check)).
    ///
    /// The first call [recovers](Self::recover) the mount. Fails with [`Error::Busy`](crate::Error::Busy) if the commit
    /// lock did not become free in time.
    pub async fn begin(self: &Arc<Self>, attempt: Attempt) -> Result<Transaction> {
        let era = self.recover_for_era().await?;
        let lock = match attempt.is_exclusive() {
            true => {
                let (settings, _) = self.settings.lock().clone();
                Lock::Held(self.commit_lock.take(settings.wait, settings.lock_time).await?)
            }
            false => Lock::None,
        };
        // In this order, so that nobody begins with the settings of one guest and the sample of another.
        let (guest, term) = (self.ledger.sample_guest(), self.term());
        let (settings, generation) = self.settings.lock().clone();
        let snapshot = self.storage.snapshot();
        let is_snapshot = snapshot.is_some();
        let calls = Arc::new(Calls::new(snapshot.unwrap_or_else(|| self.storage.clone()), era));
        let mut transaction = Transaction::new(self.clone(), settings, generation, calls, lock);
        transaction.is_snapshot = is_snapshot;
        transaction.term = term;
        if let Some(guest) = guest {
            transaction.reads.sampled(guest)?;
        }
        Ok(transaction)
    }

    /// Begins the first attempt of a request as the continuation of its existence check, if [`Transaction::keep_reads`]
    /// kept one under this id and nothing that it read has changed since.
    pub async fn begin_with_reads(self: &Arc<Self>, request_id: &str) -> Result<Transaction> {
        let mut transaction = self.begin(Attempt::FIRST).await?;
        if let Some(reads) = self.kept.take(request_id)
            && self.ledger.stand(reads.samples())
        {
            transaction.continue_check(reads);
        }
        Ok(transaction)
    }
}

//! Another guest takes over a mount that goes on serving.
//!
//! 1. Wait for the requests that have committed, or had another effect, and go on: they cannot run again, so the old guest has to
//!    end them. A commit without writes counts.
//! 2. Take the commit lock exclusively: every flush that has begun has ended.
//! 3. In one step, make every transaction conflict that has begun: each has read the guest, and that changes now; and a commit
//!    compares the term. The reads that are kept for a request fall with it, so the new guest repeats the existence checks of the
//!    old one.
//! 4. Give the new guest its [`Term`]. Whoever runs requests compares it with [`Mount::term`] after each
//!    [`begin`](Mount::begin), so that a request that the old guest was about to begin goes to the new one.
//!
//! So no transaction holds what two guests did, and nothing that was committed is run again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedRwLockReadGuard, RwLock};
use tokio::time::timeout;

use crate::{Error, Mount, Result, Settings};

/// The time for which one guest serves a mount. Every guest that takes over gets a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Term(u64);

#[derive(Default)]
pub(crate) struct Succession {
    /// The present term.
    term: AtomicU64,
    /// Held shared by each request that has committed, until it ends.
    committed: Arc<RwLock<()>>,
}

/// Kept by a request from its first commit until it ends. Meanwhile no other guest takes over.
pub(crate) type Committed = OwnedRwLockReadGuard<()>;

impl Succession {
    /// Returns the guard of a request that is about to commit. Waits while another guest takes over, but for at most `wait`.
    pub(crate) async fn committing(&self, wait: Duration) -> Result<Committed> {
        if let Some(guard) = self.committing_now() {
            return Ok(guard);
        }
        timeout(wait, self.committed.clone().read_owned())
            .await
            .map_err(|_| Error::Busy {
                what: "another guest was taking over",
                limit: wait,
            })
    }

    /// Does the same for a request that holds the commit lock, which the guest that takes over may be waiting for.
    pub(crate) fn committing_now(&self) -> Option<Committed> {
        self.committed.clone().try_read_owned().ok()
    }
}

impl Mount {
    /// Returns the present guest's term.
    pub fn term(&self) -> Term {
        Term(self.succession.term.load(Ordering::Acquire))
    }

    /// Begins the term of another guest with its settings, and drops cache and scratch. When this returns, nothing of the old
    /// guest's commits any more: its transactions have ended or end with [`Error::Conflict`].
    ///
    /// # Errors
    /// [`Error::Busy`] if requests that have committed did not end in time (`wait`). The term has not changed then.
    pub async fn replace_guest(&self, settings: Settings, wait: Duration) -> Result<Term> {
        let busy = |what| Error::Busy { what, limit: wait };
        let _none_goes_on = timeout(wait, self.succession.committed.write())
            .await
            .map_err(|_| busy("requests that have committed were still running"))?;
        // Nobody can hold it for long: whoever holds it either ends or conflicts.
        let _no_flush = self.commit_lock.take(wait, wait).await?;
        // The term comes first. A transaction that begins in between has the old guest's sample or finds the new term.
        let term = self.succession.term.fetch_add(1, Ordering::AcqRel) + 1;
        self.adopt(settings);
        self.ledger.make_begun_conflict();
        Ok(Term(term))
    }
}

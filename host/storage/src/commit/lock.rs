//! The commit lock: optimistic commits share it, and a [`Exclusive`] holds it exclusively.
//!
//! Everybody gets it in the order of asking, so the exclusive lock is granted as soon as the earlier commits are done.
//! It is released by itself after a time, because a guest that never ends must not block the others.

use crate::{Error, Result};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

#[derive(Default)]
pub(crate) struct CommitLock(Arc<RwLock<()>>);

/// The right to commit, which is held until the flush has ended.
pub(crate) enum Permit {
    Shared { _guard: OwnedRwLockReadGuard<()> },
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

impl CommitLock {
    /// Takes the lock beside other commits. Waits for at most `wait`.
    pub(crate) async fn share(&self, wait: Duration) -> Result<Permit> {
        if let Ok(guard) = self.0.clone().try_read_owned() {
            return Ok(Permit::Shared { _guard: guard });
        }
        let guard = timeout(wait, self.0.clone().read_owned())
            .await
            .map_err(|_| waited(wait))?;
        Ok(Permit::Shared { _guard: guard })
    }

    /// Takes the lock exclusively for at most `length`, so that nobody else commits. Waits for at most `wait`.
    pub(crate) async fn take(&self, wait: Duration, length: Duration) -> Result<Exclusive> {
        let guard = timeout(wait, self.0.clone().write_owned())
            .await
            .map_err(|_| waited(wait))?;
        let guard = Arc::new(Mutex::new(Some(guard)));
        let held = guard.clone();
        let timer = tokio::spawn(async move {
            sleep(length).await;
            held.lock().take();
        });
        Ok(Exclusive { guard, timer, length })
    }
}

fn waited(limit: Duration) -> Error {
    Error::Busy {
        what: "other requests held the commit lock",
        limit,
    }
}

/// The exclusive commit lock, held until this is dropped or until its time is over.
pub(crate) struct Exclusive {
    guard: Arc<Mutex<Option<OwnedRwLockWriteGuard<()>>>>,
    timer: JoinHandle<()>,
    length: Duration,
}

impl Exclusive {
    /// Fails if its time is over.
    pub(crate) fn check(&self) -> Result<()> {
        if self.guard.lock().is_some() {
            Ok(())
        } else {
            Err(self.over())
        }
    }

    /// Uses it to commit. From now on only the time limits of the flush apply.
    pub(crate) fn into_permit(self) -> Result<Permit> {
        let guard = self.guard.lock().take();
        guard
            .map(|guard| Permit::Alone { _guard: guard })
            .ok_or_else(|| self.over())
    }

    fn over(&self) -> Error {
        Error::Busy {
            what: "this request held the commit lock",
            limit: self.length,
        }
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        // The timer also has the guard, until its runtime gets around to dropping it.
        self.guard.lock().take();
        self.timer.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn commits_share_the_lock_unless_one_has_it_alone() {
        let lock = CommitLock::default();
        let one = lock.share(LONG).await.unwrap();
        let other = lock.share(LONG).await.unwrap();
        assert!(matches!(
            lock.take(SHORT, LONG).await,
            Err(Error::Busy { limit: SHORT, .. })
        ));
        drop((one, other));
        let exclusive = lock.take(LONG, LONG).await.unwrap();
        assert!(matches!(lock.share(SHORT).await, Err(Error::Busy { .. })));
        drop(exclusive);
        assert!(lock.share(LONG).await.is_ok());
    }

    #[tokio::test]
    async fn an_exclusive_lock_ends_by_itself_and_says_so() {
        let lock = CommitLock::default();
        let exclusive = lock.take(LONG, SHORT).await.unwrap();
        let _permit = lock.share(LONG).await.unwrap();
        assert!(matches!(exclusive.check(), Err(Error::Busy { limit: SHORT, .. })));
        assert!(exclusive.into_permit().is_err());
    }

    #[tokio::test]
    async fn the_lock_comes_in_the_order_of_asking() {
        let lock = Arc::new(CommitLock::default());
        let order = Arc::new(Mutex::new(Vec::new()));
        let first = lock.share(LONG).await.unwrap();
        let mut waiting = Vec::new();
        for n in 0..4 {
            let (lock, order) = (lock.clone(), order.clone());
            waiting.push(tokio::spawn(async move {
                let exclusive = if n % 2 == 0 {
                    Ok(lock.take(LONG, LONG).await)
                } else {
                    Err(lock.share(LONG).await)
                };
                order.lock().push(n);
                drop(exclusive);
            }));
            tokio::task::yield_now().await;
        }
        drop(first);
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*order.lock(), [0, 1, 2, 3]);
    }

    #[tokio::test]
    async fn a_permit_outlives_the_time_of_its_lock() {
        let lock = CommitLock::default();
        let permit = lock.take(LONG, SHORT).await.unwrap().into_permit().unwrap();
        let flush = timeout(SHORT * 3, pending::<()>()).await;
        assert!(flush.is_err() && lock.share(SHORT).await.is_err());
        drop(permit);
    }
}

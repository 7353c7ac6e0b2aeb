//! The commit lock: optimistic commits share it, and a [`Turn`] holds it exclusively.
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
pub(crate) struct Turns(Arc<RwLock<()>>);

/// The right to commit, which is held until the flush has ended.
pub(crate) enum Permit {
    Shared { _guard: OwnedRwLockReadGuard<()> },
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

impl Turns {
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
    pub(crate) async fn take(&self, wait: Duration, length: Duration) -> Result<Turn> {
        let guard = timeout(wait, self.0.clone().write_owned())
            .await
            .map_err(|_| waited(wait))?;
        let guard = Arc::new(Mutex::new(Some(guard)));
        let held = guard.clone();
        let timer = tokio::spawn(async move {
            sleep(length).await;
            held.lock().take();
        });
        Ok(Turn { guard, timer, length })
    }
}

fn waited(limit: Duration) -> Error {
    Error::Busy {
        what: "other requests held the commit lock",
        limit,
    }
}

/// The exclusive commit lock, held until this is dropped or until its time is over.
pub(crate) struct Turn {
    guard: Arc<Mutex<Option<OwnedRwLockWriteGuard<()>>>>,
    timer: JoinHandle<()>,
    length: Duration,
}

impl Turn {
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

impl Drop for Turn {
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
    async fn commits_share_and_a_turn_does_not() {
        let turns = Turns::default();
        let one = turns.share(LONG).await.unwrap();
        let other = turns.share(LONG).await.unwrap();
        assert!(matches!(
            turns.take(SHORT, LONG).await,
            Err(Error::Busy { limit: SHORT, .. })
        ));
        drop((one, other));
        let turn = turns.take(LONG, LONG).await.unwrap();
        assert!(matches!(turns.share(SHORT).await, Err(Error::Busy { .. })));
        drop(turn);
        assert!(turns.share(LONG).await.is_ok());
    }

    #[tokio::test]
    async fn a_turn_ends_by_itself_and_says_so() {
        let turns = Turns::default();
        let turn = turns.take(LONG, SHORT).await.unwrap();
        let _permit = turns.share(LONG).await.unwrap();
        assert!(matches!(turn.check(), Err(Error::Busy { limit: SHORT, .. })));
        assert!(turn.into_permit().is_err());
    }

    #[tokio::test]
    async fn turns_come_in_the_order_of_asking() {
        let turns = Arc::new(Turns::default());
        let order = Arc::new(Mutex::new(Vec::new()));
        let first = turns.share(LONG).await.unwrap();
        let mut waiting = Vec::new();
        for n in 0..4 {
            let (turns, order) = (turns.clone(), order.clone());
            waiting.push(tokio::spawn(async move {
                let turn = if n % 2 == 0 {
                    Ok(turns.take(LONG, LONG).await)
                } else {
                    Err(turns.share(LONG).await)
                };
                order.lock().push(n);
                drop(turn);
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
    async fn a_permit_outlives_the_time_of_its_turn() {
        let turns = Turns::default();
        let permit = turns.take(LONG, SHORT).await.unwrap().into_permit().unwrap();
        let flush = timeout(SHORT * 3, pending::<()>()).await;
        assert!(flush.is_err() && turns.share(SHORT).await.is_err());
        drop(permit);
    }
}

//! Notices that the server has lost the leadership of its cluster.
//!
//! From then on another node may store newer values, and this node may lead again before its server has taken the mount down. So no
//! request that began before stores anything, and the first one that begins after it starts from what is stored:
//!
//! 1. [`Calls`](crate::calls::Calls) notice the loss by the error of a write, and refuse all later writes of the same era.
//! 2. [`Mount::begin`](crate::Mount::begin) [recovers](crate::Mount::recover) the mount once for each era. In a later era this first
//!    makes the transactions conflict that have begun, and drops cache and scratch. Nothing is cached from then on, because nobody
//!    tells this node what others store.
//!
//! What to watch: a loss that no write meets is not noticed. Then the server alone keeps the node from storing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// The leadership of the mount's server, as its writes find it.
#[derive(Clone, Default)]
pub(crate) struct Leadership(Arc<AtomicU64>);

impl Leadership {
    /// Returns the present era.
    pub(crate) fn era(&self) -> Era {
        Era {
            leadership: self.clone(),
            losses: self.losses(),
        }
    }

    /// Returns how often the leadership was lost.
    pub(crate) fn losses(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// The time between two losses of the leadership, in which a request began.
#[derive(Clone)]
pub(crate) struct Era {
    leadership: Leadership,
    losses: u64,
}

impl Era {
    /// Returns the number of losses before it.
    pub(crate) fn losses(&self) -> u64 {
        self.losses
    }

    /// Returns true if the leadership was lost since.
    pub(crate) fn is_over(&self) -> bool {
        self.leadership.losses() != self.losses
    }

    /// Makes a call that writes, unless the era is over. The call's error may end the era.
    pub(crate) async fn write<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        if self.is_over() {
            return Err(Error::NotLeader);
        }
        let result = call.await;
        if result.as_ref().is_err_and(Error::is_loss) {
            let (lost, next) = (self.losses, self.losses.saturating_add(1));
            // It fails if another call has noticed the same loss.
            let _ = self
                .leadership
                .0
                .compare_exchange(lost, next, Ordering::AcqRel, Ordering::Acquire);
        }
        result
    }
}

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

use std::sync::atomic::{AtomicU64, Ordering};

/// The leadership of the mount's server, as its writes find it.
#[derive(Default)]
pub(crate) struct Leadership(AtomicU64);

/// The time between two losses of the leadership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Era(u64);

impl Leadership {
    /// Returns the present era.
    pub(crate) fn era(&self) -> Era {
        Era(self.0.load(Ordering::Acquire))
    }

    /// Ends an era, unless it has ended before.
    pub(crate) fn lose(&self, era: Era) {
        let next = era.0.saturating_add(1);
        // It fails if another call has noticed the same loss.
        let _ = self
            .0
            .compare_exchange(era.0, next, Ordering::AcqRel, Ordering::Acquire);
    }
}

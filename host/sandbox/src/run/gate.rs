//! Limits how many requests of one mount run at once, and how many wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::{Limit, Limits};

#[derive(Clone)]
pub(crate) struct Gate {
    permits: Arc<Semaphore>,
    waiting: Arc<AtomicU32>,
    instances: u32,
    queue: u32,
}

impl Gate {
    pub fn new(limits: &Limits) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(limits.instances as usize)),
            waiting: Arc::default(),
            instances: limits.instances,
            queue: limits.queue,
        }
    }

    /// Returns how many requests have a permit, and how many wait for one.
    pub fn load(&self) -> (u32, u32) {
        let free = u32::try_from(self.permits.available_permits()).unwrap_or(u32::MAX);
        (self.instances.saturating_sub(free), self.waiting.load(SeqCst))
    }

    /// Waits for an instance permit, in the order of arrival. Dropping the future while it waits leaves no trace.
    ///
    /// # Errors
    /// The limit that is in the way: too many requests wait already, or the request's own time is over.
    pub async fn enter(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Limit> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let _place = Place::take(self).ok_or(Limit::Queue)?;
        match tokio::time::timeout_at(deadline.into(), self.permits.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(Limit::Instances),
        }
    }
}

/// A place in the queue. Dropping it gives the place back.
struct Place<'a>(&'a Gate);

impl<'a> Place<'a> {
    fn take(gate: &'a Gate) -> Option<Self> {
        let place = Self(gate);
        (gate.waiting.fetch_add(1, SeqCst) < gate.queue).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn gate(instances: u32, queue: u32) -> Gate {
        Gate::new(&Limits {
            instances,
            queue,
            ..Limits::default()
        })
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn permits_then_places_then_no_more() {
        let gate = gate(1, 1);
        let first = gate.enter(soon()).await.unwrap();
        let second = gate.enter(soon());
        tokio::pin!(second);
        assert!(futures_poll(second.as_mut()).is_none());
        assert_eq!(gate.enter(soon()).await.unwrap_err(), Limit::Queue);
        drop(first);
        assert!(second.await.is_ok());
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_gives_its_place_back() {
        let gate = gate(1, 1);
        let _first = gate.enter(soon()).await.unwrap();
        {
            let gone = gate.enter(soon());
            tokio::pin!(gone);
            assert!(futures_poll(gone.as_mut()).is_none());
        }
        let next = gate.enter(soon());
        tokio::pin!(next);
        assert!(
            futures_poll(next.as_mut()).is_none(),
            "it waits, so it has a place"
        );
    }

    #[tokio::test]
    async fn waiting_ends_with_the_request_s_time() {
        let gate = gate(1, 1);
        let _first = gate.enter(soon()).await.unwrap();
        assert_eq!(gate.enter(Instant::now()).await.unwrap_err(), Limit::Instances);
    }

    fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        match future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        }
    }
}

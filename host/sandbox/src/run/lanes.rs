//! Runs requests in two lanes: a fast one and a slow one.
//!
//! Most requests take microseconds, so they run where they arrive, on the runtime's one thread, which also does all
//! input and output. A guest that computes for longer would keep that thread from everyone else. So each request yields
//! after at most two ticks of the epoch, and in calls to the host. A request moves to a thread for long requests if it has used
//! more CPU time than most ever do, has much memory to fill, has read much at once, or has a large answer to check. A request
//! whose guest hands over much data at once, which nothing can interrupt, is run again there from its start. If that would
//! repeat an effect, because the request commits or wraps data, the request moves before it can hand over anything more. A
//! large request, `describe`, `initialize` and `special-paths` start in the slow lane.
//!
//! In the slow lane a mount has two permits, so that many long requests of one mount do not make those of another wait
//! for more than two. A request holds a slow-lane permit only while its guest computes: while it waits for storage or
//! for the commit lock, another takes it.
//!
//! In the fast lane a request is part of its caller's task, which has to run to its end whoever hangs up: the server's side
//! of the protocol sees to that. Only the move to the other thread makes a second task.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Sleep;
use tokio_util::sync::PollSemaphore;
use tracing::Instrument as _;

use crate::run::account::Account;
use crate::run::ticker::Running;
use crate::{CallError, Result};

/// CPU time that a request may use in the fast lane.
pub(crate) const FAST: Duration = Duration::from_millis(5);

/// Slow-lane permits of one mount.
pub(crate) const SLOW_PERMITS: usize = 2;

/// The two lanes.
#[derive(Default)]
pub(crate) struct Lanes {
    /// The runtime of the first request.
    fast: OnceLock<Handle>,
    /// The thread for long requests, which starts when it is first needed.
    slow: Mutex<Option<SlowLane>>,
}

struct SlowLane {
    handle: Handle,
    /// Dropping it ends the thread.
    _stop: oneshot::Sender<()>,
}

impl Lanes {
    /// Runs a request's work to its end: as part of the caller's task while it is short, then in the slow lane. `permits`
    /// holds the mount's slow-lane permits.
    pub async fn run<T: Send + 'static>(&self, work: Work<T>, permits: Arc<Semaphore>) -> Result<T> {
        self.fast.get_or_init(Handle::current);
        if work.account.is_long() {
            return self.run_slowly(work, permits).await;
        }
        match work.drive().await {
            Driven::Done(result) => result,
            Driven::Moves(work) => self.run_slowly(work, permits).await,
        }
    }

    async fn run_slowly<T: Send + 'static>(&self, work: Work<T>, permits: Arc<Semaphore>) -> Result<T> {
        work.account.becomes_slow();
        let work = work.drive_with_permits(permits).in_current_span();
        let task = match self.slow() {
            Ok(slow) => slow.spawn(work),
            Err(error) => {
                tracing::warn!(%error, "no thread for long requests; they stay with the short ones");
                tokio::spawn(work)
            }
        };
        task.await.unwrap_or_else(|gone| match gone.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(CallError::GivenUp),
        })
    }

    /// Runs `work` once on the thread of each lane that has run a request, between two of its tasks. Does not wait for that.
    pub fn on_each_thread(&self, work: impl FnOnce() + Clone + Send + 'static) {
        let slow = self.slow.lock().as_ref().map(|lane| lane.handle.clone());
        for lane in self.fast.get().cloned().into_iter().chain(slow) {
            let work = work.clone();
            lane.spawn(async move { work() });
        }
    }

    fn slow(&self) -> std::io::Result<Handle> {
        let mut slow = self.slow.lock();
        if let Some(lane) = &*slow {
            return Ok(lane.handle.clone());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            // Requests arrive and wake from another thread. By default tokio looks there only now and then while it has
            // something to do. Here, where each poll lasts a whole tick, that would be after seconds.
            .global_queue_interval(1)
            .event_interval(1)
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("slow-lane".into())
            .spawn(move || {
                let _ = runtime.block_on(stopped);
            })?;
        *slow = Some(SlowLane {
            handle: handle.clone(),
            _stop: stop,
        });
        Ok(handle)
    }
}

/// A request's future with its account. Every poll is charged, and the request's time limit is enforced.
///
/// Driving it consumes it, so that the request's instance and transaction are gone before the caller has the result.
pub(crate) struct Work<T> {
    future: Pin<Box<dyn Future<Output = Result<T>> + Send>>,
    account: Arc<Account>,
    timer: Option<Pin<Box<Sleep>>>,
    _running: Running,
}

/// The end of work in the fast lane.
enum Driven<T> {
    Done(Result<T>),
    /// The work should go on in the slow lane.
    Moves(Work<T>),
}

impl<T> Work<T> {
    pub fn new(
        account: Arc<Account>,
        running: Running,
        future: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Self {
        Self {
            future: Box::pin(future),
            account,
            timer: None,
            _running: running,
        }
    }

    /// Polls until the work is done or should move to the slow lane.
    async fn drive(mut self) -> Driven<T> {
        let done = poll_fn(|context| match self.poll(context) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if self.account.is_long() || self.account.cpu_of_polls() >= FAST => {
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        });
        match done.await {
            Some(result) => Driven::Done(result),
            None => Driven::Moves(self),
        }
    }

    /// Polls to the end, with a slow-lane permit while the guest computes and without one while it waits: a request
    /// without a permit may hold what this one waits for.
    async fn drive_with_permits(mut self, permits: Arc<Semaphore>) -> Result<T> {
        let mut permits = PollSemaphore::new(permits);
        let mut permit = None;
        poll_fn(|context| {
            if permit.is_none() {
                permit = match permits.poll_acquire(context) {
                    Poll::Ready(permit) => permit,
                    Poll::Pending if self.is_late(context) => return Poll::Ready(Err(self.too_late())),
                    Poll::Pending => return Poll::Pending,
                };
            }
            let yields = self.account.yields();
            let polled = self.poll(context);
            let yielded = self.account.yields() > yields;
            if polled.is_pending() && !yielded {
                permit = None;
            }
            polled
        })
        .await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<T>> {
        self.account.poll_begins();
        let polled = self.future.as_mut().poll(context);
        self.account.poll_ends();
        match polled {
            Poll::Pending if self.is_late(context) => Poll::Ready(Err(self.too_late())),
            polled => polled,
        }
    }

    /// Returns true if the request's time is over, but never during a commit: a commit ends within bounds of its own,
    /// and giving it up would leave it half done.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let timer = self.poll_timer(context);
        !self.account.is_committing() && (timer.is_ready() || Instant::now() >= self.account.deadline)
    }

    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let deadline = self.account.deadline.into();
        self.timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)))
            .as_mut()
            .poll(context)
    }

    fn too_late(&self) -> CallError {
        CallError::Limit {
            guest: self.account.guest.clone(),
            exceeded: self.account.too_late(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{Limit, Limits};
    use crate::run::memory::ProcessMemory;
    use crate::run::ticker::Ticker;

    fn work<T>(ticker: &Arc<Ticker>, future: impl Future<Output = Result<T>> + Send + 'static) -> Work<T> {
        Work::new(Arc::new(account()), ticker.run(), future)
    }

    /// Returns the name of the thread on which work runs after this step of it.
    async fn lane_after(step: impl Future<Output = ()> + Send + 'static, account: Account) -> String {
        let ticker = Arc::new(Ticker::start(&wasmtime::Engine::default()).unwrap());
        let work = Work::new(Arc::new(account), ticker.run(), async move {
            step.await;
            tokio::task::yield_now().await;
            Ok(std::thread::current().name().unwrap_or_default().to_owned())
        });
        let lanes = Lanes::default();
        lanes.run(work, Arc::new(Semaphore::new(1))).await.unwrap()
    }

    fn account() -> Account {
        Account::open(
            "guest".into(),
            Limits::default(),
            Limit::Wall,
            &ProcessMemory::new(1 << 30),
        )
    }

    #[tokio::test]
    async fn a_request_that_becomes_long_moves() {
        let account = account();
        account.becomes_long();
        assert_eq!(lane_after(async {}, account).await, "slow-lane");
    }

    #[tokio::test]
    async fn each_lane_that_ran_a_request_does_other_work_too() {
        let ticker = Arc::new(Ticker::start(&wasmtime::Engine::default()).unwrap());
        let permits = Arc::new(Semaphore::new(1));
        let lanes = Lanes::default();
        let (sender, mut threads) = tokio::sync::mpsc::unbounded_channel();
        let ask = || {
            let sender = sender.clone();
            lanes.on_each_thread(move || sender.send(std::thread::current().id()).unwrap());
        };
        ask();
        lanes
            .run(work(&ticker, async { Ok(()) }), permits.clone())
            .await
            .unwrap();
        ask();
        let slow = work(&ticker, async { Ok(std::thread::current().id()) });
        let slow = lanes.run_slowly(slow, permits).await.unwrap();
        ask();
        let here = std::thread::current().id();
        let mut ran = Vec::new();
        while ran.len() < 3 {
            ran.push(threads.recv().await.unwrap());
        }
        assert_eq!(ran.iter().filter(|thread| **thread == here).count(), 2, "{ran:?}");
        assert!(here != slow && ran.contains(&slow), "{ran:?}");
    }

    #[tokio::test]
    async fn a_request_that_waits_has_no_permit_in_the_slow_lane() {
        let ticker = Arc::new(Ticker::start(&wasmtime::Engine::default()).unwrap());
        let permits = Arc::new(Semaphore::new(1));
        let lanes = Lanes::default();
        let (unlock, locked) = oneshot::channel();

        let waits = work(&ticker, async move {
            locked.await.unwrap();
            Ok(())
        });
        let unlocks = work(&ticker, async move {
            unlock.send(()).unwrap();
            Ok(())
        });
        let waiting = lanes.run_slowly(waits, permits.clone());
        let unlocking = lanes.run_slowly(unlocks, permits);
        let (waited, unlocked) = tokio::join!(waiting, unlocking);
        waited.unwrap();
        unlocked.unwrap();
    }
}

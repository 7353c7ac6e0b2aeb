//! The clock that interrupts guests.
//!
//! Compiled guests check a counter, the *epoch*, again and again. A thread of its own increments it while requests run,
//! and sleeps while none does. The thread waits a little before it sleeps, because waking it costs more than a few
//! ticks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::Engine;

/// Interval at which a running guest is interrupted: it yields, and its CPU time is checked.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Ticks without a request after which the thread sleeps.
const LINGER: u32 = 50;

pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    asleep: AtomicBool,
    stop: AtomicBool,
}

impl Ticker {
    /// Starts the thread.
    pub fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (theirs, engine) = (shared.clone(), engine.weak());
        let thread = thread::Builder::new().name("epoch".into()).spawn(move || {
            let mut idle = 0;
            while !theirs.stop.load(SeqCst) {
                if idle == LINGER {
                    theirs.asleep.store(true, SeqCst);
                    // Reads `running` after setting the flag: a request that begins later sees the flag and wakes this
                    // thread.
                    while theirs.running.load(SeqCst) == 0
                        && !theirs.stop.load(SeqCst)
                        && theirs.asleep.load(SeqCst)
                    {
                        thread::park();
                    }
                    theirs.asleep.store(false, SeqCst);
                    idle = 0;
                }
                thread::sleep(TICK);
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
                idle = if theirs.running.load(SeqCst) == 0 {
                    idle + 1
                } else {
                    0
                };
            }
        })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Increments the epoch at every tick until the returned value is dropped.
    pub fn run(self: &Arc<Self>) -> Running {
        self.shared.running.fetch_add(1, SeqCst);
        if self.shared.asleep.swap(false, SeqCst) {
            self.wake();
        }
        Running(self.clone())
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        self.wake();
        // Does not join the thread: the last request may end on any thread, and none should wait a tick here.
        self.thread.take();
    }
}

/// Keeps the epoch moving, see [`Ticker::run`].
pub(crate) struct Running(Arc<Ticker>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.shared.running.fetch_sub(1, SeqCst);
    }
}

//! The times at which a process is disturbed, and the requests that were in flight then.

use std::fmt;
use std::sync::{Condvar, Mutex};

/// A kind of disturbance of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disturbance {
    /// A reload of one of its mounts, which must not fail any request.
    Reload,
    /// SIGKILL.
    Kill,
    /// Sealing and unsealing its server.
    Seal,
    /// SIGKILL to its server, which is then started again.
    KillServer,
}

impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Disturbance::Reload => "reload",
            Disturbance::Kill => "kill",
            Disturbance::Seal => "seal",
            Disturbance::KillServer => "server kill",
        })
    }
}

/// The disturbances of one process.
#[derive(Default)]
pub struct Windows {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    begun: Vec<Disturbance>,
    open: bool,
}

/// A moment among the disturbances of a process: the number of those that were over.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

impl Windows {
    pub fn open(&self, disturbance: Disturbance) {
        let mut state = self.state.lock().unwrap();
        assert!(!state.open, "one at a time");
        state.begun.push(disturbance);
        state.open = true;
    }

    /// Notes that the process serves again.
    pub fn close(&self) {
        self.state.lock().unwrap().open = false;
        self.changed.notify_all();
    }

    pub fn is_open(&self) -> bool {
        self.state.lock().unwrap().open
    }

    pub fn wait_until_closed(&self) {
        let mut state = self.state.lock().unwrap();
        while state.open {
            state = self.changed.wait(state).unwrap();
        }
    }

    pub fn mark(&self) -> Mark {
        let state = self.state.lock().unwrap();
        Mark(state.begun.len() - usize::from(state.open))
    }

    /// Returns the worst disturbance at any time since `mark`.
    pub fn since(&self, mark: Mark) -> Option<Disturbance> {
        self.state.lock().unwrap().begun[mark.0..].iter().max().copied()
    }
}

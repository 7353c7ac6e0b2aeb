//! The process around the server: its signals, its parent, its standard output.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, getppid, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::ServeError;

/// The interval of looking for the parent if the kernel cannot report its end.
const LOOK: Duration = Duration::from_secs(1);

/// The signals that matter to a plugin.
pub(crate) struct Signals {
    terminate: Signal,
    // Kept so that the interrupts of a terminal, which reach host and plugin alike, do not end the plugin first.
    _interrupt: Signal,
}

impl Signals {
    /// Replaces the default handling of the signals, for the rest of the process's life.
    pub fn handle() -> Result<Signals, ServeError> {
        let take = |kind| {
            signal(kind).map_err(|source| ServeError::Process {
                action: "handle signals",
                source,
            })
        };
        Ok(Signals {
            terminate: take(SignalKind::terminate())?,
            _interrupt: take(SignalKind::interrupt())?,
        })
    }

    /// Waits for SIGTERM.
    pub async fn terminated(&mut self) {
        self.terminate.recv().await;
    }
}

/// The process that started this one.
pub(crate) struct Parent {
    pid: Option<Pid>,
    /// Becomes readable at the parent's end. Older kernels and some sandboxes do not offer this.
    end: Option<AsyncFd<OwnedFd>>,
}

impl Parent {
    /// Returns the current parent. Call it early: if the parent is already gone, the process that adopted this one is
    /// watched instead.
    pub fn current() -> Parent {
        let pid = getppid();
        let end = pid
            .and_then(|pid| pidfd_open(pid, PidfdFlags::NONBLOCK).ok())
            .and_then(readable);
        // The number could have been reused for another process before it was opened.
        let end = end.filter(|_| getppid() == pid);
        Parent { pid, end }
    }

    /// Waits until the parent is gone. A process that starts a container has no parent to watch and waits for ever.
    pub async fn ended(&self) {
        let Some(pid) = self.pid else {
            return std::future::pending().await;
        };
        if let Some(end) = &self.end
            && end.readable().await.is_ok()
        {
            return;
        }
        while getppid() == Some(pid) {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Watches a file descriptor; returns `None` if this kind cannot be watched.
#[allow(unsafe_code)]
fn readable(fd: OwnedFd) -> Option<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is open and owned, and `AsyncFd` keeps it, always the same, until it is dropped.
    unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.ok()
}

/// Writes through `write` to standard output, then redirects standard output to nowhere: the host continues to read but
/// drops what it reads, and a line too long for it would stop its reading and block the writer.
pub(crate) fn last_words(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    write(&mut io::stdout().lock())?;
    let nowhere = File::options().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(nowhere)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn the_kernel_tells_of_the_parents_end() {
        // A child stands in for the parent: it ends when its input ends.
        let mut other = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_child(&other);
        let parent = Parent {
            pid: getppid(),
            end: readable(pidfd_open(pid, PidfdFlags::NONBLOCK).unwrap()),
        };
        assert!(timeout(Duration::from_millis(20), parent.ended()).await.is_err());
        drop(other.stdin.take());
        timeout(SOON, parent.ended())
            .await
            .expect("its end was not noticed");
        other.wait().unwrap();
    }

    #[tokio::test]
    async fn without_the_kernels_help_another_parent_is_noticed() {
        let orphan = Parent {
            pid: Some(Pid::from_child(&ended_child())),
            end: None,
        };
        timeout(SOON, orphan.ended())
            .await
            .expect("the end was not noticed");
        let parented = Parent {
            pid: getppid(),
            end: None,
        };
        assert!(
            timeout(Duration::from_millis(20), parented.ended())
                .await
                .is_err()
        );
    }

    fn ended_child() -> std::process::Child {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        child
    }
}

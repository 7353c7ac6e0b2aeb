//! Runs work that takes milliseconds on a thread of its own, so that a runtime with one thread goes on meanwhile.
//!
//! tokio's `spawn_blocking` panics if the system refuses its first thread, as it does at the limit on processes. Here that is
//! an error like any other.

use std::thread;

use tokio::sync::oneshot;

use crate::LoadError;

/// Runs `work` on a new thread, and returns what it returns.
///
/// # Errors
/// [`LoadError::Processes`] or [`LoadError::NotStarted`] if no thread can be started, and [`LoadError::Runtime`] if `work` panics.
pub async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, LoadError> {
    let (done, result) = oneshot::channel();
    let work = move || {
        // Nobody waits any more if the send fails.
        let _ = done.send(work());
    };
    thread::Builder::new()
        .name("aside".into())
        .spawn(work)
        .map_err(|error| LoadError::not_started("a thread", error))?;
    result.await.map_err(|gone| LoadError::Runtime {
        what: "its thread panicked",
        source: gone.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_runs_on_another_thread() {
        let here = thread::current().id();
        let there = aside(|| thread::current().id()).await.unwrap();
        assert_ne!(here, there);
    }
}

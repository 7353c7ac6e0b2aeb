//! Calls storage while Vault waits for `Setup`: not for long, and again if that fails.

use std::time::Duration;

use airlock_storage::{Error, Result};
use tokio::time::{sleep, timeout};

/// The longest time of one call.
const CALL: Duration = Duration::from_secs(2);

const TRIES: u32 = 3;
const BETWEEN_TRIES: Duration = Duration::from_millis(250);

/// Makes a call up to [`TRIES`] times, until it succeeds.
///
/// # Errors
/// That of the last try.
pub async fn retry<T, F: Future<Output = Result<T>>>(call: impl Fn() -> F) -> Result<T> {
    let mut tries = 0;
    loop {
        tries += 1;
        match in_time(call()).await {
            Err(_) if tries < TRIES => sleep(BETWEEN_TRIES).await,
            outcome => return outcome,
        }
    }
}

/// Makes a call once.
///
/// # Errors
/// The call's own, or [`Error::Backend`] if it takes longer than [`CALL`].
pub async fn in_time<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(CALL, call)
        .await
        .unwrap_or_else(|_| Err(Error::Backend("storage took too long".to_owned())))
}

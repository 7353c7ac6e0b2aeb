//! Tests of a channel against a server that the tests play, with its faults.

mod answers;
mod connections;
mod double;
mod faults;

use std::future::Future;
use std::time::Duration;

/// Waits for a future that ends soon. Panics if it takes too long, so that a test cannot hang.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("this takes too long")
}

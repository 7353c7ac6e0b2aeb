//! One runtime for each thread, for targets whose decoders are behind asynchronous calls.

use tokio::runtime::{Builder, Runtime};

/// Runs a future to its end. Tasks that it spawned go on in the next call.
pub fn block_on<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNTIME: Runtime = Builder::new_current_thread().enable_all().build().unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

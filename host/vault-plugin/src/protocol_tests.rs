//! Tests the services over real gRPC connections in memory, with a client like Vault, an engine, and a storage server
//! like Vault's or OpenBao's.

mod engine;
mod mounting;
mod names;
mod plugin;
mod redaction;
mod requests;
mod server;
mod storage;
mod system;
mod translation;

/// Waits for a future that ends soon. Panics if it takes too long, so that a test cannot hang.
async fn soon<F: Future>(future: F) -> F::Output {
    let patience = std::time::Duration::from_secs(20);
    tokio::time::timeout(patience, future)
        .await
        .expect("this takes too long")
}

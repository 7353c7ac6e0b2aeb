//! The services over real gRPC connections in memory: a client as Vault is one, an engine, and a storage server as
//! Vault's or OpenBao's.

mod engine;
mod mounting;
mod plugin;
mod redaction;
mod requests;
mod server;
mod storage;
mod system;
mod translation;

/// What comes soon, or a failure in place of a test that hangs.
async fn soon<F: Future>(future: F) -> F::Output {
    let patience = std::time::Duration::from_secs(20);
    tokio::time::timeout(patience, future)
        .await
        .expect("this takes too long")
}

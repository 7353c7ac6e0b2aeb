//! The services over real gRPC connections in memory: a client as Vault is one, an engine, and a storage server as
//! Vault's or OpenBao's.

mod engine;
mod mounting;
mod plugin;
mod requests;
mod server;
mod storage;

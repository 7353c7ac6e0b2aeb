//! Puts Vault's plugin services in front of a Rust [`Backend`]: everything that a secrets engine for HashiCorp Vault or
//! OpenBao needs to run as an external plugin, and nothing else.
//!
//! An engine implements [`Factory`] for the process and [`Backend`] for one mount, and calls [`serve`] in `main`:
//!
//! ```no_run
//! use std::process::ExitCode;
//! use std::sync::Arc;
//!
//! use vault_plugin::{Backend, Error, Factory, Operation, Report, Request, Response, Setup, async_trait};
//!
//! struct Plugin;
//!
//! #[async_trait]
//! impl Factory for Plugin {
//!     async fn setup(&self, mount: Setup) -> Result<Arc<dyn Backend>, Error> {
//!         Ok(Arc::new(Greeter { mount }))
//!     }
//! }
//!
//! struct Greeter {
//!     mount: Setup,
//! }
//!
//! #[async_trait]
//! impl Backend for Greeter {
//!     async fn handle_request(&self, request: Request) -> Result<Option<Response>, Error> {
//!         match request.operation {
//!             Operation::Read => {
//!                 let greeting = self.mount.config.get("greeting").map_or("hello", String::as_str);
//!                 Ok(Some(Response::json(&serde_json::json!({ "message": greeting }))?))
//!             }
//!             _ => Err(Error::UnsupportedOperation),
//!         }
//!     }
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> ExitCode {
//!     match vault_plugin::serve(Plugin).await {
//!         Ok(()) => ExitCode::SUCCESS,
//!         Err(error) => {
//!             eprintln!("{}", Report::new(&error));
//!             ExitCode::FAILURE
//!         }
//!     }
//! }
//! ```
//!
//! `examples/counter.rs` is a whole engine with leases; `examples/probe.rs` shows what a server tells its plugins. Log
//! through `tracing` with [`go_plugin::hclog::layer`] for the engine's own modules, `vault_plugin` and `go_plugin`:
//! Vault writes the lines to its log at their levels.
//!
//! # Errors
//!
//! A [`Backend`] and a [`Factory`] answer an [`Error`]. Calls to the server fail with a [`ServerError`], JSON with a
//! [`JsonError`]; `?` makes both an [`Error`], and each variant reaches Vault as an error that it understands.
//! [`serve`] fails with a [`ServeError`].
//!
//! # What to watch
//!
//! - Work continues when its caller hangs up: each call runs in a task of its own, and [`Backend::cleanup`] is called
//!   while such tasks may still run.
//! - Vault may send a request again after the process died, although the request was done.
//! - `Debug` of every type here omits data, paths, keys and tokens. The text that an engine puts into an [`Error`] is
//!   shown to the caller and may be logged by Vault.

#![deny(missing_docs)]

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod auth;
mod backend;
mod caller;
mod error;
mod events;
#[doc(hidden)]
pub mod fuzz;
mod identity;
mod json;
mod lease;
mod link;
mod methods;
mod proto;
mod request;
mod response;
mod serve;
mod service;
mod storage;
mod system;
mod time;
mod wrapping;

#[cfg(test)]
mod protocol_tests;

pub use airlock_logical::{
    Alias, Entity, Group, Json, JsonError, Lease, Nanoseconds, Operation, Secret, SpecialPaths, StorageEntry,
    Timestamp, WrapInfo, WrapRequest,
};
pub use async_trait::async_trait;
pub use go_plugin::{Held, Report, ServeError};

pub use auth::{Auth, TokenType};
pub use backend::{Backend, BackendType, Factory, Setup};
pub use caller::Caller;
pub use error::{Error, NoAnswer, ServerError};
pub use events::{Event, Events, Observations};
pub use request::{Connection, Request, TlsState};
pub use response::{RawHttp, Response};
pub use serve::{serve, server};
pub use storage::{Storage, StorageTransaction};
pub use system::{
    ClusterInfo, IdentityToken, PluginEnvironment, ReplicationState, RotationInfo, RotationJob,
    RotationSchedule, SystemView,
};

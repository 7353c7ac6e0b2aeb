//! Vault's HTTP API for secrets engines, without Vault, on an embedded store. It has what `vault`, `curl` and `hvac`
//! need to use an engine that is being developed.
//!
//! The engines come from an [`EngineFactory`], as [`vault_plugin::Backend`]s over the [`airlock_storage::Storage`] that
//! the server gives them:
//!
//! ```no_run
//! # use airlock_dev_server::{Clock, DevServer, EngineFactory, Error, Settings, Store, Unobserved};
//! # async fn example(factory: impl EngineFactory) -> Result<(), Error> {
//! let server = DevServer::start(Settings {
//!     listen: "127.0.0.1:8200".parse().expect("an address"),
//!     token: "root".to_owned(),
//!     store: Store::memory()?,
//!     clock: Clock::running(),
//!     observer: Box::new(Unobserved),
//!     factory: Box::new(factory),
//! })
//! .await?;
//! server.enable("demo", "kv", Default::default()).await?;
//! println!("http://{}", server.address());
//! // … until Ctrl-C …
//! server.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! Watch out:
//!
//! - It is a development server: it listens on loopback only, has one token, which may do everything, and encrypts
//!   nothing. It says so in `sys/health`.
//! - It needs a multi-threaded tokio runtime, because a guest may compute for a long time.
//! - Leases and the periodic tick follow the [`Clock`], which can be frozen and moved.
//! - The cost of a request is known only if the backend reports it with [`report_cost`], and its changes of storage and its
//!   events only if [`subscriber`] is the process's subscriber.
//! - The data of a request or an answer is shown only to its caller, and to the page at `/ui` when somebody asks for it
//!   there.
//!
//! The model is Vault 1.21: this crate's tests compare statuses, texts and envelopes with it. Namespaces, policies,
//! tokens other than the root token, auth mounts and the audit log are not implemented.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod answer;
mod call;
mod clock;
mod core;
mod cost;
mod effects;
mod engine;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod go;
mod host;
mod journal;
mod leases;
mod listener;
mod mount;
mod random;
mod raw;
mod server;
mod store;
mod sys;
mod system;
mod ui;
mod wrapping;

pub use clock::Clock;
pub use cost::{Cost, report_cost};
pub use effects::subscriber;
pub use engine::{DevEvents, EngineFactory, EngineInfo, MountSetup};
pub use error::Error;
pub use journal::{Observer, RequestRecord, Unobserved};
pub use server::{DevServer, Replaced, Settings};
pub use store::Store;
pub use system::DevSystem;

//! Shared code of the end-to-end tests: a real Vault server, its log, its HTTP API and its command line.
//!
//! A test starts a [`Server`], registers a [`Plugin`] with it, mounts that and talks to the [`Mount`]:
//!
//! ```no_run
//! use airlock_tests::{Plugin, Server, Storage};
//! use serde_json::json;
//!
//! let server = Server::start("example", Storage::Memory);
//! Plugin::kv().register(&server);
//! let kv = server.mount("kv", "airlock-kv");
//! assert_eq!(kv.write("greeting", json!({"value": "hello"})).status, 200);
//! ```
//!
//! A [`DevServer`] is `airlock dev` in place of a Vault.
//!
//! Watch out for three things. This crate does not build the host, the guests and Vault: `make test` builds them first,
//! and [`files`] returns their paths. Tests of one file share a server if they can, because it takes two seconds to
//! start, so each test needs a mount of its own. And nothing here returns an error: a helper that cannot go on panics
//! with a description of its step, which is what a test wants.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed

mod brand;
mod cluster;
mod collector;
mod command;
mod console;
mod dev_server;
mod dice;
pub mod files;
pub mod hostile;
mod http;
mod load;
mod log;
mod mask;
mod plugin;
pub mod process;
mod prometheus;
pub mod reader;
mod registry;
mod server;
mod signer;
mod storages;
pub mod twins;
mod versioned_kv;

pub use brand::{Brand, skipped_on, skipped_unless};
pub use cluster::{Cluster, eventually};
pub use collector::{Collector, attribute};
pub use command::{Output, airlock, airlock_for, run, vault};
pub use console::Page;
pub use dev_server::{DevServer, TOKEN};
pub use dice::Dice;
pub use http::{Answer, Client, Mount, RawAnswer, ask, ask_as};
pub use load::{End, Load, Stop};
pub use log::{Line, Log};
pub use mask::masked;
pub use plugin::Plugin;
pub use prometheus::{Prometheus, find_prometheus};
pub use registry::Registry;
pub use server::{Server, Storage, free_port};
pub use signer::{Signer, signature_of};
pub use storages::Servers;
pub use versioned_kv::{VERSIONED_KV, encoded};

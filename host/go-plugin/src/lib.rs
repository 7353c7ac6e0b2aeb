//! Serves [go-plugin](https://github.com/hashicorp/go-plugin)'s protocol, so that a program written in Rust can be a
//! plugin of a host written in Go.
//!
//! # How to use it
//! Build a [`Server`] with the cookie that host and plugin agree on, and with one closure for each version of the
//! application's protocol, which makes the gRPC services. Then [`serve`](Server::serve) it:
//!
//! ```no_run
//! use go_plugin::{Cookie, Report, Server, Services};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() {
//!     let server = Server::new(Cookie { key: "GREETER_PLUGIN", value: "hello" })
//!         .version(1, |_broker| Services::new() /* .with(…) */);
//!     if let Err(error) = server.serve().await {
//!         eprintln!("{}", Report::new(&error));
//!         std::process::exit(1);
//!     }
//! }
//! ```
//!
//! `examples/greeter.rs` is a whole plugin that also calls its host back through the [`Broker`]. Log with
//! [`hclog::layer`], which writes lines that the host understands.
//!
//! # What it does
//! This crate implements:
//!
//! - the cookie, version negotiation and the handshake line;
//! - mutual TLS pinned to the host's certificate; a host without one is refused unless [`Server::allow_plaintext`]
//!   allows it;
//! - a private unix socket, which is removed at the end;
//! - the health, controller, stdio and broker services;
//! - the broker, over sockets or over one multiplexed connection, and unary calls to the services behind it
//!   ([`Channel`]).
//!
//! The plugin ends when the host says so, when the host's connection closes, when the process that started it is gone,
//! and on SIGTERM.
//!
//! # What to watch
//! - Do not print anything: standard output belongs to the handshake and leads nowhere after it.
//! - When the host asks for the end, calls that are in flight are left unanswered, and the connection outlives the
//!   process by a moment, so that the host learns of the end before its calls fail. For that the process forks a child,
//!   which keeps the connection open, and nothing else, for ten seconds at most.
//! - A call's handler is dropped when the caller hangs up. Work that must not stop half way belongs in a task of its
//!   own; [`Server::on_exit`] can wait for it.
//! - Each tonic service decodes at most 4 MiB by default; see [`MAX_MESSAGE_SIZE`].
//! - Plugins do not serve further services through the broker (`AcceptAndServe` on Go's plugin side).

#![deny(missing_docs)]

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod broker;
mod channel;
mod connection;
mod dispatch;
mod error;
#[doc(hidden)]
pub mod fuzz;
pub mod hclog;
mod held;
mod http2;
mod launch;
mod linger;
mod message;
mod mux;
mod process;
mod proto;
mod server;
mod services;
mod socket;
mod tls;
mod unary;

pub use broker::Broker;
pub use channel::Channel;
pub use dispatch::Services;
pub use error::{DialError, ServeError, TransportError};
pub use held::Held;
pub use launch::Cookie;
pub use printable::Report;
pub use server::{Exit, Server};
pub use unary::unary;

/// The largest message, in bytes, that Go's side accepts: give it to `max_decoding_message_size` of every
/// tonic service.
pub const MAX_MESSAGE_SIZE: usize = i32::MAX as usize;

/// The number of bytes that the peer may send ahead for one call, so that a message of megabytes does not wait for one round
/// trip after the other.
const WINDOW: u32 = 4 << 20;

/// The same for all calls of a connection together: more than one call has, so that a call whose bytes nobody reads yet does
/// not stop the others.
const CONNECTION_WINDOW: u32 = 4 * WINDOW;

/// The number of calls given up early that a connection accepts before it is closed. `h2`'s own limits, 20 that were
/// not yet looked at and 1,024 in all, protect from strangers. But the host is not a stranger, and closing its
/// connection because of a burst of callers who hang up would end every other call with it.
const MAX_RESETS: usize = 1 << 20;

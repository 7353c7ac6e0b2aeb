//! The vocabulary that Vault, engines and storage share, after Vault's `sdk/logical`; and the rules by which Vault decodes a
//! plugin's answer.
//!
//! - [`Operation`]: what Vault asks an engine to do.
//! - [`StorageEntry`]: what storage keeps under a key.
//! - [`Secret`] with its [`Lease`]; [`WrapInfo`] and [`WrapRequest`]: what an answer has besides data.
//! - [`SpecialPaths`]: what an engine asks of Vault's router.
//! - [`Entity`], [`Alias`], [`Group`]: who makes a request.
//! - [`Json`]: data that is passed on unchanged.
//!
//! Vault decodes an answer when it is too late: the engine has already written. So code that commits on behalf of an
//! engine checks the answer first, by the rules here. Code that sends the answer relies on that check.
//!
//! - [`json`]: checks that a text is a JSON object that Go's decoder reads into a map.
//! - [`moment`]: checks that a point in time fits a protobuf timestamp.
//!
//! ```
//! use std::time::Duration;
//!
//! use airlock_logical::json::{Flaw, check_object};
//! use airlock_logical::{Json, Secret};
//!
//! let secret = Secret::new(Duration::from_secs(60), Json::from(r#"{"user": "db-7"}"#));
//! assert_eq!(secret.lease.ttl, 60_000_000_000);
//!
//! assert_eq!(check_object(r#"{"count": 9007199254740993}"#), Ok(()));
//! assert_eq!(check_object(r#"{"count": 1e400}"#), Err(Flaw::Number));
//! ```
//!
//! # What to watch
//! - Lengths of time are [`Nanoseconds`], as on Vault's wire; [`time`] converts them.
//! - No error here quotes the text that it refuses. `Debug` of [`StorageEntry`], [`Json`], [`Secret`] and [`WrapInfo`] shows
//!   no key, value, token or path.
//! - The feature `component` derives wasmtime's component types, for a host of WebAssembly guests. Without it the crate knows
//!   nothing of WebAssembly.

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

#[cfg(feature = "component")]
mod component;
mod identity;
pub mod json;
mod lease;
pub mod moment;
mod operation;
pub mod redact;
mod special_paths;
mod storage_entry;
pub mod time;
pub mod trace;
mod wrapping;

pub use identity::{Alias, Entity, Group};
pub use json::{Json, JsonError};
pub use lease::{Lease, Secret};
pub use operation::Operation;
pub use special_paths::SpecialPaths;
pub use storage_entry::StorageEntry;
pub use time::{Nanoseconds, Timestamp};
pub use wrapping::{WrapInfo, WrapRequest};

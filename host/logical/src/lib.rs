//! The vocabulary that Vault, engines and storage share, after Vault's `sdk/logical`; and the rules by which Vault decodes a
//! plugin's answer.
//!
//! - [`Operation`]: what Vault asks an engine to do.
//! - [`StorageEntry`]: what storage keeps under a key.
//!
//! Vault decodes an answer when it is too late: the engine has already written. So code that commits on behalf of an
//! engine checks the answer first, by the rules here. Code that sends the answer relies on that check.
//!
//! - [`json`]: checks that a text is a JSON object that Go's decoder reads into a map.
//! - [`moment`]: checks that a point in time fits a protobuf timestamp.
//!
//! ```
//! use airlock_logical::json::{Flaw, check_object};
//!
//! assert_eq!(check_object(r#"{"count": 9007199254740993}"#), Ok(()));
//! assert_eq!(check_object(r#"{"count": 1e400}"#), Err(Flaw::Number));
//! ```
//!
//! # What to watch
//! - No error here quotes the text that it refuses, and `Debug` of an entry shows neither its key nor its value.
//! - The feature `component` derives wasmtime's component types, for a host of WebAssembly guests. Without it the crate knows
//!   nothing of WebAssembly.

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod json;
pub mod moment;
mod operation;
mod storage_entry;

pub use operation::Operation;
pub use storage_entry::StorageEntry;

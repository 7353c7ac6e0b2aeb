//! Does what Vault's core does with an engine's answer and with its caller's texts, without a server.
//!
//! The development server, the testkit and the SDK's native tests all show an engine's answer as Vault's caller would
//! see it. They share this crate, so that they cannot differ:
//!
//! ```
//! use vault_core::{Envelope, EngineAnswer, Form, RequestKind, json};
//!
//! // The answer of an engine to a read.
//! let data = json::read_object(r#"{"value": "<b>", "a": 1}"#)?;
//! let answer = EngineAnswer { data: Some(&data), ..EngineAnswer::default() };
//! assert!(matches!(answer.form(RequestKind::Read), Form::Envelope));
//! assert_eq!(answer.status(RequestKind::Read), 200);
//!
//! // What the caller gets.
//! let data = data.into();
//! let envelope = Envelope { request_id: "7", data: Some(&data), mount_type: "kv", ..Envelope::default() };
//! assert_eq!(
//!     envelope.to_text(),
//!     r#"{"request_id":"7","lease_id":"","renewable":false,"lease_duration":0,"data":{"a":1,"value":"\u003cb\u003e"},"wrap_info":null,"warnings":null,"auth":null,"mount_type":"kv"}"#
//! );
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! - [`EngineAnswer`] decides the form and the status of an answer. [`OwnAnswer`] is an HTTP answer that the engine wrote
//!   itself. [`RequestKind::status_of_nothing`] is the status if the engine answered nothing.
//! - [`Envelope`] and [`errors`] make the bodies. [`json`] reads and writes them as Go does.
//! - [`parse_duration`] and [`human_duration`] read and show durations. [`LeaseTerms`] limits the time of a lease, and
//!   [`Leases`] knows which leases can be renewed.
//! - [`list_path`] completes the path of a list. [`PasswordPolicies`] makes passwords for tests.
//! - [`guest_log`] bounds what a guest writes to Vault's log.
//!
//! The model is Vault 1.21: the tests of the development server compare statuses, texts and envelopes with it.
//!
//! # What to watch
//! - An error that an engine returns, instead of an answer, has a status that depends on the caller's own error type.
//!   Only its text is made here, by [`errors::collected`].
//! - What Vault's listener does to a request's body, and its check of the `Host` header, are parts of the development
//!   server.

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod answer;
mod duration;
mod envelope;
pub mod errors;
pub mod guest_log;
pub mod json;
mod lease;
mod leases;
mod own_answer;
mod passwords;
mod path;
mod request_kind;
mod split_mix;

pub use answer::{EngineAnswer, Form, check_list, redirect_page};
pub use duration::{human_duration, parse_duration, parse_units};
pub use envelope::Envelope;
pub use lease::{LeaseTerms, SYSTEM_TTL};
pub use leases::{LeaseEntry, Leases};
pub use own_answer::OwnAnswer;
pub use passwords::PasswordPolicies;
pub use path::{list_path, list_path_in_mount};
pub use request_kind::RequestKind;
pub use split_mix::SplitMix64;

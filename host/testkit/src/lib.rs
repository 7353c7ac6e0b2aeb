//! Tests the `.wasm` file of a guest that is to be shipped, in the sandbox that production uses, without Vault.
//!
//! [`Guest::load`] loads the file, [`Guest::mount`] mounts it over a storage of your choice, and the [`Mount`] takes
//! requests as Vault would send them. The clock stands still until the test moves it and randomness is the same in
//! every run, so a test does the same each time.
//!
//! ```no_run
//! use airlock_testkit::{Call, Fault, Guest, json};
//!
//! let kv = Guest::load("target/guests/kv.wasm")?.mount().start()?;
//! assert_eq!(kv.write("greeting", json!({ "value": "hello" })).data(), &json!({ "message": "key created" }));
//! assert_eq!(kv.read("greeting").data()["value"], "hello");
//! assert_eq!(kv.stored("kv/greeting").as_deref(), Some(&b"hello"[..]));
//!
//! kv.faults().every(Call::Put, Fault::Fail);
//! let answer = kv.write("greeting", json!({ "value": "bye" }));
//! assert_eq!(answer.status(), 500);
//! assert!(answer.usage().storage.calls() < 5);
//! # Ok::<(), airlock_testkit::Error>(())
//! ```
//!
//! - [`Answer`] is what the caller of Vault's API would get: status, body, warnings and lease. It also says which
//!   resources the request used.
//! - [`FolderStorage`] keeps a mount's entries in a directory from one run to the next.
//! - [`Scenario`] is a test in a file, which `airlock test` runs.
//!
//! Watch out: if a storage call is made to fail, it is not retried. `airlock serve` would retry it for ten seconds; see
//! [`MountBuilder::retry_storage`].

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod answer;
mod clock;
mod duration;
mod error;
mod folder;
#[doc(hidden)]
pub mod fuzz;
mod guest;
mod mount;
mod request;
pub mod scenario;

mod services;
mod vault_data;

pub use airlock_faults::{Call, Fault, FaultyStorage};
pub use airlock_logical::{Alias, Entity, Group, Operation, Secret, SpecialPaths};
pub use airlock_sandbox::{Events, Level, Limits, System, SystemError, Usage};
pub use airlock_storage::{MemoryStorage, StorageEntry};
pub use serde_json::{Value, json};
pub use vault_core::PasswordPolicies;
pub use vault_plugin::Report;

pub use answer::{Answer, Lease};
pub use clock::Clock;
pub use duration::{InvalidDuration, parse_duration};
pub use error::{Error, Result};
pub use folder::FolderStorage;
pub use guest::{Guest, block_on};
pub use mount::{Mount, MountBuilder};
pub use request::Request;
pub use scenario::Scenario;

pub use services::{FakeSystem, RecordedEvent, RecordedLine, Recorder, Seeded, Shared};
pub use vault_data::{AliasData, EntityData, GroupData, PolicyData};

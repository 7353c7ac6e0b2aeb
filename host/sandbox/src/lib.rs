//! Runs secrets engines as WebAssembly guests: one instance per request, under limits.
//!
//! A **guest** is a component that exports `airlock:engine/backend` (see `wit/`) and imports nothing but that contract.
//! This crate knows nothing of gRPC or of Vault's plugin protocol: it takes a request and returns an answer.
//!
//! # How to use it
//! 1. Make one [`Sandbox`] for the process. Tell it where to compile: in a child process ([`Compiler::Child`]) or, for
//!    tools, in this one.
//! 2. [`Sandbox::load`] makes a [`Guest`] of a component's bytes, under [`Limits`], or says why it cannot.
//! 3. Make a [`MountContext`] for each mount: an [`airlock_storage::Mount`] with the settings that the guest's
//!    [description](Description::storage_settings) asks for, and the [`Services`] that stand for Vault.
//! 4. Call the guest: [`Guest::initialize`], [`Guest::handle_request`], [`Guest::check_existence`]. Each call reports
//!    what it used ([`Outcome::usage`]).
//!
//! # What happens to a request
//! It gets an account with one budget for all its attempts, waits for an instance permit of its mount, and runs in a
//! fresh instance from a pool, or in the one that its existence check left, as part of the caller's task. It is
//! interrupted after at most two ticks of an epoch. If it succeeds, its transaction is committed and its events are
//! sent. If it conflicted with another request, it runs again. All memory that is held for it is reserved first. The private module `run` tells this step by step; `load`
//! does the same for the loading of a guest.
//!
//! # What to watch
//! - Drive each call to its end, in a task that outlives whoever waits for the answer. If its future is dropped, the
//!   request stops where it is: what it has committed stays, and the events of that may not be sent.
//! - A panic of the host continues in the caller, and is no [`CallError`].
//! - Only the imports that the contract names are linked.
//! - An error, a trap or an exceeded limit ends one request. Nothing that the request wrote since its last commit is
//!   stored.
//! - No type that holds a secret prints it: `Debug` of [`types`] shows which fields are set, but not their contents.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod aside;
mod bindings;
mod error;
mod failure;
#[doc(hidden)]
pub mod fuzz;
mod guest;
mod imports;
mod limits;
mod load;
mod mount;
mod replay;
mod run;
mod sandbox;
pub mod types;

pub use airlock_logical::SpecialPaths;
pub use aside::aside;
pub use error::{CallError, LoadError, Result};
pub use guest::{Guest, SecondRun};
pub use limits::{Exceeded, Limit, Limits};
pub use load::code::{CodeOrigin, CompiledCode};
pub use load::compiler::{Compiler, compile_child};
pub use load::contract::{CONTRACT_VERSION, CONTROL, is_control};
pub use load::description::{Description, Needs};
pub use load::engine::compile;
pub use load::target::{Target, baseline};
pub use mount::{
    Alias, Clock, Entity, Events, Group, Level, LogLine, LogSink, MountContext, Random, Real, Replication,
    Services, System, SystemError,
};
pub use replay::{Heard, Record, Rerun, SystemAnswer};
pub use run::account::Usage;
pub use run::permit::{AnswerMemory, Outcome, Permit};
pub use sandbox::{Sandbox, SandboxSettings};

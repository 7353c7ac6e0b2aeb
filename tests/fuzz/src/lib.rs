//! Fuzzing of every decoder that meets bytes of others: Vault's, a guest's, a caller's, an operator's.
//!
//! A [`Target`] hands an input to the decoder that production uses, and panics if a property does not hold. Three things run
//! them: `cargo test` replays the inputs kept in `corpus/TARGET` and a fixed number of mutations of them, the same in each
//! run; `make fuzz` lets libFuzzer look for inputs that reach code which no kept one reaches; `make fuzz-repeat` runs one
//! input. README.md beside this crate says how.
//!
//! To add a target, write a function in a module of [`targets`], add it to [`TARGETS`] and to the list in
//! `tests/replay.rs`, and put a few inputs into its folder of the corpus.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a target that cannot go on has found something

mod grpc;
mod input;
mod mutate;
mod runtime;
pub mod targets;

pub use input::Input;
pub use mutate::{Rng, mutate, splice};
pub use runtime::block_on;

/// A decoder with its properties.
pub struct Target {
    /// The folder of the corpus.
    pub name: &'static str,
    /// Panics if the input breaks a property. Answers whether the decoder accepted it.
    pub run: fn(&[u8]) -> bool,
    /// The longest input, in bytes.
    pub longest: usize,
    /// How many mutations of the corpus `cargo test` runs: some seconds.
    pub mutations: u64,
    /// Words of the format, which mutations put in.
    pub words: &'static [&'static str],
    /// A mutation that keeps the format's form, if bytes alone would mostly break it.
    pub reshape: Option<fn(&mut Vec<u8>, &mut Rng)>,
}

/// All targets.
pub static TARGETS: &[Target] = &[
    targets::vault::REQUESTS,
    targets::server::ANSWERS,
    targets::guest::ANSWERS,
    targets::guest::REFUSALS,
    targets::guest::DESCRIPTIONS,
    targets::paths::SPECIAL_PATHS,
    targets::component::COMPONENTS,
    targets::json::OBJECTS,
    targets::storage::REDO_RECORDS,
    targets::storage::RECOVERIES,
    targets::storage::KEYS,
    targets::storage::TOLD,
    targets::storage::FOLDER_ENTRIES,
    targets::launch::COMMAND_LINES,
    targets::launch::HANDSHAKES,
    targets::launch::BROKER_MESSAGES,
    targets::author::SCENARIOS,
    targets::author::DURATIONS,
    targets::dev::CALLS,
    targets::text::PRINTABLE,
];

/// The target of that name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

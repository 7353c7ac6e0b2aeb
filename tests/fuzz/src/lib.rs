//! Fuzzes every decoder of foreign bytes: those of Vault, of a guest, of a caller, of an operator.
//!
//! A [`Target`] passes an input to the decoder that production uses, and panics if a property is violated. Three
//! commands run the targets: `cargo test` replays the inputs in `corpus/TARGET` and a fixed number of their mutations,
//! the same in each run; `make fuzz` lets libFuzzer look for inputs that reach code which no kept input reaches;
//! `make fuzz-repeat` runs one input. README.md beside this crate has the details.
//!
//! To add a target, write a function in a module of [`targets`], add it to [`TARGETS`] and to the list in
//! `tests/replay.rs`, put a few inputs into its folder of the corpus, and say in `tests/accepted.txt` what it accepts.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a target that cannot go on has found something

mod grpc;
mod input;
mod mutate;
mod runtime;
pub mod targets;

pub use input::Input;
pub use mutate::{Rng, mutate, splice};
pub use runtime::block_on;

/// A decoder and the properties that it must have.
pub struct Target {
    /// The name of the target, and of its folder in the corpus.
    pub name: &'static str,
    /// Panics if the input violates a property. Returns true if the decoder accepted the input.
    pub run: fn(&[u8]) -> bool,
    /// The longest input, in bytes.
    pub longest: usize,
    /// The number of mutations of the corpus that `cargo test` runs. They take some seconds.
    pub mutations: u64,
    /// Words of the format, which mutations insert.
    pub words: &'static [&'static str],
    /// A mutation that keeps the structure of the format, for formats that random bytes would mostly break.
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
    targets::bundle::TRAILERS,
    targets::author::SCENARIOS,
    targets::author::DURATIONS,
    targets::author::RECORDINGS,
    targets::dev::CALLS,
    targets::text::PRINTABLE,
    targets::trust::SIGNATURES,
    targets::traces::HEADERS,
];

/// Returns the target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

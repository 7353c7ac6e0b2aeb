//! Tests in files: steps with requests, the expected result of each, and the faults to inject.
//!
//! `airlock test GUEST SCENARIO.toml…` runs them; so does [`Scenario::read`] with [`Scenario::run`]. A scenario:
//!
//! ```toml
//! about = "A key lives from its creation to its deletion"
//! seed = 7                              # of the guest's randomness; 0 by default
//! mount = { path = "secret", options = { version = "1" } }
//! storage = { "kv/old" = "text" }       # the entries before the first step
//! budget = { cpu-ms = 50, storage-calls = 4 }   # of each step
//!
//! [[step]]
//! request = "write greeting"
//! data = { value = "hello" }
//! expect.data = { message = "key created" }
//! expect.storage = { "kv/greeting" = "hello" }
//!
//! [[step]]
//! name = "storage that fails is told to the caller"
//! request = "write greeting"
//! data = { value = "bye" }
//! faults = [{ on = "put", nth = 1, do = "fail" }]
//! expect.status = 500
//! expect.error-has = "the outcome of this commit is unknown"
//! ```
//!
//! docs/scenarios.md describes every key. Code, page, `airlock test --help` and the JSON Schema share one table of keys,
//! `reference.rs`.

mod compare;
mod expect;
mod format;
mod reference;
mod report;
mod run;
mod saved;

use std::path::{Path, PathBuf};

use crate::{Error, Guest, Result};
use format::File;

pub use reference::{help, page, schema};
pub use report::{Report, StepReport, junit, level_name};

/// A scenario that was read and found to be valid.
pub struct Scenario {
    file: PathBuf,
    text: String,
    content: File,
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// Returns [`Error::ReadScenario`], or [`Error::Scenario`] with the line, what is wrong there and what to do.
    pub fn read(file: impl AsRef<Path>) -> Result<Self> {
        let file = file.as_ref();
        let text = std::fs::read_to_string(file).map_err(|source| Error::ReadScenario {
            file: file.to_owned(),
            source,
        })?;
        Self::parse(file, text)
    }

    /// Reads a scenario from a text; `file` is its name in messages.
    ///
    /// # Errors
    /// As for [`Scenario::read`].
    pub fn parse(file: impl Into<PathBuf>, text: impl Into<String>) -> Result<Self> {
        let (file, text) = (file.into(), text.into());
        match format::parse(&text) {
            Ok(content) => Ok(Self { file, text, content }),
            Err((at, what)) => Err(Error::Scenario {
                line: line(&text, at),
                file,
                what,
            }),
        }
    }

    /// Returns true if the name of the file or the `about` text contains this text.
    pub fn is_about(&self, text: &str) -> bool {
        is_named(&self.file, text) || self.content.about.contains(text)
    }

    /// Runs the scenario against a guest, over a storage of its own. The report lists each difference from what was
    /// expected.
    ///
    /// # Errors
    /// Returns [`Error::Runtime`].
    pub fn run(&self, guest: &Guest) -> Result<Report> {
        run::run(self, guest)
    }
}

/// Returns true if the name of a scenario's file contains this text.
pub fn is_named(file: &Path, text: &str) -> bool {
    let name = file.file_name().unwrap_or_default();
    name.to_string_lossy().contains(text)
}

/// Returns the line of a byte, counted from 1.
fn line(text: &str, at: usize) -> usize {
    1 + text
        .as_bytes()
        .iter()
        .take(at)
        .filter(|byte| **byte == b'\n')
        .count()
}

//! Tests in files: steps with requests, what to expect of each, and what shall go wrong.
//!
//! `airlock test GUEST SCENARIO.toml…` runs them; so does [`Scenario::read`] with [`Scenario::run`]. A scenario:
//!
//! ```toml
//! about = "A key lives from its creation to its deletion"
//! seed = 7                              # of the guest's randomness; 0 if not said
//! mount = { path = "secret", options = { version = "1" } }
//! storage = { "kv/old" = "text" }       # what is stored before the first step
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
//! expect.error-has = "failed to put data"
//! ```
//!
//! # A step
//! - `request`: `read PATH`, `write`, `patch`, `delete`, `list`, `help`; `create` and `update`, which skip the existence
//!   check; `tick` (Vault's, once a minute), `restart` (of the host); `renew NAME` and `revoke NAME` of a lease.
//! - `data`: what is sent, as TOML; or `json`, as JSON text. `entity`, `headers`: who asks, and how.
//! - `wait`: how far time moves on before the request, such as `"1h"`. Time stands still otherwise, from
//!   2026-01-01T00:00:00Z on.
//! - `faults`: what goes wrong during this step. `on`: `get`, `put`, `delete`, `list` or `any`; `nth`: which call, every
//!   one if not said; `do`: `fail`, `lose-answer` (it is done and fails), `read-only` or `kill` (it fails, and so does all
//!   that follows); or `slow = "200ms"`.
//! - `read-only = true`: a standby, which cannot write. `busy = true`: other requests hold the storage all the time, so
//!   that nothing can be committed.
//! - `lease`: the name under which the answer's lease is kept for `renew` and `revoke`.
//! - `budget`: as above, for this step.
//! - `expect`: without it, success is expected.
//!
//! # What can be expected
//! `status`; `data` (exactly these) or `has` (at least these, at any depth) and `lacks` (fields that are not there, such
//! as `"user.password"`); `keys` of a list; `error` (the whole text) or `error-has` (a part); `warnings`; `storage` (these
//! keys hold this), `storage-lacks` (no such key, or none below it if it ends in `/`), `storage-is` (these and no
//! others); `logs` and `events` (a part of a line, the type of an event; since the step before).
//!
//! A stored value is compared as text if it is written as text, as JSON if it is written as anything else, and
//! `{ "$base64" = "…" }` stands for bytes.
//!
//! # Budgets
//! `cpu-ms`, `wall-ms`, `memory-mib`, `storage-ops` (the guest's calls) and `storage-calls` (what they cost in Vault). A
//! step that uses more fails.
//!
//! # What to watch
//! A storage call that fails stays failed, where `airlock serve` tries writes again for ten seconds. `retry-storage =
//! "10s"` above the steps does so here, too; a write that is `slow` needs it.

mod compare;
mod format;
mod report;
mod run;

use std::path::{Path, PathBuf};

use crate::{Error, Guest, Result};
use format::File;

pub use report::{Report, StepReport, junit};

/// A scenario, read and found in order.
pub struct Scenario {
    file: PathBuf,
    text: String,
    content: File,
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// [`Error::ReadScenario`]; [`Error::Scenario`] with the line, what is wrong there and what to do.
    pub fn read(file: impl AsRef<Path>) -> Result<Self> {
        let file = file.as_ref();
        let text = std::fs::read_to_string(file).map_err(|source| Error::ReadScenario {
            file: file.to_owned(),
            source,
        })?;
        Self::parse(file, text)
    }

    /// The same from a text; `file` is for messages.
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

    /// Runs it against a guest, over a storage of its own. What is not as expected is in the report.
    ///
    /// # Errors
    /// [`Error::Runtime`].
    pub fn run(&self, guest: &Guest) -> Result<Report> {
        run::run(self, guest)
    }
}

/// The line of a byte, from 1.
fn line(text: &str, at: usize) -> usize {
    1 + text
        .as_bytes()
        .iter()
        .take(at)
        .filter(|byte| **byte == b'\n')
        .count()
}

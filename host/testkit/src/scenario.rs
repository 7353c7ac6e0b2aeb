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
//! # A step
//! - `request`: `read PATH`, `write`, `patch`, `delete`, `list`, `help`; `create` and `update`, which skip the
//!   existence check; `tick` (the request that Vault sends once a minute), `restart` (of the host); `renew NAME` and
//!   `revoke NAME` of a lease.
//! - `data`: the data to send, as TOML; or `json`, the same as JSON text. `entity`, `headers`: the caller's entity and
//!   the request's headers.
//! - `wait`: how far the clock moves forward before the request, such as `"1h"`. Otherwise the clock stands still; it
//!   starts at 2026-01-01T00:00:00Z.
//! - `faults`: the faults during this step. `on`: `get`, `put`, `delete`, `list` or `any`; `nth`: which of these calls,
//!   by default every one; `do`: `fail`, `lose-answer` (the call takes effect and reports a failure), `read-only` or
//!   `kill` (this call and all later ones fail); or `slow = "200ms"`.
//! - `read-only = true`: the host is a standby, which cannot write. `busy = true`: another request holds the commit
//!   lock during the whole step, so that nothing can be committed.
//! - `lease`: the name under which the answer's lease is kept for `renew` and `revoke`.
//! - `budget`: as above, for this step.
//! - `expect`: the expected result. Without it, success is expected.
//!
//! # What can be expected
//! `status`; `data` (exactly these fields) or `has` (at least these, at any depth) and `lacks` (fields that must be
//! absent, such as `"user.password"`); `keys` of a list; `error` (the whole text) or `error-has` (a part of it);
//! `warnings`; `storage` (these keys have these values), `storage-lacks` (the key is absent, or every key below it if
//! it ends in `/`), `storage-is` (these entries and no others); `logs` (a part of a line) and `events` (the type of an
//! event), both since the previous step.
//!
//! A stored value is compared as text if the scenario gives a text, and as JSON if it gives anything else.
//! `{ "$base64" = "…" }` stands for bytes.
//! A stored value is compared as text if it is written as text, as JSON if it is written as anything else, and
//! `{ "$base64" = "…" }` stands for bytes.
//!
//! # Budgets
//! `cpu-ms`, `wall-ms`, `memory-mib`, `storage-ops` (the guest's calls) and `storage-calls` (what they cost in Vault). A
//! step that uses more fails.
//!
//! # What to watch
//! A storage call that is made to fail is not retried, whereas `airlock serve` retries writes for ten seconds.
//! `retry-storage = "10s"` above the steps makes the host retry here, too. A write that is `slow` needs this setting.

mod compare;
mod format;
mod report;
mod run;

use std::path::{Path, PathBuf};

use crate::{Error, Guest, Result};
use format::File;

pub use report::{Report, StepReport, junit};

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

    /// Runs the scenario against a guest, over a storage of its own. The report lists each difference from what was
    /// expected.
    ///
    /// # Errors
    /// Returns [`Error::Runtime`].
    pub fn run(&self, guest: &Guest) -> Result<Report> {
        run::run(self, guest)
    }
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

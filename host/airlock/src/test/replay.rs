//! `airlock test --replay`: runs the requests of a recording on another build of its guest.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use airlock_mount::recording::replay::{BadRecording, MOST_BYTES, Recorded};
use airlock_testkit::block_on;
use anyhow::{Context as _, Result};

use crate::args::LimitArgs;
use crate::file::read_guest;
use crate::guest;

/// Replays the recording. Returns true if the guest answers and stores the same.
pub fn run(recording: &Path, path: &Path, limits: &LimitArgs) -> Result<bool> {
    let recorded = read(recording).with_context(|| format!("recording {}", recording.display()))?;
    let component = read_guest(path)?;
    let differences = block_on(async {
        let cache = guest::user_cache();
        let memory = guest::process_memory(limits);
        let guest = guest::load(path, &component, cache, guest::limits(limits), memory).await?;
        anyhow::Ok(recorded.replay(&guest).await)
    })??;
    crate::print(differences.to_string())?;
    Ok(differences.has_passed())
}

/// Reads a recording, and no more of its file than a recording can have.
pub fn read(path: &Path) -> Result<Recorded> {
    let mut text = String::new();
    let file = File::open(path).context("it cannot be read")?;
    let read = file.take(MOST_BYTES as u64 + 1).read_to_string(&mut text);
    match read {
        Ok(_) => Ok(Recorded::read(&text)?),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Err(BadRecording::NotARecording)?,
        Err(error) => Err(error).context("it cannot be read"),
    }
}

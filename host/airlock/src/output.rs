//! Writes the results of commands to standard output.

use std::io::Write as _;

use anyhow::{Context as _, Result};

/// Writes a text to standard output.
///
/// # Errors
/// Those of standard output, such as a closed pipe.
pub fn print(text: String) -> Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")
}

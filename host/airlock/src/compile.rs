//! `airlock compile`: the child process that reads a guest's bytes first.

use std::io::{Read as _, Write as _, stdin, stdout};

use anyhow::{Context as _, Result};

/// Compiles a component from standard input to native code on standard output.
pub fn run() -> Result<()> {
    // Nobody waits for the code once the parent is gone.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let mut component = Vec::new();
    stdin()
        .read_to_end(&mut component)
        .context("cannot read the component from standard input")?;
    let code = airlock_sandbox::compile(&component)?;
    stdout()
        .write_all(&code)
        .context("cannot write the code to standard output")
}

//! The program's decoders of foreign bytes, for the targets in `tests/fuzz`. Not a public interface: it changes without
//! notice.

use std::ffi::OsString;

use airlock_sandbox::{Guest, Limits, SpecialPaths};
use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::signing::SecretKey;
use crate::{guest, inspect, one_line};

/// Parses a command line. Returns its limits if the command is `serve`. The error is what Vault's operator is told.
pub fn command_line(arguments: &[OsString]) -> Result<Option<Limits>, String> {
    match Cli::try_parse_from(arguments) {
        Ok(Cli {
            command: Command::Serve(args),
        }) => Ok(Some(guest::limits(&args.limits))),
        Ok(_) => Ok(None),
        Err(error) => Err(one_line(&error)),
    }
}

/// Returns what `airlock inspect` prints of a guest.
pub fn inspect(guest: &Guest, paths: &SpecialPaths) -> String {
    inspect::describe(guest, paths, 0)
}

/// Reads a secret key without a password. Returns what its file should have.
pub fn secret_key(text: &str) -> Option<String> {
    let key = SecretKey::from_file(text, || anyhow::bail!("a password costs too much here")).ok()?;
    let file = key.to_file(None).ok()?;
    Some(file.to_string())
}

//! The program's decoders of foreign bytes, for the targets in `tests/fuzz`. Not a public interface: it changes without
//! notice.

use std::ffi::OsString;

use airlock_sandbox::{Guest, Limits, SpecialPaths};

use crate::bundle::trailer::{self, Trailer};
use crate::cli::{Cli, Command};
use crate::contained::Problem;
use crate::signing::SecretKey;
use crate::{guest, inspect, one_line};

/// Parses a command line, of a program that may contain its guest. Returns its limits if the command is `serve`. The error
/// is what Vault's operator is told.
pub fn command_line(arguments: &[OsString], contains_guest: bool) -> Result<Option<Limits>, String> {
    match Cli::read(arguments, contains_guest) {
        Ok(Cli {
            command: Command::Serve(args),
        }) => Ok(Some(guest::limits(&args.limits))),
        Ok(_) => Ok(None),
        Err(error) => Err(one_line(&error)),
    }
}

/// Bytes of a bundle's trailer.
pub const TRAILER: usize = trailer::LENGTH;

/// Reads the trailer of a file of this length. Returns what is written for it again, or `None` if the file is a plain
/// program. The error is what the operator is told.
pub fn bundle_trailer(file: u64, bytes: &[u8; TRAILER]) -> Result<Option<[u8; TRAILER]>, String> {
    match Trailer::decode(file, bytes) {
        Ok(trailer) => Ok(trailer.map(|trailer| trailer.encode())),
        Err(damage) => Err(Problem::from(damage).to_string()),
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

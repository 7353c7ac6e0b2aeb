//! The program's decoders of foreign bytes, for the targets in `tests/fuzz`. Not an interface: it changes without notice.

use std::ffi::OsString;

use airlock_sandbox::{Guest, Limits, Paths, types};
use airlock_storage::Prefixes;
use clap::Parser as _;
use vault_plugin::SpecialPaths;

use crate::cli::{Cli, Command};
use crate::{bridge, engine, inspect, one_line, special_paths, told};

/// A request of Vault's as a guest gets it.
pub fn request(request: vault_plugin::Request) -> types::Request {
    bridge::request(request)
}

/// A guest's answer as Vault gets it.
pub fn answer(answer: types::Response) -> vault_plugin::Response {
    bridge::answer(answer)
}

/// Why a guest did not do a request, as Vault gets it.
pub fn refusal(error: airlock_sandbox::Error) -> vault_plugin::Error {
    bridge::refusal(error)
}

/// Whether the command line is one of `serve`, and its limits; else what Vault's operator is told in its place.
pub fn command_line(arguments: &[OsString]) -> Result<Option<Limits>, String> {
    match Cli::try_parse_from(arguments) {
        Ok(Cli {
            command: Command::Serve(args),
        }) => Ok(Some(engine::limits(&args.limits))),
        Ok(_) => Ok(None),
        Err(error) => Err(one_line(&error)),
    }
}

/// The record of the special paths that Vault enforces, read from a mount's storage.
pub fn read_told(bytes: &[u8]) -> Option<Vec<SpecialPaths>> {
    told::parse(bytes).ok()
}

/// The same record as it is stored.
pub fn write_told(record: &[SpecialPaths]) -> String {
    told::to_text(record)
}

/// The special paths that Vault is told, or why the guest may not have its own.
pub fn special_paths(paths: Paths, granted: &Prefixes) -> Result<SpecialPaths, String> {
    special_paths::check(paths, granted).map_err(|refused| refused.to_string())
}

/// What `airlock inspect` prints of a guest.
pub fn inspect(guest: &Guest, paths: &Paths) -> String {
    inspect::describe(guest, paths, 0)
}

/// Vault's storage, as transactions use it.
pub fn storage(storage: vault_plugin::Storage) -> impl airlock_storage::Storage {
    bridge::VaultStorage::new(storage)
}

/// Vault's system view, as a guest sees it.
pub fn system(system: vault_plugin::SystemView) -> impl airlock_sandbox::System {
    bridge::VaultSystem(system)
}

//! The mount's decoders of foreign bytes, for the targets in `tests/fuzz`. Not a public interface: it changes without notice.

use airlock_sandbox::types;
use airlock_storage::Prefixes;
use vault_plugin::SpecialPaths;

use crate::{bridge, special_paths, told};

/// Converts a request of Vault to the form that a guest gets.
pub fn request(request: vault_plugin::Request) -> types::Request {
    bridge::request(request)
}

/// Converts a guest's answer to the form that Vault gets.
pub fn answer(answer: types::Response) -> vault_plugin::Response {
    bridge::answer(answer)
}

/// Converts the reason why a guest did not do a request to the error that Vault gets.
pub fn refusal(error: airlock_sandbox::CallError) -> vault_plugin::Error {
    bridge::refusal(error)
}

/// Parses the record of the special paths that Vault enforces, in the form that a mount's storage has.
pub fn read_told(bytes: &[u8]) -> Option<Vec<SpecialPaths>> {
    told::parse(bytes).ok()
}

/// Returns the stored form of that record.
pub fn write_told(record: &[SpecialPaths]) -> String {
    told::to_text(record)
}

/// Returns the special paths that Vault is told, or the reason why the guest may not have its own.
pub fn special_paths(paths: SpecialPaths, granted: &Prefixes) -> Result<SpecialPaths, String> {
    special_paths::check(paths, granted).map_err(|refused| refused.to_string())
}

/// Returns Vault's storage in the form that transactions use.
pub fn storage(storage: vault_plugin::Storage) -> impl airlock_storage::Storage {
    bridge::VaultStorage::new(storage)
}

/// Returns Vault's system view in the form that a guest sees.
pub fn system(system: vault_plugin::SystemView) -> impl airlock_sandbox::System {
    bridge::VaultSystem(system)
}

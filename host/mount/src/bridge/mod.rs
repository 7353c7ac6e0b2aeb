//! Connects the other crates: Vault's side of each thing that the sandbox asks for.

mod log;
mod message;
mod outcome;
mod snapshot;
mod storage;
mod system;

pub use log::HostLog;
pub(crate) use message::{add_local_records, answer, refusal, request, storage_prefixes};
pub use storage::VaultStorage;
pub use system::{VaultEvents, VaultSystem};

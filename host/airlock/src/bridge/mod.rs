//! Connects the other crates: Vault's side of each thing that the sandbox asks for.

mod dev;
mod log;
mod message;
mod snapshot;
mod storage;
mod system;

pub use dev::{Dev, DevJournal};
pub use log::HostLog;
pub use message::{add_local_records, answer, paths, refusal, request, storage_prefixes};
pub use storage::VaultStorage;
pub use system::{VaultEvents, VaultSystem};

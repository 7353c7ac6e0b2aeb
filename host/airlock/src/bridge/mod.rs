//! Where the rooms meet: Vault's side of each thing that the sandbox asks for.

mod log;
mod message;
mod storage;
mod system;

pub use log::HostLog;
pub use message::{answer, paths, refusal, request};
pub use storage::VaultStorage;
pub use system::{VaultEvents, VaultSystem};

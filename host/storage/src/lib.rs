//! Storage for secrets engines: one request, one transaction.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod access;
mod entry;
mod error;
mod memory;
mod mount;
mod names;
mod settings;
mod storage;
mod transaction;
mod usage;
mod writes;

pub use access::Prefixes;
pub use entry::Entry;
pub use error::{Error, Result};
pub use memory::MemoryStorage;
pub use mount::{Attempt, Mount};
pub use settings::Settings;
pub use storage::{NoStorage, Storage, StorageTransaction};
pub use transaction::Transaction;
pub use usage::Usage;

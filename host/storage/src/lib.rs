//! Storage for secrets engines: one request, one transaction.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod access;
mod cache;
mod calls;
mod commit;
mod counters;
mod entry;
mod error;
pub mod faulty;
mod flush;
mod kept;
mod ledger;
mod listing;
mod memory;
mod mount;
mod names;
mod protocol;
mod reads;
mod record;
mod redo;
mod retry;
mod scratch;
mod settings;
mod storage;
mod sync;
mod together;
mod transaction;
mod turns;
mod usage;
mod writes;

pub use access::Prefixes;
pub use entry::Entry;
pub use error::{Error, Result};
pub use memory::{MemoryStorage, TransactionalStorage};
pub use mount::{Attempt, Mount};
pub use settings::Settings;
pub use storage::{NoStorage, Storage, StorageTransaction};
pub use transaction::Transaction;
pub use usage::Usage;

//! Detects conflicts: what this process knows of a mount's storage, and the order of the steps that makes transactions
//! serializable.
//!
//! [`protocol`] is the part to read first. The test `model` compiles this folder once more, with loom's lock, and runs it in
//! every interleaving; so nothing here may wait, or use anything of tokio.

pub(crate) mod cache;
pub(crate) mod caches;
pub(crate) mod counters;
pub(crate) mod ledger;
pub(crate) mod protocol;
pub(crate) mod scratch;

/// About what the cache and scratch need for an entry besides its key and its value: its places in maps, and the owners of its
/// bytes. Authors know the number, because it counts for their scratch.
const ENTRY_OVERHEAD: usize = 200;

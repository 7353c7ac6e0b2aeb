//! Storage for secrets engines in which every request is a transaction.
//!
//! Vault gives an engine four calls: get, put, delete, list. Each is done or not done, and nothing holds two of them
//! together: an engine that fails half way leaves half its writes, and two requests at once undo each other's. This crate
//! puts transactions on top, for any number of requests at the same time, over any [`Storage`].
//!
//! # How to use it
//!
//! One [`Mount`] for each mounted engine, one [`Transaction`] for each run of a request:
//!
//! ```
//! use airlock_storage::{Attempt, Entry, Error, MemoryStorage, Mount, Settings};
//! use std::sync::Arc;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let mount = Mount::new(Arc::new(MemoryStorage::new()), Settings::default());
//! let mut attempt = Attempt::FIRST;
//! loop {
//!     let mut transaction = mount.begin(attempt).await?;
//!     let count = transaction.get("count").await?.map_or(0, |entry| entry.value[0]);
//!     transaction.put(Entry::new("count", vec![count + 1])).await?;
//!     match transaction.commit().await {
//!         Err(Error::Conflict) => attempt = attempt.next(),
//!         committed => break committed,
//!     }
//! }
//! # }).unwrap();
//! ```
//!
//! # What is guaranteed
//!
//! - **Writes are held** until [`commit`](Transaction::commit). A transaction that is dropped has stored nothing.
//! - **Transactions are serializable**, strictly: each takes effect as if it ran alone, at one moment between its first
//!   read and the end of its commit. That holds for reads, lists, scratch and read-only requests, which commit too. A run
//!   that cannot have been alone ends in [`Error::Conflict`] and is to be run again; after three of them
//!   [`begin`](Mount::begin) waits for a turn in which nobody else commits.
//! - **A commit in mid-request** ends one transaction and begins the next. Others may commit between the two, so read
//!   again what you rely on. The request cannot be run again from then on; so its next transaction has a turn of its own,
//!   of limited time.
//! - **An existence check stores nothing** ([`Mount::begin_check`]): it sees its own writes, which are given up at its end,
//!   and it cannot commit. What it read is kept for its request.
//! - **A flush goes on** when its caller goes away, and [`drain`](Mount::drain) waits for it.
//!
//! # What is atomic, and what a crash leaves
//!
//! | commit of | is all or nothing | after a kill in mid-flush |
//! |---|---|---|
//! | one write | yes | done or not done |
//! | several | to all other requests | a prefix of them, in the order in which they were made |
//! | several, with [`Settings::redo_record`] | yes | all of them, from the next start on, or none |
//! | several, in storage with transactions of its own (OpenBao) | yes | all or none |
//!
//! A **redo record** costs two more writes a commit, of which the first carries all values once more (a large one costs a
//! put and a delete more for each piece of 32 KiB, or each entry that is larger). Once it is stored the commit is done: it
//! is flushed until it succeeds and is never reported as failed, and no transaction begins before a record left by a crash
//! has been flushed. Without one, order your writes so that each prefix of them is a valid state.
//!
//! # What storage may answer to a write
//!
//! - **Done.**
//! - **Rejected**: it did not store it and never will, because the entry is too large, the key is one that it cannot hold,
//!   or it is read-only. The write is not tried again. The commit fails with [`Error::Rejected`] or [`Error::ReadOnly`], and
//!   nothing of it is stored; but if earlier writes of it are, the error is [`Error::Incomplete`]. There is no limit on
//!   sizes here: the storage's own is the limit. A redo record holds each entry whole, so that a storage that would reject
//!   the entry rejects the record, before the commit is done.
//! - **Unknown**: any other error. The flush makes the write again for as long as [`Settings::flush`] says; until then nobody
//!   reads or writes its keys. Then the commit fails with [`Error::UnknownOutcome`]. A call that was given up may still
//!   take effect for a while ([`Settings::late`]), so for that long the keys of a write that took more than one try are kept
//!   out of the cache.
//!
//! Times bound the lack of progress: a commit or a recovery of any size goes on while storage takes its writes.
//!
//! A redo record that cannot be flushed, because it is damaged or because storage takes less than it did, is **set aside**:
//! see [`Mount::set_aside`].
//!
//! **What may happen twice:** a run of a request, so all that it does elsewhere should wait for the commit or first take
//! a turn ([`take_turn`](Transaction::take_turn)). And the whole request, if Vault sends it again after a crash, though it
//! was committed: nobody here can know.
//!
//! # How it works
//!
//! The mount remembers when each key and each folder was last written, found by a hash of 64 bits. A read takes a sample
//! of that first. A commit, in one step, checks that no sample is outdated and none of its keys is being written, and
//! marks what it writes; then it flushes; then it notes the time of the writes and takes the marks away, in one step. A
//! write counts for the folders above its key as well, unless the key is known to have been there, or not, before and
//! after. Cached entries carry their sample and are good as long as it stands. The rest is bookkeeping: who may commit when (a fair lock), what to do when storage fails,
//! and what to remember between an existence check and its request.
//!
//! The private modules `ledger` and `protocol` hold the part on which all depends; the tests run it through loom in every
//! interleaving, and check the histories of real runs for a serial order.
//!
//! # What to watch
//!
//! - It is correct for as long as this process is the only writer of the mount's storage, as a plugin of Vault is, and is
//!   told of other changes by [`Mount::invalidate`]. Where others write, as beneath a standby, storage has to read by
//!   itself as at one moment ([`Storage::snapshot`]), and nothing may be cached.
//! - Everything needs a tokio runtime with timers.
//! - A key or folder has at most [`MAX_KEY_BYTES`] and [`MAX_KEY_SEGMENTS`], and no segment that is empty or `.`, in every
//!   call alike.
//! - Keys and values are secrets: no error, no `Debug` and no log shows them.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod access;
mod cache;
mod calls;
mod check;
mod commit;
mod counters;
mod entry;
mod error;
pub mod faulty;
mod flush;
#[doc(hidden)]
pub mod fuzz;
mod kept;
mod ledger;
mod listing;
mod memory;
mod mount;
mod names;
mod proof;
mod protocol;
mod reads;
mod record;
mod recovery;
mod redo;
mod retry;
mod scratch;
mod set_aside;
mod settings;
mod storage;
mod sync;
mod together;
mod transaction;
mod turns;
mod usage;
mod writes;

pub use access::{MAX_KEY_BYTES, MAX_KEY_SEGMENTS, Prefixes};
pub use entry::Entry;
pub use error::{Error, Rejection, Result};
pub use listing::Budget;
pub use memory::{MemoryStorage, TransactionalStorage};
pub use mount::{Attempt, Mount};
pub use redo::LOCAL_RECORDS;
pub use set_aside::SetAside;
pub use settings::Settings;
pub use storage::{NoStorage, Storage, StorageTransaction};
pub use transaction::Transaction;
pub use usage::Usage;

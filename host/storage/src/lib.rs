//! Storage for secrets engines in which every request is a transaction.
//!
//! Vault gives an engine four calls: get, put, delete and list. Each call is atomic, but nothing joins two of them: an
//! engine that fails half way leaves half of its writes, and two requests at the same time overwrite each other's
//! changes. This crate puts transactions on top of any [`Storage`], for any number of concurrent requests.
//!
//! # How to use it
//!
//! Create one [`Mount`] for each mounted engine, and one [`Transaction`] for each attempt of a request:
//!
//! ```
//! use airlock_storage::{Attempt, StorageEntry, Error, MemoryStorage, Mount, Settings};
//! use std::sync::Arc;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let mount = Mount::new(Arc::new(MemoryStorage::new()), Settings::default());
//! let mut attempt = Attempt::FIRST;
//! loop {
//!     let mut transaction = mount.begin(attempt).await?;
//!     let count = transaction.get("count").await?.map_or(0, |entry| entry.value[0]);
//!     transaction.put(StorageEntry::new("count", vec![count + 1])).await?;
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
//! - **Writes are buffered** until [`commit`](Transaction::commit). A transaction that is dropped has stored nothing.
//! - **Transactions are strictly serializable**: each takes effect as if it ran alone, at one moment between its first
//!   read and the end of its commit. That holds for reads, lists, scratch and read-only requests, which commit too. An
//!   attempt that saw or would cause anything else ends in [`Error::Conflict`], and the caller runs the request again.
//!   After three such attempts [`begin`](Mount::begin) waits for the exclusive commit lock, so that nobody else commits
//!   meanwhile.
//! - **A commit in the middle of a request** ends one transaction and begins the next. Others may commit between the
//!   two, so read again what you rely on. From then on the request cannot be run again. So its next transaction holds
//!   the commit lock exclusively, for a limited time.
//! - **An existence check stores nothing** ([`Mount::begin_check`]). It sees its own writes, which are discarded at its
//!   end, and it cannot commit. What it read is kept for its request.
//! - **Another guest takes over** ([`Mount::replace_guest`]) between two transactions, never within one.
//! - **A flush continues** when its caller goes away, and [`drain`](Mount::drain) waits for it.
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
//! A **redo record** costs two more writes for each commit, and the first of them carries all values once more. (A
//! large record costs one more put and one more delete for each piece of 32 KiB, or for each entry that is larger.)
//! Once the record is stored, the commit is done: it is flushed until that succeeds and is never reported as failed,
//! and after a crash no transaction begins before the record has been flushed. Without a redo record, order your writes
//! so that each prefix of them is a valid state.
//!
//! # What storage may answer to a write
//!
//! - **Done.**
//! - **Rejected**: storage did not store the write and never will, because the entry is too large, because it cannot
//!   hold the key, or because it is read-only. The write is not tried again. The commit fails with [`Error::Rejected`]
//!   or [`Error::ReadOnly`], and nothing of it is stored; but if its earlier writes are stored, the error is
//!   [`Error::Incomplete`]. This crate sets no limit on sizes: the limit of the storage applies. A redo record contains
//!   each entry whole, so a storage that would reject the entry rejects the record, before the commit is done.
//! - **Not the leader**: the node has lost the leadership of its cluster. The write is not tried again, because the next leader
//!   may have stored a newer value, and no request that began before stores anything more. The commit fails with
//!   [`Error::NotLeader`], and nothing of it is stored; or as above with [`Error::Incomplete`]; or with
//!   [`Error::UnknownOutcome`] if the leadership was lost during the write ([`Error::LostLeadership`]).
//! - **Unknown**: any other error. The flush repeats the write for as long as [`Settings::flush`] says; until then
//!   nobody reads or writes its keys. Then the commit fails with [`Error::UnknownOutcome`]. A call that was given up
//!   may still take effect for a while ([`Settings::late`]). For that long, the keys of a write that took more than one
//!   try are kept out of the cache.
//!
//! Timeouts bound the time without progress: a commit or a recovery of any size continues while storage takes its
//! writes.
//!
//! A redo record that cannot be flushed, because it is damaged or because storage accepts less than before, is **set
//! aside**: see [`Mount::set_aside`].
//!
//! **Two things may happen twice.** An attempt of a request may be repeated, so an effect elsewhere should wait for the
//! commit, or first take the commit lock ([`lock_commits`](Transaction::lock_commits)). And Vault may send the whole request
//! again after a crash although it was committed: this crate cannot know that.
//!
//! # How it works
//!
//! The mount remembers when each key and each folder was last written, and finds that by a hash of 64 bits. Before a
//! read it takes a sample of that time. A commit first checks, in one step, that no sample is outdated and that none of
//! its keys is being written, and marks what it writes. Then it flushes. Then, in one step, it notes the time of the
//! writes and removes the marks. A write also counts as a write to the folders above its key, unless it is known that
//! the key existed both before and after, or neither before nor after. Cached entries, and what
//! is remembered of a key's existence ([`Transaction::exists`]), carry their sample. They are valid while it is not outdated, and for
//! [`Settings::cache_age`] at most. The rest is bookkeeping: who may commit when (a fair lock), how to react when storage
//! fails, and what to remember between an existence check and its request.
//!
//! The private modules `ledger` and `protocol` contain the part on which everything depends. The tests run it through
//! loom in every interleaving, and check that the histories of real runs have a serial order.
//!
//! # What to watch
//!
//! - The guarantees hold as long as this process is the only writer of the mount's storage, as a plugin of Vault is,
//!   and is told of other changes by [`Mount::invalidate`]. If others write, as beneath a standby, the storage itself
//!   must read from a consistent snapshot ([`Storage::snapshot`]), and nothing may be cached.
//! - Everything needs a tokio runtime with timers.
//! - In every call, a key or folder has at most [`MAX_KEY_BYTES`] and [`MAX_KEY_SEGMENTS`], and no segment that is
//!   empty or `.`.
//! - Keys and values are secrets: no error, no `Debug` and no log shows them.

#![deny(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

mod access;
mod calls;
mod commit;
mod conflict;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod leadership;
mod memory;
mod mount;
mod names;
mod replay;
mod settings;
mod storage;
mod succession;
mod sync;
mod transaction;
mod usage;

pub use airlock_logical::StorageEntry;

pub use access::{MAX_KEY_BYTES, MAX_KEY_SEGMENTS, Prefixes};
pub use commit::record_id::LOCAL_RECORDS;
pub use commit::set_aside::SetAside;
pub use error::{Error, Rejection, Result};
pub use memory::{MemoryStorage, TransactionalStorage};
pub use mount::{Attempt, Mount, Undrained};
pub use replay::answers::{Lookup, Told};
pub use replay::{Replayed, Trace, Written};
pub use settings::Settings;
pub use storage::{NoStorage, Storage, StorageTransaction};
pub use succession::Term;
pub use transaction::Transaction;
pub use transaction::listing::Budget;
pub use usage::Usage;

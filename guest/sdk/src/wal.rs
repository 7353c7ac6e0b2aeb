//! Keeps write-ahead entries, which record what to undo if a request does not finish.
//!
//! A request that is about to change something outside its transaction first stores an entry about it, and removes the entry
//! when it succeeds. If it never gets that far, Vault's tick finds the entry, once it is old enough, and rolls it back.
//!
//! ```
//! # use airlock_sdk::{Context, Response, Result, Wal, WalKinds};
//! /// An account that may have been made.
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Account {
//!     name: String,
//! }
//!
//! const ACCOUNT: Wal<Account> = Wal::new("account", remove_account);
//! const WAL: WalKinds = &[&ACCOUNT]; // the engine's `WAL`
//!
//! # fn make(_: &str) -> Result<()> { Ok(()) }
//! # fn remove(_: &str) -> Result<()> { Ok(()) }
//! fn create_account(cx: &Context, _: ()) -> Result<()> {
//!     let name = cx.random.uuid();
//!     let entry = ACCOUNT.begin(cx, &Account { name: name.clone() })?; // in Vault when this returns
//!     if let Err(error) = make(&name) {
//!         return Err(entry.abandon(cx, error)); // nothing was made, so there is nothing to undo
//!     }
//!     cx.storage.put(&format!("account/{name}"), "")?;
//!     entry.done(cx) // goes with the request's success, together with the account's own entry
//! }
//!
//! fn remove_account(_: &Context, account: Account) -> Result<()> {
//!     remove(&account.name)
//! }
//! ```
//!
//! A guest has no network, so an entry guards work that takes several commits, or an effect of Vault's services, such as
//! wrapped data. [`begin`](Wal::begin) is a commit itself: a request with an entry commits twice, and recordings and canaries
//! leave it out.
//!
//! If a handler returns an error and leaves the entry, the tick rolls it back. [`abandon`](WalEntry::abandon) removes it
//! at once, if the handler knows that there is nothing to undo. Entries are stored below `wal/`.
//!
//! A rollback may run twice, so make it succeed if there is nothing left to undo. If a rollback fails after it wrote to
//! storage, the tick stops there, because its writes can only be dropped together with the whole request.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Context, Error, Result, Timestamp, codec};

/// The storage prefix of entries, as in Vault's own framework.
pub(crate) const PREFIX: &str = "wal/";

/// The kinds of write-ahead entries of an engine.
pub type WalKinds = &'static [&'static dyn AnyWal];

/// A kind of write-ahead entry. `T` is the data that the rollback needs.
#[derive(Debug)]
pub struct Wal<T> {
    kind: &'static str,
    rollback: fn(&Context, T) -> Result<()>,
    min_age: Duration,
}

/// A stored entry, in the format of Vault's own framework.
#[derive(Serialize, Deserialize)]
struct Stored<T> {
    #[serde(rename = "type")]
    kind: String,
    data: T,
    /// Seconds since 1970.
    created_at: i64,
}

impl<T> Wal<T> {
    /// Declares a kind of entry, and the function that rolls one back.
    pub const fn new(name: &'static str, rollback: fn(&Context, T) -> Result<()>) -> Wal<T> {
        Wal {
            kind: name,
            rollback,
            min_age: Duration::from_secs(600),
        }
    }

    /// Sets the age that an entry must reach before it is rolled back. The default is ten minutes. It must be longer
    /// than a request can take, or the tick undoes the work of a running request.
    pub const fn min_age(mut self, age: Duration) -> Wal<T> {
        self.min_age = age;
        self
    }
}

impl<T: Serialize> Wal<T> {
    /// Stores an entry about what is going to happen, and commits. When it returns, the entry is in Vault, and so is
    /// everything that the request wrote before. From then on the host never runs the request again.
    ///
    /// # Errors
    /// Those of storage.
    pub fn begin(&self, cx: &Context, data: &T) -> Result<WalEntry> {
        let key = format!("{PREFIX}{}", cx.random.uuid());
        let created_at = cx.clock.now().seconds;
        cx.storage.put_json(
            &key,
            &Stored {
                kind: self.kind.into(),
                data,
                created_at,
            },
        )?;
        cx.storage.commit()?;
        Ok(WalEntry { key })
    }
}

/// An entry of a request that has not finished.
#[derive(Debug)]
#[must_use = "call `done` when what the entry guards is done, or `abandon` if it did not happen"]
pub struct WalEntry {
    key: String,
}

impl WalEntry {
    /// Removes the entry in the request's transaction: it disappears if and when the request's writes are stored.
    ///
    /// # Errors
    /// Those of storage.
    pub fn done(self, cx: &Context) -> Result<()> {
        cx.storage.delete(&self.key)
    }

    /// Removes the entry although the request fails, because there is nothing to undo, and returns the request's error.
    /// The removal is in Vault when this returns.
    ///
    /// A failed request stores nothing else. So if the request has written since [`begin`](Wal::begin), or if the removal
    /// fails, the entry stays, and the tick rolls it back as after a crash; a line of the log says so.
    #[must_use = "return the error, so that the request fails"]
    pub fn abandon(self, cx: &Context, error: Error) -> Error {
        let removed = !cx.storage.is_dirty()
            && cx
                .storage
                .delete(&self.key)
                .and_then(|()| cx.storage.commit())
                .is_ok();
        if !removed {
            cx.log
                .warn("a write-ahead entry of a failed request stays, until the tick rolls it back");
        }
        error
    }
}

/// A kind of write-ahead entry with any data. Only [`Wal`] implements it.
pub trait AnyWal: sealed::Sealed {
    #[doc(hidden)]
    fn kind(&self) -> &'static str;
    #[doc(hidden)]
    fn min_age(&self) -> Duration;
    #[doc(hidden)]
    fn roll_back(&self, cx: &Context, data: Value) -> Result<()>;
}

mod sealed {
    pub trait Sealed {}
    impl<T> Sealed for super::Wal<T> {}
}

impl<T: DeserializeOwned> AnyWal for Wal<T> {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn min_age(&self) -> Duration {
        self.min_age
    }

    fn roll_back(&self, cx: &Context, data: Value) -> Result<()> {
        let data = codec::read_own(codec::text(&data).as_bytes(), "the entry")?;
        (self.rollback)(cx, data)
    }
}

/// Rolls back the entries that are old enough, or all if Vault asks for that. Each has its own transaction. Adds to `failures`
/// what failed without a trace in storage.
///
/// # Errors
/// The failure that ends the tick: something may be written that the caller has to drop.
pub(crate) fn roll_back(
    kinds: WalKinds,
    cx: &Context,
    immediate: bool,
    failures: &mut Vec<Error>,
) -> Result<()> {
    for name in cx.storage.list(PREFIX)? {
        let key = format!("{PREFIX}{name}");
        if let Err((kind, error)) = roll_back_one(kinds, cx, &key, immediate) {
            let error = error.context(&format!("error rolling back {kind:?} entry"));
            if cx.storage.is_dirty() {
                return Err(error);
            }
            failures.push(error);
        }
    }
    Ok(())
}

fn roll_back_one(kinds: WalKinds, cx: &Context, key: &str, immediate: bool) -> Result<(), (String, Error)> {
    let unknown = |error| (String::new(), error);
    let Some(entry) = cx.storage.get_json::<Stored<Value>>(key).map_err(unknown)? else {
        return Ok(());
    };
    let named = |error| (entry.kind.clone(), error);
    let Some(kind) = kinds.iter().find(|kind| kind.kind() == entry.kind) else {
        return Err(named(Error::internal("the engine does not know this kind")));
    };
    let age = cx.clock.now().since(Timestamp::from_seconds(entry.created_at));
    if age <= kind.min_age() && !immediate {
        return Ok(());
    }
    kind.roll_back(cx, entry.data).map_err(named)?;
    cx.storage
        .delete(key)
        .and_then(|()| cx.storage.commit())
        .map_err(named)
}

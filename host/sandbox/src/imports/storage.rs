//! `storage`: the request's transaction.

use airlock_storage::{Error as Storage, StorageEntry};

use super::StorageFailure;
use crate::bindings::airlock::engine::storage::{Entry, Error, Host};
use crate::limits::{Exceeded, Limit};
use crate::run::instance::{LONG_ANSWER, State};
use crate::run::session::Session;
use crate::run::stop::Stop;

type Answer<T> = Result<T, StorageFailure>;

impl State {
    /// Begins a call that sends `bytes`, charges it, and returns the session for it. The guest gets the error of an
    /// exceeded limit, because it may have something to say.
    async fn charged(&mut self, import: &'static str, bytes: usize) -> Answer<&mut Session> {
        self.enter(bytes).await?;
        let charged = self.account.call(bytes);
        let session = self.session(import)?;
        charged?;
        Ok(session)
    }

    /// Does the same as [`charged`](Self::charged), for a call of which the transaction keeps `bytes` until it ends.
    async fn charged_and_kept(&mut self, import: &'static str, bytes: usize) -> Answer<&mut Session> {
        self.enter(0).await?;
        self.account.call(bytes)?;
        Ok(self.keep(import, bytes).await?)
    }

    /// Charges what storage answered, and reserves memory for it. Moves the request to the slow lane if that is much: the guest
    /// is likely to hand over as much, and in the fast lane the request would then have to run again.
    async fn received(&mut self, bytes: usize) -> Answer<()> {
        self.account.transfer(bytes)?;
        self.hold(bytes).await?;
        if bytes > LONG_ANSWER {
            self.move_over().await;
        }
        Ok(())
    }

    /// Charges the names that a list answered, and reserves memory for them.
    async fn listed(&mut self, names: airlock_storage::Result<Vec<String>>) -> Answer<Vec<String>> {
        let names = match names {
            Err(Storage::OverBudget) => return Err(self.account.exceeded(Limit::StorageOperations).into()),
            names => names?,
        };
        let bytes = names.iter().map(|name| name.len() + size_of::<String>()).sum();
        self.received(bytes).await?;
        Ok(names)
    }
}

impl Host for State {
    async fn get(&mut self, key: String) -> Answer<Option<Entry>> {
        let session = self.charged_and_kept("storage.get", key.len()).await?;
        let entry = session.transaction.get(&key).await?.map(|entry| Entry {
            key: entry.key,
            value: entry.value.into(),
            seal_wrap: entry.seal_wrap,
        });
        self.received(entry.as_ref().map_or(0, |entry| entry.value.len()))
            .await?;
        Ok(entry)
    }

    async fn exists(&mut self, key: String) -> Answer<bool> {
        let session = self.charged_and_kept("storage.exists", key.len()).await?;
        let before = session.transaction.usage().bytes_read;
        let exists = session.transaction.exists(&key).await?;
        // Storage has no call that leaves the value out.
        let read = session.transaction.usage().bytes_read - before;
        self.received(usize::try_from(read).unwrap_or(usize::MAX)).await?;
        Ok(exists)
    }

    async fn put(&mut self, entry: Entry) -> Answer<()> {
        let bytes = entry.key.len() + entry.value.len();
        let session = self.charged_and_kept("storage.put", bytes).await?;
        let entry = StorageEntry {
            key: entry.key,
            value: entry.value.into(),
            seal_wrap: entry.seal_wrap,
        };
        Ok(session.transaction.put(entry).await?)
    }

    async fn delete(&mut self, key: String) -> Answer<()> {
        let session = self.charged_and_kept("storage.delete", key.len()).await?;
        Ok(session.transaction.delete(&key).await?)
    }

    async fn list(&mut self, prefix: String) -> Answer<Vec<String>> {
        let session = self.charged("storage.list", prefix.len()).await?;
        let names = session.transaction.list(&prefix).await;
        self.listed(names).await
    }

    async fn list_page(&mut self, prefix: String, after: String, limit: u32) -> Answer<Vec<String>> {
        let bytes = prefix.len() + after.len();
        let session = self.charged("storage.list-page", bytes).await?;
        let names = session
            .transaction
            .list_page(&prefix, &after, limit as usize)
            .await;
        self.listed(names).await
    }

    async fn commit(&mut self) -> Answer<()> {
        let account = self.account.clone();
        let session = self.charged("storage.commit", 0).await?;
        let result = session.commit(&account).await;
        if account.has_committed() {
            self.move_over().await;
        }
        Ok(result?)
    }

    fn convert_error(&mut self, failure: StorageFailure) -> wasmtime::Result<Error> {
        failure.told()
    }
}

impl From<Exceeded> for StorageFailure {
    fn from(exceeded: Exceeded) -> Self {
        Self::Refused(Error::Limit(exceeded.to_string()))
    }
}

/// The guest gets an error about which it can say something. A conflict ends the attempt.
impl From<Storage> for StorageFailure {
    fn from(error: Storage) -> Self {
        Self::Refused(match error {
            Storage::Conflict => return Stop::Storage(error).into(),
            Storage::ReadOnly => Error::ReadOnly,
            Storage::Denied(_) => Error::Denied(error.to_string()),
            Storage::InvalidKey(_) => Error::Invalid(error.to_string()),
            _ if error.rejection().is_some() => Error::Invalid(error.to_string()),
            error if error.may_succeed_later() => Error::Busy(error.to_string()),
            error => Error::Failed(error.to_string()),
        })
    }
}

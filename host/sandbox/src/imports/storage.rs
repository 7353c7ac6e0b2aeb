//! `storage`: the request's transaction.

use airlock_storage::Error as Storage;

use crate::bindings::airlock::engine::storage::{Entry, Error, Host};
use crate::instance::{State, Stop};
use crate::limits::{Exceeded, Limit};
use crate::session::Session;

type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl State {
    /// Charges a call that sends `bytes`, and gives the session to do it with. The limit's error is for the guest, which
    /// may have something to say.
    fn charged(
        &mut self,
        import: &'static str,
        bytes: usize,
    ) -> wasmtime::Result<Result<&mut Session, Exceeded>> {
        let charged = self
            .account
            .operation()
            .and_then(|()| self.account.transfer(bytes));
        let session = self.session(import)?;
        Ok(charged.map(|()| session))
    }
}

impl Host for State {
    async fn get(&mut self, key: String) -> Answer<Option<Entry>> {
        let session = match self.charged("storage.get", key.len())? {
            Ok(session) => session,
            Err(exceeded) => return Ok(Err(over(&exceeded))),
        };
        let entry = match session.transaction.get(&key).await {
            Ok(entry) => entry,
            Err(error) => return refuse(error),
        };
        let entry = entry.map(|entry| Entry {
            key: entry.key,
            value: entry.value.into(),
            seal_wrap: entry.seal_wrap,
        });
        Ok(self
            .received(entry.as_ref().map_or(0, |entry| entry.value.len()))
            .map(|()| entry))
    }

    async fn put(&mut self, entry: Entry) -> Answer<()> {
        let session = match self.charged("storage.put", entry.key.len() + entry.value.len())? {
            Ok(session) => session,
            Err(exceeded) => return Ok(Err(over(&exceeded))),
        };
        let entry = airlock_storage::Entry {
            key: entry.key,
            value: entry.value.into(),
            seal_wrap: entry.seal_wrap,
        };
        done(session.transaction.put(entry).await)
    }

    async fn delete(&mut self, key: String) -> Answer<()> {
        match self.charged("storage.delete", key.len())? {
            Ok(session) => done(session.transaction.delete(&key).await),
            Err(exceeded) => Ok(Err(over(&exceeded))),
        }
    }

    async fn list(&mut self, prefix: String) -> Answer<Vec<String>> {
        let names = match self.charged("storage.list", prefix.len())? {
            Ok(session) => session.transaction.list(&prefix).await,
            Err(exceeded) => return Ok(Err(over(&exceeded))),
        };
        self.names(names)
    }

    async fn list_page(&mut self, prefix: String, after: String, limit: u32) -> Answer<Vec<String>> {
        let names = match self.charged("storage.list-page", prefix.len() + after.len())? {
            Ok(session) => {
                session
                    .transaction
                    .list_page(&prefix, &after, limit as usize)
                    .await
            }
            Err(exceeded) => return Ok(Err(over(&exceeded))),
        };
        self.names(names)
    }

    async fn commit(&mut self) -> Answer<()> {
        let account = self.account.clone();
        match self.charged("storage.commit", 0)? {
            Ok(session) => done(session.commit(&account).await),
            Err(exceeded) => Ok(Err(over(&exceeded))),
        }
    }
}

impl State {
    /// Charges what storage answered.
    fn received(&self, bytes: usize) -> Result<(), Error> {
        self.account.transfer(bytes).map_err(|exceeded| over(&exceeded))
    }

    fn names(&self, names: airlock_storage::Result<Vec<String>>) -> Answer<Vec<String>> {
        match names {
            Ok(names) => Ok(self.received(names.iter().map(String::len).sum()).map(|()| names)),
            Err(Storage::OverBudget) => Ok(Err(over(&self.account.exceeded(Limit::StorageOperations)))),
            Err(error) => refuse(error),
        }
    }
}

fn over(exceeded: &Exceeded) -> Error {
    Error::Limit(exceeded.to_string())
}

fn done(result: airlock_storage::Result<()>) -> Answer<()> {
    match result {
        Ok(()) => Ok(Ok(())),
        Err(error) => refuse(error),
    }
}

/// An error that the guest can say something about is its own; a conflict ends the attempt.
fn refuse<T>(error: Storage) -> Answer<T> {
    Ok(Err(match error {
        Storage::Conflict => return Err(Stop::Storage(error).into()),
        Storage::ReadOnly => Error::ReadOnly,
        Storage::Denied(_) => Error::Denied(error.to_string()),
        Storage::InvalidKey(_) | Storage::TooLarge { .. } => Error::Invalid(error.to_string()),
        Storage::Busy { .. } | Storage::Draining => Error::Busy(error.to_string()),
        error => Error::Failed(error.to_string()),
    }))
}

//! `storage`: the request's transaction.

use airlock_storage::Error as Storage;

use crate::bindings::airlock::engine::storage::{Entry, Error, Host};
use crate::limits::{Exceeded, Limit};
use crate::run::instance::{State, Stop};
use crate::run::session::Session;

type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl State {
    /// Begins a call that sends `bytes`, charges it, and returns the session for it. The guest gets the error of an
    /// exceeded limit, because it may have something to say.
    async fn charged(
        &mut self,
        import: &'static str,
        bytes: usize,
    ) -> wasmtime::Result<Result<&mut Session, Exceeded>> {
        self.enter(bytes).await?;
        let charged = self.account.call(bytes);
        let session = self.session(import)?;
        Ok(charged.map(|()| session))
    }

    /// Does the same as [`charged`](Self::charged), for a call of which the transaction keeps `bytes` until it ends.
    async fn charged_and_kept(
        &mut self,
        import: &'static str,
        bytes: usize,
    ) -> wasmtime::Result<Result<&mut Session, Exceeded>> {
        self.enter(0).await?;
        Ok(match self.account.call(bytes) {
            Ok(()) => Ok(self.keep(import, bytes).await?),
            Err(exceeded) => Err(exceeded),
        })
    }

    /// Charges what storage answered, and reserves memory for it.
    async fn received(&mut self, bytes: usize) -> wasmtime::Result<Result<(), Error>> {
        match self.account.transfer(bytes) {
            Ok(()) => {
                self.hold(bytes).await?;
                Ok(Ok(()))
            }
            Err(exceeded) => Ok(Err(over(&exceeded))),
        }
    }
}

impl Host for State {
    async fn get(&mut self, key: String) -> Answer<Option<Entry>> {
        let session = match self.charged_and_kept("storage.get", key.len()).await? {
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
        let received = self
            .received(entry.as_ref().map_or(0, |entry| entry.value.len()))
            .await?;
        Ok(received.map(|()| entry))
    }

    async fn put(&mut self, entry: Entry) -> Answer<()> {
        let bytes = entry.key.len() + entry.value.len();
        let session = match self.charged_and_kept("storage.put", bytes).await? {
            Ok(session) => session,
            Err(exceeded) => return Ok(Err(over(&exceeded))),
        };
        let entry = airlock_storage::StorageEntry {
            key: entry.key,
            value: entry.value.into(),
            seal_wrap: entry.seal_wrap,
        };
        done(session.transaction.put(entry).await)
    }

    async fn delete(&mut self, key: String) -> Answer<()> {
        match self.charged_and_kept("storage.delete", key.len()).await? {
            Ok(session) => done(session.transaction.delete(&key).await),
            Err(exceeded) => Ok(Err(over(&exceeded))),
        }
    }

    async fn list(&mut self, prefix: String) -> Answer<Vec<String>> {
        let session = match self.charged("storage.list", prefix.len()).await? {
            Ok(session) => session,
            Err(exceeded) => return Ok(Err(over(&exceeded))),
        };
        let names = session.transaction.list(&prefix).await;
        self.listed(names).await
    }

    async fn list_page(&mut self, prefix: String, after: String, limit: u32) -> Answer<Vec<String>> {
        let bytes = prefix.len() + after.len();
        let session = match self.charged("storage.list-page", bytes).await? {
            Ok(session) => session,
            Err(exceeded) => return Ok(Err(over(&exceeded))),
        };
        let names = session
            .transaction
            .list_page(&prefix, &after, limit as usize)
            .await;
        self.listed(names).await
    }

    async fn commit(&mut self) -> Answer<()> {
        let account = self.account.clone();
        let result = match self.charged("storage.commit", 0).await? {
            Ok(session) => session.commit(&account).await,
            Err(exceeded) => return Ok(Err(over(&exceeded))),
        };
        if account.has_committed() {
            self.move_over().await;
        }
        done(result)
    }
}

impl State {
    /// Charges the names that a list answered, and reserves memory for them.
    async fn listed(&mut self, names: airlock_storage::Result<Vec<String>>) -> Answer<Vec<String>> {
        match names {
            Ok(names) => {
                let bytes = names.iter().map(|name| name.len() + size_of::<String>()).sum();
                Ok(self.received(bytes).await?.map(|()| names))
            }
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

/// Returns an error to the guest if the guest can say something about it. A conflict ends the attempt.
fn refuse<T>(error: Storage) -> Answer<T> {
    Ok(Err(match error {
        Storage::Conflict => return Err(Stop::Storage(error).into()),
        Storage::ReadOnly => Error::ReadOnly,
        Storage::Denied(_) => Error::Denied(error.to_string()),
        Storage::InvalidKey(_) => Error::Invalid(error.to_string()),
        _ if error.rejection().is_some() => Error::Invalid(error.to_string()),
        Storage::Busy { .. } | Storage::Draining => Error::Busy(error.to_string()),
        error => Error::Failed(error.to_string()),
    }))
}

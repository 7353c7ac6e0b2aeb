//! `scratch`: data that the mount keeps in memory between requests.

use std::time::Duration;

use airlock_storage::{Error as Storage, Transaction};

use crate::bindings::airlock::engine::scratch::Host;
use crate::run::instance::State;
use crate::run::session::Session;
use crate::run::stop::Stop;
use crate::types::Nanoseconds;

impl State {
    /// Begins a call. Scratch has no error for most failures, so such a failure ends the request.
    async fn enter_scratch(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.enter(0).await?;
        self.account
            .call(bytes)
            .map_err(|exceeded| Stop::from(exceeded).into())
    }

    /// Returns the transaction for a call that keeps `bytes` until the request ends.
    async fn scratch(&mut self, import: &'static str, bytes: usize) -> wasmtime::Result<&mut Transaction> {
        Ok(now(self.keep(import, bytes).await?))
    }
}

/// Returns the transaction at the time of the mount's own clock: what the guest hears of the clock may be recorded, and it has
/// not asked.
fn now(session: &mut Session) -> &mut Transaction {
    let now = session.mount.whole().services.clock.now();
    session.transaction.at(now)
}

/// The guest gets the errors about which it can do something.
fn told(result: airlock_storage::Result<()>) -> wasmtime::Result<Result<(), String>> {
    match result {
        Ok(()) => Ok(Ok(())),
        Err(error @ (Storage::ScratchFull { .. } | Storage::InvalidKey(_))) => Ok(Err(error.to_string())),
        Err(error) => Err(Stop::from(error).into()),
    }
}

impl Host for State {
    async fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.enter_scratch(key.len()).await?;
        let session = self.session("scratch.get")?;
        let value = now(session).scratch_get(&key).await.map_err(Stop::from)?;
        self.receive(value.as_ref().map_or(0, |value| value.len()))
            .await?;
        Ok(value.map(Into::into))
    }

    async fn put(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), String>> {
        self.enter_scratch(key.len() + value.len()).await?;
        let transaction = self.scratch("scratch.put", key.len() + value.len()).await?;
        told(transaction.scratch_put(&key, value.into()).await)
    }

    async fn put_for(
        &mut self,
        key: String,
        value: Vec<u8>,
        ttl: Nanoseconds,
    ) -> wasmtime::Result<Result<(), String>> {
        self.enter_scratch(key.len() + value.len()).await?;
        let ttl = match u64::try_from(ttl) {
            Err(_) | Ok(0) => return Ok(Err("a time to live must be longer than zero".into())),
            Ok(ttl) => Duration::from_nanos(ttl),
        };
        let transaction = self.scratch("scratch.put-for", key.len() + value.len()).await?;
        told(transaction.scratch_put_for(&key, value.into(), ttl).await)
    }

    async fn list(&mut self, prefix: String) -> wasmtime::Result<Vec<String>> {
        self.enter_scratch(prefix.len()).await?;
        let session = self.session("scratch.list")?;
        let keys = now(session).scratch_list(&prefix).await.map_err(Stop::from)?;
        let bytes = keys.iter().map(|key| key.len() + size_of::<String>()).sum();
        self.receive(bytes).await?;
        Ok(keys.iter().map(|key| (**key).to_owned()).collect())
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<()> {
        self.enter_scratch(key.len()).await?;
        self.scratch("scratch.delete", key.len())
            .await?
            .scratch_delete(&key)
            .await
            .map_err(Stop::from)?;
        Ok(())
    }
}

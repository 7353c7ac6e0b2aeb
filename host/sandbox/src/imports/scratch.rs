//! `scratch`: data that the mount keeps in memory between requests.

use airlock_storage::Error as Storage;

use crate::bindings::airlock::engine::scratch::Host;
use crate::run::instance::State;
use crate::run::stop::Stop;

impl State {
    /// Begins a call. Scratch has no error for most failures, so such a failure ends the request.
    async fn enter_scratch(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.enter(0).await?;
        self.account
            .call(bytes)
            .map_err(|exceeded| Stop::from(exceeded).into())
    }
}

impl Host for State {
    async fn get(&mut self, key: String) -> wasmtime::Result<Option<Vec<u8>>> {
        self.enter_scratch(key.len()).await?;
        let value = self
            .session("scratch.get")?
            .transaction
            .scratch_get(&key)
            .await
            .map_err(Stop::from)?;
        self.receive(value.as_ref().map_or(0, |value| value.len()))
            .await?;
        Ok(value.map(Into::into))
    }

    async fn put(&mut self, key: String, value: Vec<u8>) -> wasmtime::Result<Result<(), String>> {
        self.enter_scratch(key.len() + value.len()).await?;
        let session = self.keep("scratch.put", key.len() + value.len()).await?;
        match session.transaction.scratch_put(&key, value.into()).await {
            Ok(()) => Ok(Ok(())),
            Err(error @ (Storage::ScratchFull { .. } | Storage::InvalidKey(_))) => Ok(Err(error.to_string())),
            Err(error) => Err(Stop::from(error).into()),
        }
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<()> {
        self.enter_scratch(key.len()).await?;
        self.keep("scratch.delete", key.len())
            .await?
            .transaction
            .scratch_delete(&key)
            .await
            .map_err(Stop::from)?;
        Ok(())
    }
}

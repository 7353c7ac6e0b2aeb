//! `events`: Vault's event bus. Events wait for the commit.

use crate::bindings::airlock::engine::events::Host;
use crate::run::instance::State;
use crate::types::Json;

impl Host for State {
    async fn send(&mut self, event_type: String, metadata: Json) -> wasmtime::Result<Result<(), String>> {
        let bytes = event_type.len() + metadata.len();
        self.enter(0).await?;
        if let Err(exceeded) = self.account.transfer(bytes) {
            return Ok(Err(exceeded.to_string()));
        }
        let session = self.keep("events.send", bytes).await?;
        Ok(session.queue_event(event_type, metadata.into_string()))
    }
}

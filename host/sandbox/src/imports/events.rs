//! `events`: Vault's event bus. What is sent waits for the commit.

use crate::bindings::airlock::engine::events::Host;
use crate::instance::State;
use crate::types::Json;

impl Host for State {
    fn send(&mut self, event_type: String, metadata: Json) -> wasmtime::Result<Result<(), String>> {
        let charged = self.account.transfer(event_type.len() + metadata.len());
        let session = self.session("events.send")?;
        Ok(charged
            .map_err(|exceeded| exceeded.to_string())
            .and_then(|()| session.queue_event(event_type, metadata)))
    }
}

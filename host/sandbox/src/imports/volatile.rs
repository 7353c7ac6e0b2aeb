//! `clock` and `random`.

use crate::bindings::airlock::engine::{clock, random};
use crate::run::instance::State;
use crate::run::stop::Stop;
use crate::types::Timestamp;

/// Most random bytes that one call returns.
const MOST_RANDOM: u32 = 64 << 10;

impl clock::Host for State {
    async fn now(&mut self) -> wasmtime::Result<Timestamp> {
        self.enter(0).await?;
        Ok(self.session("clock.now")?.mount.services.clock.now().into())
    }
}

impl random::Host for State {
    async fn bytes(&mut self, length: u32) -> wasmtime::Result<Vec<u8>> {
        self.enter(0).await?;
        if length > MOST_RANDOM {
            let what = format!("random.bytes was asked for {length} bytes; it gives {MOST_RANDOM} a call");
            return Err(Stop::Contract(what).into());
        }
        self.receive(length as usize).await?;
        let random = self.session("random.bytes")?.mount.services.random.clone();
        let mut bytes = vec![0; length as usize];
        random
            .fill(&mut bytes)
            .map_err(|error| Stop::Contract(format!("no random bytes: {error}")))?;
        Ok(bytes)
    }
}

impl State {
    /// Charges bytes of a call for which the contract has no limit error: too many bytes end the request.
    pub(super) fn charge_bytes(&self, bytes: usize) -> wasmtime::Result<()> {
        self.account
            .transfer(bytes)
            .map_err(|exceeded| Stop::from(exceeded).into())
    }

    /// Charges what such a call gives the guest, and reserves memory for it. Too many bytes end the request.
    pub(super) async fn receive(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.charge_bytes(bytes)?;
        self.hold(bytes).await
    }
}

//! The host's side of the contract's imports, one file each.

mod events;
mod log;
mod scratch;
mod storage;
mod system;
mod volatile;

use crate::bindings::airlock::engine;
use crate::run::instance::Stop;

/// The reason why a call of an import does not succeed.
pub(crate) enum Failure<E> {
    /// The guest gets this error.
    Refused(E),
    /// The guest's own call ends.
    Trap(wasmtime::Error),
}

pub(crate) type StorageFailure = Failure<engine::storage::Error>;
pub(crate) type SystemFailure = Failure<engine::system::Error>;

impl<E> Failure<E> {
    /// Returns the error for the guest, or ends its call.
    fn told(self) -> wasmtime::Result<E> {
        match self {
            Self::Refused(error) => Ok(error),
            Self::Trap(error) => Err(error),
        }
    }
}

impl<E> From<wasmtime::Error> for Failure<E> {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

impl<E> From<Stop> for Failure<E> {
    fn from(stop: Stop) -> Self {
        Self::Trap(stop.into())
    }
}

//! The host's side of the contract's imports, one file each.

mod events;
mod log;
mod scratch;
mod storage;
mod system;
mod volatile;

use crate::bindings::{StorageFailure, SystemFailure};
use crate::failure::Failure;
use crate::run::stop::Stop;

impl<E> From<Stop> for Failure<E> {
    fn from(stop: Stop) -> Self {
        Self::Trap(stop.into())
    }
}

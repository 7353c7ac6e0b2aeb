//! Response wrapping: data that Vault keeps for whoever brings the wrapping token.

#![cfg_attr(feature = "component", allow(unsafe_code))] // the derives implement wasmtime's `unsafe` traits

use std::fmt;
use std::time::Duration;

#[cfg(feature = "component")]
use wasmtime::component::{ComponentType, Lift, Lower};

use crate::redact::hidden;
use crate::time::{Nanoseconds, Timestamp, duration};

/// The wrapping that a caller wants for an answer. Vault does it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "component", derive(ComponentType, Lift, Lower), component(record))]
pub struct WrapRequest {
    /// The time for which the wrapping token is valid.
    pub ttl: Nanoseconds,
    /// The format of the wrapping token: empty for the usual one, or `jwt`.
    pub format: String,
    /// True to wrap the data with the seal's key too.
    #[cfg_attr(feature = "component", component(name = "seal-wrap"))]
    pub seal_wrap: bool,
}

impl WrapRequest {
    /// Returns [`ttl`](Self::ttl) in Rust's form. A negative one is zero.
    pub fn ttl(&self) -> Duration {
        duration(self.ttl)
    }
}

/// Data that Vault has wrapped, like `wrapping.ResponseWrapInfo` of Vault's SDK.
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "component", derive(ComponentType, Lift, Lower), component(record))]
pub struct WrapInfo {
    /// The time for which the wrapping token is valid.
    pub ttl: Nanoseconds,
    /// The wrapping token.
    pub token: String,
    /// The wrapping token's accessor.
    pub accessor: String,
    /// The time at which the data was wrapped.
    #[cfg_attr(feature = "component", component(name = "creation-time"))]
    pub creation_time: Option<Timestamp>,
    /// The accessor of a token that is wrapped.
    #[cfg_attr(feature = "component", component(name = "wrapped-accessor"))]
    pub wrapped_accessor: String,
    /// The entity that asked for it to be wrapped.
    #[cfg_attr(feature = "component", component(name = "wrapped-entity-id"))]
    pub wrapped_entity_id: String,
    /// The format of the wrapping token.
    pub format: String,
    /// The path whose answer is wrapped.
    #[cfg_attr(feature = "component", component(name = "creation-path"))]
    pub creation_path: String,
    /// True if the data is wrapped with the seal's key too.
    #[cfg_attr(feature = "component", component(name = "seal-wrap"))]
    pub seal_wrap: bool,
}

impl WrapInfo {
    /// Returns [`ttl`](Self::ttl) in Rust's form. A negative one is zero.
    pub fn ttl(&self) -> Duration {
        duration(self.ttl)
    }
}

/// Shows neither the token nor the path.
impl fmt::Debug for WrapInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrapInfo")
            .field("ttl", &self.ttl)
            .field("token", &hidden(&self.token))
            .field("creation_time", &self.creation_time)
            .finish_non_exhaustive()
    }
}

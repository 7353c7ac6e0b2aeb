//! Leases: the time for which Vault keeps a secret, and the data that an engine gets back on renewal and revocation.

#![cfg_attr(feature = "component", allow(unsafe_code))] // the derives implement wasmtime's `unsafe` traits

use std::fmt;
use std::time::Duration;

#[cfg(feature = "component")]
use wasmtime::component::{ComponentType, Lift, Lower};

use crate::Json;
use crate::redact::hidden;
use crate::time::{Nanoseconds, Timestamp, duration, nanoseconds};

/// The lifetime of something, like `logical.LeaseOptions` of Vault's SDK. Vault caps both lengths by the limits of the mount
/// and the server; zero asks for their default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "component", derive(ComponentType, Lift, Lower), component(record))]
pub struct Lease {
    /// The time from now until Vault revokes it.
    pub ttl: Nanoseconds,
    /// The time from its issue after which it can no longer be renewed.
    #[cfg_attr(feature = "component", component(name = "max-ttl"))]
    pub max_ttl: Nanoseconds,
    /// True if Vault may ask the engine to renew it.
    pub renewable: bool,
    /// The extension that the caller of renew asks for. Only in requests.
    pub increment: Nanoseconds,
    /// The time when Vault issued it. Only in requests; a time in an answer must lie in the years 1 to 9999.
    #[cfg_attr(feature = "component", component(name = "issue-time"))]
    pub issue_time: Option<Timestamp>,
}

impl Lease {
    /// Returns a renewable lease with this `ttl`, and the maximum that the mount and the server have.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let lease = airlock_logical::Lease::renewable(Duration::from_secs(3600));
    /// assert!(lease.renewable && lease.ttl() == Duration::from_secs(3600));
    /// ```
    pub fn renewable(ttl: Duration) -> Self {
        Self {
            ttl: nanoseconds(ttl),
            renewable: true,
            ..Self::default()
        }
    }

    /// Returns [`ttl`](Self::ttl) in Rust's form. A negative one is zero.
    pub fn ttl(&self) -> Duration {
        duration(self.ttl)
    }

    /// Returns [`max_ttl`](Self::max_ttl) in Rust's form. A negative one is zero.
    pub fn max_ttl(&self) -> Duration {
        duration(self.max_ttl)
    }

    /// Returns [`increment`](Self::increment) in Rust's form. A negative one is zero.
    pub fn increment(&self) -> Duration {
        duration(self.increment)
    }
}

/// A secret with a lease, like `logical.Secret` of Vault's SDK. Vault asks the engine that made it to renew and revoke it in
/// time.
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "component", derive(ComponentType, Lift, Lower), component(record))]
pub struct Secret {
    /// The lifetime of the secret.
    pub lease: Lease,
    /// A JSON object that comes back with renew and revoke; the caller never sees it.
    #[cfg_attr(feature = "component", component(name = "internal-data"))]
    pub internal_data: Option<Json>,
    /// The lease's id, made by Vault. Empty in answers, and in requests too.
    #[cfg_attr(feature = "component", component(name = "lease-id"))]
    pub lease_id: String,
}

impl Secret {
    /// Creates a renewable secret with this lifetime. Renew and revoke get `internal_data` back.
    pub fn new(ttl: Duration, internal_data: Json) -> Self {
        Self {
            lease: Lease::renewable(ttl),
            internal_data: Some(internal_data),
            lease_id: String::new(),
        }
    }
}

/// Omits `internal_data` and the lease id, which contains the request's path.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("lease", &self.lease)
            .field("internal_data", &self.internal_data)
            .field("lease_id", &hidden(&self.lease_id))
            .finish()
    }
}

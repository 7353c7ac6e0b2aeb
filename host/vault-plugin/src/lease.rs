//! Leases: the time for which Vault keeps a secret, and the data that an engine gets back on renewal and revocation.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::error::Unreadable;
use crate::json::{self, Json};
use crate::proto::pb;
use crate::redact::hidden;
use crate::time::{OutOfRange, from_nanoseconds, from_timestamp, to_nanoseconds, to_timestamp};

/// The lifetime of something. Vault caps both durations by the limits of the mount and the server; zero asks for their
/// default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// The time from now until Vault revokes it.
    pub ttl: Duration,
    /// The time from its issue after which it can no longer be renewed.
    pub max_ttl: Duration,
    /// True if Vault may ask the engine to renew it.
    pub renewable: bool,
    /// The extension that the caller of renew asks for. Only in requests.
    pub increment: Duration,
    /// The time when Vault issued it. Only in requests; a time in an answer must lie in the years 1 to 9999.
    pub issue_time: Option<SystemTime>,
}

/// A secret with a lease. Vault asks the engine that made it to renew and revoke it in time.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret {
    /// The lifetime of the secret.
    pub lease: Lease,
    /// A JSON object that comes back with renew and revoke; the caller never sees it.
    pub internal_data: Option<Json>,
    /// The lease's id, made by Vault. Empty in answers, and in requests too.
    pub lease_id: String,
}

impl Secret {
    /// Creates a renewable secret with this lifetime. Renew and revoke get `internal_data` back.
    pub fn new(ttl: Duration, internal_data: Json) -> Secret {
        Secret {
            lease: Lease {
                ttl,
                renewable: true,
                ..Lease::default()
            },
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

impl From<pb::LeaseOptions> for Lease {
    fn from(wire: pb::LeaseOptions) -> Lease {
        Lease {
            ttl: from_nanoseconds(wire.ttl),
            max_ttl: from_nanoseconds(wire.max_ttl),
            renewable: wire.renewable,
            increment: from_nanoseconds(wire.increment),
            issue_time: from_timestamp(wire.issue_time),
        }
    }
}

/// Fails for an issue time that Vault would refuse.
impl TryFrom<Lease> for pb::LeaseOptions {
    type Error = OutOfRange;

    fn try_from(lease: Lease) -> Result<pb::LeaseOptions, OutOfRange> {
        let issue_time = to_timestamp(lease.issue_time)?;
        Ok(pb::LeaseOptions {
            ttl: to_nanoseconds(lease.ttl),
            renewable: lease.renewable,
            increment: to_nanoseconds(lease.increment),
            issue_time: Some(issue_time),
            max_ttl: to_nanoseconds(lease.max_ttl),
        })
    }
}

impl From<pb::Secret> for Secret {
    fn from(wire: pb::Secret) -> Secret {
        Secret {
            lease: wire.lease_options.map(Lease::from).unwrap_or_default(),
            internal_data: Json::from_text(wire.internal_data),
            lease_id: wire.lease_id,
        }
    }
}

/// The error says what Vault would refuse.
impl TryFrom<Secret> for pb::Secret {
    type Error = Unreadable;

    fn try_from(secret: Secret) -> Result<pb::Secret, Unreadable> {
        let owner = "a secret";
        let lease = secret.lease.try_into();
        let internal_data = json::to_wire(secret.internal_data);
        Ok(pb::Secret {
            lease_options: Some(lease.map_err(|OutOfRange| Unreadable::IssueTime { owner })?),
            internal_data: internal_data.map_err(|source| Unreadable::InternalData { owner, source })?,
            lease_id: secret.lease_id,
        })
    }
}

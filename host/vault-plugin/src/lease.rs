//! Leases on the wire.

use airlock_logical::{Json, Lease, Secret};

use crate::error::Unreadable;
use crate::json;
use crate::proto::pb;
use crate::time::{OutOfRange, from_timestamp, non_negative, to_timestamp};

impl From<pb::LeaseOptions> for Lease {
    fn from(wire: pb::LeaseOptions) -> Lease {
        Lease {
            ttl: non_negative(wire.ttl),
            max_ttl: non_negative(wire.max_ttl),
            renewable: wire.renewable,
            increment: non_negative(wire.increment),
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
            ttl: non_negative(lease.ttl),
            renewable: lease.renewable,
            increment: non_negative(lease.increment),
            issue_time: Some(issue_time),
            max_ttl: non_negative(lease.max_ttl),
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

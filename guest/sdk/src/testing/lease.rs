//! Keeps the leases of a mount as Vault does: with their issue times, and until they are revoked.

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::time::Duration;

use vault_core::{LeaseTerms, Leases};

use crate::{Error, Lease, LeasedSecret, Operation, Request, Response, Result, Timestamp};

/// A lease that Vault has given to the caller. It dereferences to the engine's [`Lease`], with the time that Vault
/// granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenLease {
    lease: Lease,
    id: String,
}

impl GivenLease {
    /// Returns Vault's name for the lease.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the data that Vault keeps for the engine, a JSON object as text. Its member `secret_type` names the
    /// secret.
    pub fn internal_data(&self) -> &str {
        &self.lease.internal_data
    }
}

impl Deref for GivenLease {
    type Target = Lease;

    fn deref(&self) -> &Lease {
        &self.lease
    }
}

/// The data that the engine gets back when a lease is renewed or revoked.
#[derive(Clone, Debug)]
struct Kept {
    path: String,
    data: Option<String>,
    lease: Lease,
}

/// The leases of a mount.
#[derive(Debug, Default)]
pub(super) struct LeaseBook {
    leases: RefCell<Leases<Kept>>,
    given: Cell<u64>,
}

impl LeaseBook {
    /// Registers the lease of an answer, and limits its time to the mount's.
    pub(super) fn give(
        &self,
        request: &Request,
        response: &mut Response,
        now: Timestamp,
        terms: LeaseTerms,
    ) -> Option<GivenLease> {
        let lease = response.lease.as_mut()?;
        self.given.set(self.given.get() + 1);
        let id = format!("{}{}/{}", request.mount_point, request.path, self.given.get());
        // A new lease has not reached its maximum.
        let (ttl, warning) = granted(lease, terms).unwrap_or_default();
        lease.ttl = ttl;
        response.warnings.extend(warning);
        let kept = Kept {
            path: request.path.clone(),
            data: response.data.clone(),
            lease: lease.clone(),
        };
        self.leases
            .borrow_mut()
            .give(&id, moment(now), ttl, lease.renewable, kept);
        let lease = lease.clone();
        Some(GivenLease { lease, id })
    }

    /// Returns the request that renews a lease.
    pub(super) fn to_renew(
        &self,
        lease: &GivenLease,
        increment: Duration,
        now: Timestamp,
    ) -> Result<Request> {
        let leases = self.leases.borrow();
        let held = leases.to_renew(&lease.id, moment(now)).map_err(Error::user)?;
        Ok(request(Operation::Renew, &held.data, held.issued, increment))
    }

    /// Returns the request that revokes a lease, or `None` if it was revoked.
    pub(super) fn to_revoke(&self, lease: &GivenLease) -> Option<Request> {
        let leases = self.leases.borrow();
        let held = leases.get(&lease.id)?;
        Some(request(
            Operation::Revoke,
            &held.data,
            held.issued,
            Duration::ZERO,
        ))
    }

    /// Extends a lease that its engine has renewed, as far as the mount allows.
    pub(super) fn renewed(
        &self,
        lease: &GivenLease,
        response: &mut Response,
        now: Timestamp,
        terms: LeaseTerms,
    ) -> Result<Option<GivenLease>> {
        let mut leases = self.leases.borrow_mut();
        let (Some(renewed), Some(held)) = (&mut response.lease, leases.get(&lease.id)) else {
            return Ok(None);
        };
        let age = held.age(moment(now));
        let path = held.data.path.clone();
        let Some((ttl, warning)) = granted(renewed, LeaseTerms { age, ..terms }) else {
            return Err(Error::user("past the max TTL, cannot renew"));
        };
        renewed.ttl = ttl;
        response.warnings.extend(warning);
        let kept = Kept {
            path,
            data: response.data.clone(),
            lease: renewed.clone(),
        };
        leases.renewed(&lease.id, moment(now), ttl, renewed.renewable, kept);
        Ok(Some(GivenLease {
            lease: renewed.clone(),
            id: lease.id.clone(),
        }))
    }

    /// Forgets a lease that its engine has revoked.
    pub(super) fn revoked(&self, lease: &GivenLease) {
        self.leases.borrow_mut().revoked(&lease.id);
    }
}

fn granted(lease: &Lease, terms: LeaseTerms) -> Option<(Duration, Option<String>)> {
    let terms = LeaseTerms {
        ttl: lease.ttl,
        max_ttl: lease.max_ttl,
        ..terms
    };
    terms.granted()
}

/// Returns the request about a lease, as Vault sends it: to the path from which the lease came, with the data that the
/// caller got, and without the lease's id.
fn request(operation: Operation, kept: &Kept, issued: Duration, increment: Duration) -> Request {
    let Lease {
        ttl,
        max_ttl,
        renewable,
        ref internal_data,
        ..
    } = kept.lease;
    let secret = LeasedSecret {
        ttl,
        max_ttl,
        renewable,
        increment,
        issue_time: Some(Timestamp::from_seconds(0) + issued),
        internal_data: Some(internal_data.clone()),
        lease_id: String::new(),
    };
    Request {
        secret: Some(secret),
        data: kept.data.clone(),
        ..super::request(operation, &kept.path, None)
    }
}

fn moment(at: Timestamp) -> Duration {
    at.since(Timestamp::from_seconds(0))
}

//! The leases that a mount's guest has given. The testkit keeps them as Vault does.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use airlock_logical::time::{duration, nanoseconds};
use airlock_logical::{Json, Secret};
use airlock_sandbox::System;
use parking_lot::Mutex;
use vault_core::{LeaseTerms, SYSTEM_TTL};
use vault_plugin::{Error, Response};

use crate::Lease;
use crate::request::About;

/// The data that the guest gets back when a lease is renewed or revoked.
struct Kept {
    path: String,
    secret: Secret,
    data: Option<Json>,
}

#[derive(Default)]
pub(super) struct Leases(Mutex<vault_core::Leases<Kept>>);

impl Leases {
    /// Registers the lease of an answer. Its times are limited by those of the mount.
    pub(super) fn give(
        &self,
        id: String,
        path: &str,
        response: &mut Response,
        now: SystemTime,
        terms: LeaseTerms,
    ) -> Option<Lease> {
        let secret = response.secret.as_mut()?;
        // A new lease has not reached its maximum.
        let (ttl, warning) = granted(secret, terms).unwrap_or_default();
        response.warnings.extend(warning);
        secret.lease.ttl = nanoseconds(ttl);
        secret.lease.issue_time = Some(now.into());
        secret.lease_id.clone_from(&id);
        let secret = secret.clone();
        let kept = Kept {
            path: path.to_owned(),
            secret: secret.clone(),
            data: response.data.clone(),
        };
        let renewable = secret.lease.renewable;
        self.0.lock().give(id, moment(now), ttl, renewable, kept);
        Some(Lease { secret })
    }

    /// Makes a request about a lease what Vault sends to the guest: to the path from which the lease came, with the
    /// data that the caller got, and without the lease's id. Returns false if there is nothing to send, because the
    /// lease to revoke is gone.
    pub(super) fn complete(
        &self,
        request: &mut vault_plugin::Request,
        about: &About,
        now: SystemTime,
    ) -> Result<bool, Error> {
        let leases = self.0.lock();
        let held = match about {
            About::Renew(id, _) => leases
                .to_renew(id, moment(now))
                .map_err(|why| Error::User(why.into()))?,
            About::Revoke(id) => match leases.get(id) {
                Some(held) => held,
                None => return Ok(false),
            },
        };
        let mut secret = held.data.secret.clone();
        secret.lease_id.clear();
        secret.lease.issue_time = Some((UNIX_EPOCH + held.issued).into());
        secret.lease.increment = nanoseconds(about.increment());
        request.path.clone_from(&held.data.path);
        request.secret = Some(secret);
        request.data.clone_from(&held.data.data);
        Ok(true)
    }

    /// Extends a lease that its guest has renewed, as far as the mount allows.
    pub(super) fn renewed(
        &self,
        id: &str,
        response: &mut Response,
        now: SystemTime,
        terms: LeaseTerms,
    ) -> Result<Option<Lease>, Error> {
        let mut leases = self.0.lock();
        let (Some(secret), Some(held)) = (&mut response.secret, leases.get(id)) else {
            return Ok(None);
        };
        let age = held.age(moment(now));
        let (path, issued) = (held.data.path.clone(), held.issued);
        let Some((ttl, warning)) = granted(secret, LeaseTerms { age, ..terms }) else {
            return Err(Error::User("past the max TTL, cannot renew".into()));
        };
        response.warnings.extend(warning);
        secret.lease.ttl = nanoseconds(ttl);
        secret.lease.issue_time = Some((UNIX_EPOCH + issued).into());
        id.clone_into(&mut secret.lease_id);
        let secret = secret.clone();
        let kept = Kept {
            path,
            secret: secret.clone(),
            data: response.data.clone(),
        };
        leases.renewed(id, moment(now), ttl, secret.lease.renewable, kept);
        Ok(Some(Lease { secret }))
    }

    /// Forgets a lease that its guest has revoked.
    pub(super) fn revoked(&self, id: &str) {
        self.0.lock().revoked(id);
    }
}

/// Returns the times of a mount's leases.
pub(super) async fn terms(system: &dyn System) -> LeaseTerms {
    LeaseTerms {
        mount_ttl: system.default_lease_ttl().await.map_or(SYSTEM_TTL, duration),
        mount_max_ttl: system.max_lease_ttl().await.map_or(SYSTEM_TTL, duration),
        ..LeaseTerms::default()
    }
}

fn granted(secret: &Secret, terms: LeaseTerms) -> Option<(Duration, Option<String>)> {
    let terms = LeaseTerms {
        ttl: secret.lease.ttl(),
        max_ttl: secret.lease.max_ttl(),
        ..terms
    };
    terms.granted()
}

/// Returns a moment as the time since the start of 1970.
fn moment(at: SystemTime) -> Duration {
    at.duration_since(UNIX_EPOCH).unwrap_or_default()
}

//! The leases of a mount: which of them can be renewed, and since when.

use std::collections::BTreeMap;
use std::time::Duration;

/// The leases that an engine has given, without the timers of Vault: a lease that has expired stays until it is
/// revoked. `D` is what the engine needs back when a lease is renewed or revoked.
///
/// All moments are times since the start of 1970.
#[derive(Clone, Debug)]
pub struct Leases<D> {
    all: BTreeMap<String, LeaseEntry<D>>,
}

/// One lease.
#[derive(Clone, Debug)]
pub struct LeaseEntry<D> {
    /// The moment at which the lease was given. Renewals do not change it.
    pub issued: Duration,
    /// The moment until which the lease is valid.
    pub expires: Duration,
    /// True if the lease can be renewed.
    pub renewable: bool,
    /// The data that the engine needs back.
    pub data: D,
}

impl<D> LeaseEntry<D> {
    /// Returns the time since the lease was given. Vault counts it in whole seconds.
    pub fn age(&self, now: Duration) -> Duration {
        Duration::from_secs(now.as_secs().saturating_sub(self.issued.as_secs()))
    }
}

impl<D> Default for Leases<D> {
    fn default() -> Self {
        Self { all: BTreeMap::new() }
    }
}

impl<D> Leases<D> {
    /// Keeps a new lease, which is valid for `ttl` from now on.
    pub fn give(&mut self, id: impl Into<String>, now: Duration, ttl: Duration, renewable: bool, data: D) {
        let lease = LeaseEntry {
            issued: now,
            expires: now.saturating_add(ttl),
            renewable,
            data,
        };
        self.all.insert(id.into(), lease);
    }

    /// Returns a lease that has not been revoked.
    pub fn get(&self, id: &str) -> Option<&LeaseEntry<D>> {
        self.all.get(id)
    }

    /// Returns a lease that can be renewed now.
    ///
    /// # Errors
    /// Returns Vault's text if the lease was revoked, has expired or is not renewable.
    pub fn to_renew(&self, id: &str, now: Duration) -> Result<&LeaseEntry<D>, &'static str> {
        let lease = self.get(id).ok_or("lease not found")?;
        if lease.expires < now {
            return Err("lease expired");
        }
        if !lease.renewable {
            return Err("lease is not renewable");
        }
        Ok(lease)
    }

    /// Extends a lease to `ttl` from now on, after its engine has renewed it.
    pub fn renewed(&mut self, id: &str, now: Duration, ttl: Duration, renewable: bool, data: D) {
        if let Some(lease) = self.all.get_mut(id) {
            *lease = LeaseEntry {
                issued: lease.issued,
                expires: now.saturating_add(ttl),
                renewable,
                data,
            };
        }
    }

    /// Forgets a lease, after its engine has revoked it.
    pub fn revoked(&mut self, id: &str) {
        self.all.remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn only_a_valid_lease_can_be_renewed() {
        let mut leases = Leases::default();
        leases.give("a", HOUR, HOUR, true, ());
        leases.give("b", HOUR, HOUR, false, ());
        let refusal = |leases: &Leases<()>, id, now| leases.to_renew(id, now).err();
        assert_eq!(refusal(&leases, "a", HOUR * 2), None);
        assert_eq!(
            refusal(&leases, "a", HOUR * 2 + Duration::from_nanos(1)),
            Some("lease expired")
        );
        assert_eq!(refusal(&leases, "b", HOUR), Some("lease is not renewable"));
        leases.revoked("a");
        assert_eq!(refusal(&leases, "a", HOUR), Some("lease not found"));
    }

    #[test]
    fn a_renewal_keeps_the_moment_of_the_issue() {
        let mut leases = Leases::default();
        leases.give("a", HOUR, HOUR, true, 1);
        leases.renewed("a", HOUR * 2, HOUR, true, 2);
        let lease = leases.get("a").unwrap();
        assert_eq!((lease.issued, lease.expires, lease.data), (HOUR, HOUR * 3, 2));
        assert_eq!(lease.age(HOUR * 2 + Duration::from_millis(900)), HOUR);
    }
}

//! The times of leases.

use std::time::Duration;

use crate::human_duration;

/// Vault's default for the default lease TTL and for the maximum lease TTL of a mount: 32 days.
pub const SYSTEM_TTL: Duration = Duration::from_secs(32 * 24 * 60 * 60);

/// The times that decide how long a lease is valid. The default is that of a new lease for which the engine names no
/// times, at a mount with Vault's defaults.
#[derive(Clone, Debug)]
pub struct LeaseTerms {
    /// The time that the caller of a renewal asks for, or zero.
    pub increment: Duration,
    /// The time that the engine wants, or zero.
    pub ttl: Duration,
    /// The maximum that the engine wants, or zero.
    pub max_ttl: Duration,
    /// The mount's default, which counts if neither the caller nor the engine wants a time.
    pub mount_ttl: Duration,
    /// The mount's maximum.
    pub mount_max_ttl: Duration,
    /// The time since the lease was issued.
    pub age: Duration,
}

impl Default for LeaseTerms {
    fn default() -> Self {
        Self {
            increment: Duration::ZERO,
            ttl: Duration::ZERO,
            max_ttl: Duration::ZERO,
            mount_ttl: SYSTEM_TTL,
            mount_max_ttl: SYSTEM_TTL,
            age: Duration::ZERO,
        }
    }
}

impl LeaseTerms {
    /// Returns how long the lease is valid from now on, with Vault's warning if that is less than wanted. Returns `None`
    /// if the lease has reached its maximum age.
    pub fn granted(&self) -> Option<(Duration, Option<String>)> {
        let wanted = [self.increment, self.ttl]
            .into_iter()
            .find(|ttl| !ttl.is_zero())
            .unwrap_or(self.mount_ttl);
        let max = if self.max_ttl.is_zero() {
            self.mount_max_ttl
        } else {
            self.max_ttl.min(self.mount_max_ttl)
        };
        let left = max.checked_sub(self.age).filter(|left| !left.is_zero())?;
        if wanted <= left {
            return Some((wanted, None));
        }
        let (wanted, effective) = (human_duration(wanted), human_duration(left));
        let warning = format!(
            "TTL of \"{wanted}\" exceeded the effective max_ttl of \"{effective}\"; TTL value is capped accordingly"
        );
        Some((left, Some(warning)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_ttl_is_what_was_asked_for_within_the_smallest_bound() {
        let granted = |increment, ttl, max_ttl, age| {
            let terms = LeaseTerms {
                increment: seconds(increment),
                ttl: seconds(ttl),
                max_ttl: seconds(max_ttl),
                mount_ttl: seconds(60),
                mount_max_ttl: seconds(100),
                age: seconds(age),
            };
            terms.granted()
        };
        assert_eq!(granted(0, 0, 0, 0), Some((seconds(60), None)));
        assert_eq!(granted(0, 10, 0, 0), Some((seconds(10), None)));
        assert_eq!(granted(20, 10, 0, 0), Some((seconds(20), None)));
        let (capped, warning) = granted(200, 0, 0, 30).unwrap();
        assert_eq!(capped, seconds(70));
        assert_eq!(
            warning.unwrap(),
            "TTL of \"3m20s\" exceeded the effective max_ttl of \"1m10s\"; TTL value is capped accordingly"
        );
        assert_eq!(granted(0, 90, 50, 0).unwrap().0, seconds(50));
        assert_eq!(granted(0, 0, 0, 100), None);
    }
}

//! The options of a mount that are the host's own: with them, one mount gets less than its registration allows.
//!
//! They have the names of the flags of `airlock serve`, as in `vault secrets enable -options=cpu-ms=200`: each limit of a
//! request or a mount, `cache` and `unauthenticated` (prefixes with commas between them, or `none`). The registration's value
//! is the most that a mount gets. All other options are the guest's.
//!
//! # How to use it
//! 1. [`MountOptions::read`] takes the host's options out of what Vault gives.
//! 2. [`MountOptions::grant`] returns the guest under the mount's limits and grants.
//! 3. For a new mount, [`MountOptions::check`] refuses what the registration does not allow. A mount that exists is served all
//!    the same, with what its registration allows: to lower a flag must not stop its mounts. A value that is not valid does: the
//!    mount answers 503 with the cause.
//!
//! # What to watch
//! - Vault gives a mount its options when it is set up, so a change needs a reload.

use airlock_sandbox::{Limit, Limits, LoadError};
use airlock_storage::Prefixes;
use thiserror::Error;

use crate::source::GrantedGuest;

/// The value that grants nothing.
const NONE: &str = "none";

/// An option that the mount cannot have, in a sentence for the operator.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BadOption {
    /// The value is not a number that the limit can have.
    #[error("the mount's option {name}: give a whole number{}", if *.zero { "" } else { " above 0" })]
    NotANumber {
        /// The name of the option.
        name: &'static str,
        /// Whether the limit may be 0.
        zero: bool,
    },
    /// The value contains an empty prefix, which would grant everything.
    #[error("the mount's option {0}: give prefixes with commas between them, or none")]
    NotPrefixes(&'static str),
    /// The registration does not allow as much.
    #[error(
        "the mount's option {name}={asked}: its registration allows {allowed} (--{name}); give less, or register the plugin \
         with more"
    )]
    AboveRegistration {
        /// The name of the option, which is also the flag's.
        name: &'static str,
        /// The mount's value.
        asked: u64,
        /// The registration's value.
        allowed: u64,
    },
}

/// What the options of one mount say to the host, and what is left for the guest.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct MountOptions {
    limits: Vec<(Limit, u32)>,
    cache: Option<Prefixes>,
    unauthenticated: Option<Prefixes>,
    /// The options that are the guest's.
    pub for_guest: Vec<(String, String)>,
}

impl MountOptions {
    /// Reads the options that Vault gives a mount.
    ///
    /// # Errors
    /// [`BadOption`] if an option of the host has a value that it cannot have.
    pub fn read(config: &[(String, String)]) -> Result<Self, BadOption> {
        let mut options = Self::default();
        for (name, value) in config {
            match name.as_str() {
                "cache" => options.cache = Some(prefixes("cache", value)?),
                "unauthenticated" => options.unauthenticated = Some(prefixes("unauthenticated", value)?),
                _ => match limit(name) {
                    Some(limit) => options.limits.push((limit, number(limit, value)?)),
                    None => options.for_guest.push((name.clone(), value.clone())),
                },
            }
        }
        Ok(options)
    }

    /// Checks that the registration allows what the options ask for.
    ///
    /// # Errors
    /// [`BadOption::AboveRegistration`].
    pub fn check(&self, registration: &Limits) -> Result<(), BadOption> {
        match self.above(registration).next() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Returns the guest with what this mount gives it: never more than its registration does. The log says which options ask
    /// for more.
    ///
    /// # Errors
    /// [`LoadError::Needs`] if the guest says that it needs more than the options give it.
    pub fn grant(&self, granted: &GrantedGuest) -> Result<GrantedGuest, LoadError> {
        let registration = granted.guest.limits();
        for above in self.above(registration) {
            tracing::warn!("{above}; the mount gets what its registration allows");
        }
        let limits = self.limits.iter().fold(registration.clone(), lower);
        let within = |own: &Option<Prefixes>, registration: &Prefixes| match own {
            Some(own) => own.and(registration),
            None => registration.clone(),
        };
        Ok(GrantedGuest {
            guest: granted.guest.with_limits(limits)?,
            voucher: granted.voucher.clone(),
            cacheable: within(&self.cache, &granted.cacheable),
            unauthenticated: within(&self.unauthenticated, &granted.unauthenticated),
        })
    }

    fn above(&self, registration: &Limits) -> impl Iterator<Item = BadOption> {
        self.limits.iter().filter_map(|(limit, number)| {
            let (asked, allowed) = (u64::from(*number), limit.number(registration));
            let name = name(*limit);
            (asked > allowed).then_some(BadOption::AboveRegistration { name, asked, allowed })
        })
    }
}

/// Lowers a limit to a number, or leaves it as it is if it is lower already.
fn lower(limits: Limits, (limit, number): &(Limit, u32)) -> Limits {
    match u64::from(*number) < limit.number(&limits) {
        true => limits.with(*limit, *number),
        false => limits,
    }
}

/// Returns the option's name, which is the flag's.
pub(crate) fn name(limit: Limit) -> &'static str {
    limit.setting().trim_start_matches("--")
}

fn limit(option: &str) -> Option<Limit> {
    Limit::OF_MOUNT.into_iter().find(|limit| name(*limit) == option)
}

fn number(limit: Limit, value: &str) -> Result<u32, BadOption> {
    let zero = matches!(limit, Limit::LogLines | Limit::Queue);
    let number = value.parse().ok().filter(|number| zero || *number > 0);
    let name = name(limit);
    number.ok_or(BadOption::NotANumber { name, zero })
}

fn prefixes(name: &'static str, value: &str) -> Result<Prefixes, BadOption> {
    if value == NONE {
        return Ok(Prefixes::none());
    }
    let prefixes = value.split(',').map(str::trim);
    if prefixes.clone().any(str::is_empty) {
        return Err(BadOption::NotPrefixes(name));
    }
    Ok(Prefixes::from_iter(prefixes))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<MountOptions, BadOption> {
        let options = options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        MountOptions::read(&options.collect::<Vec<_>>())
    }

    fn limits(options: &[(&str, &str)]) -> Limits {
        let options = read(options).unwrap();
        options.limits.iter().fold(Limits::default(), lower)
    }

    #[test]
    fn every_limit_of_a_mount_is_an_option() {
        for limit in Limit::OF_MOUNT {
            let lowered = limits(&[(name(limit), "1")]);
            assert_eq!(limit.number(&lowered), 1, "{limit:?}");
            let others = Limit::OF_MOUNT.into_iter().filter(|other| *other != limit);
            for other in others {
                assert_eq!(other.number(&lowered), other.number(&Limits::default()));
            }
        }
        assert_eq!(limits(&[("cpu-ms", "200")]).cpu, Duration::from_millis(200));
        assert_eq!(limits(&[("memory-mib", "16")]).memory_bytes, 16 << 20);
    }

    #[test]
    fn no_option_raises_a_limit_above_the_registration() {
        assert_eq!(limits(&[("cpu-ms", "5000"), ("queue", "513")]), Limits::default());
        let asked = read(&[("cpu-ms", "5000")]).unwrap();
        let refused = asked.check(&Limits::default()).unwrap_err().to_string();
        assert!(
            refused.contains("cpu-ms=5000") && refused.contains("allows 1000 (--cpu-ms)"),
            "{refused}"
        );
        read(&[("cpu-ms", "1000")])
            .unwrap()
            .check(&Limits::default())
            .unwrap();
    }

    #[test]
    fn all_other_options_are_the_guests() {
        let options = read(&[
            ("version", "2"),
            ("cpu-ms", "5"),
            ("cpu_ms", "6"),
            ("process-memory-mib", "7"),
        ])
        .unwrap();
        let names: Vec<_> = options.for_guest.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["version", "cpu_ms", "process-memory-mib"]);
    }

    #[test]
    fn a_value_that_a_limit_cannot_have_is_named_by_its_option() {
        for value in ["", "x", "-1", "1.5", "0", "99999999999", "200ms"] {
            let refused = read(&[("cpu-ms", value)]).unwrap_err().to_string();
            assert_eq!(refused, "the mount's option cpu-ms: give a whole number above 0");
        }
        assert_eq!(limits(&[("queue", "0")]).queue, 0);
    }

    #[test]
    fn prefixes_are_within_what_the_registration_grants() {
        let options = read(&[("cache", "names, metadata/"), ("unauthenticated", NONE)]).unwrap();
        assert_eq!(options.cache, Some(Prefixes::from_iter(["metadata/", "names"])));
        assert_eq!(options.unauthenticated, Some(Prefixes::none()));
        for value in ["", ",", "a,,b"] {
            assert_eq!(
                read(&[("unauthenticated", value)]),
                Err(BadOption::NotPrefixes("unauthenticated"))
            );
        }
    }
}

//! The options of a mount that are the host's own: with them, one mount gets less than its registration allows.
//!
//! They have the names of the flags of `airlock serve`, as in `vault secrets enable -options=cpu-ms=200`: each limit of a
//! request or a mount, `cache` and `unauthenticated` (prefixes with commas between them, or `none`), and `allow-export` and
//! `allow-record` (`false`). The registration's value is the most that a mount gets. All other options are the guest's.
//!
//! # How to use it
//! 1. [`MountOptions::read`] takes the host's options out of what Vault gives.
//! 2. [`MountOptions::grant`] returns the guest under the mount's limits and grants.
//! 3. For a new mount, [`MountOptions::check_names`] refuses an option that is meant for the host, which does not take it, and
//!    [`MountOptions::check`] what the registration does not allow. A mount that exists is served all the same, with what its
//!    registration allows: to lower a flag must not stop its mounts. A value that is not valid does: the mount answers 503 with
//!    the cause.
//!
//! # What to watch
//! - Vault gives a mount its options when it is set up, so a change needs a reload.

use airlock_sandbox::{Limit, Limits, LoadError};
use airlock_storage::Prefixes;
use vault_plugin::Error;

use crate::source::GrantedGuest;

/// The value that grants nothing.
const NONE: &str = "none";

/// An option that the mount cannot have, in a sentence for the operator.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum BadOption {
    /// The value is not a number that the limit can have.
    #[error("the mount's option {name}: give a whole number{}", if *.zero { "" } else { " above 0" })]
    NotANumber {
        /// The name of the option.
        name: &'static str,
        /// True if the limit may be 0.
        zero: bool,
    },
    /// The value contains an empty prefix, which would grant everything.
    #[error("the mount's option {0}: give prefixes with commas between them, or none")]
    NotPrefixes(&'static str),
    /// The value is not `false`.
    #[error(
        "the mount's option {0}: give false, which takes it from this mount; only the registration can allow it (--{0})"
    )]
    NotFalse(&'static str),
    /// The name is a flag that no mount can have as an option.
    #[error(
        "the mount has no option {0}: --{0} is for all mounts of a registration; register the plugin under another name with it"
    )]
    OfRegistration(&'static str),
    /// The name is that of an option with another spelling.
    #[error("the mount has no option {written}: write {name}")]
    Misspelled {
        /// The name that was given.
        written: String,
        /// The name of the option.
        name: &'static str,
    },
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

/// The flags of a registration that look like an option of the host, so that no guest gets them by mistake. Those of one word
/// may be a guest's options.
pub const OF_REGISTRATION: [&str; 8] = [
    "breaker",
    "breaker-ms",
    "cache-dir",
    "guest-sha256",
    "metrics-listen",
    "no-control",
    "otlp-sample",
    "process-memory-mib",
];

/// A permission that a registration may give to the operators of its mounts, and that a mount's option can take away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Export what the mount stores.
    Export,
    /// Record requests.
    Record,
}

impl Permission {
    const ALL: [Self; 2] = [Self::Export, Self::Record];

    /// The option's name, which is the flag's.
    fn name(self) -> &'static str {
        match self {
            Self::Export => "allow-export",
            Self::Record => "allow-record",
        }
    }
}

/// The options of one mount: those that the host reads, and those that are left for the guest.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct MountOptions {
    limits: Vec<(Limit, u32)>,
    cache: Option<Prefixes>,
    unauthenticated: Option<Prefixes>,
    forbidden: Vec<Permission>,
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
                _ => match (limit(name), permission(name)) {
                    (Some(limit), _) => options.limits.push((limit, number(limit, value)?)),
                    (_, Some(permission)) if value == "false" => options.forbidden.push(permission),
                    (_, Some(permission)) => return Err(BadOption::NotFalse(permission.name())),
                    (None, None) => options.for_guest.push((name.clone(), value.clone())),
                },
            }
        }
        Ok(options)
    }

    /// Checks that no option was meant for the host, which does not take it.
    ///
    /// # Errors
    /// [`BadOption::OfRegistration`] and [`BadOption::Misspelled`].
    pub fn check_names(&self) -> Result<(), BadOption> {
        for (written, _) in &self.for_guest {
            let with_hyphens = written.to_lowercase().replace('_', "-");
            let same = |name: &&'static str| **name == with_hyphens;
            if let Some(name) = OF_REGISTRATION.iter().find(|name| same(name)) {
                return Err(BadOption::OfRegistration(name));
            }
            let limits = Limit::OF_MOUNT.map(name);
            let permissions = Permission::ALL.map(Permission::name);
            if let Some(name) = limits.iter().chain(&permissions).find(|name| same(name)) {
                let written = written.clone();
                return Err(BadOption::Misspelled { written, name });
            }
        }
        Ok(())
    }

    /// Returns an error for the caller if this mount forbids what its registration allows.
    ///
    /// # Errors
    /// [`Error::User`], also if the options of the mount cannot be read.
    pub(crate) fn permit(config: &[(String, String)], permission: Permission) -> Result<(), Error> {
        let options = Self::read(config).and_then(|options| options.check_names().map(|()| options));
        // A prohibition with a misspelled name is one, too.
        let options = options.map_err(|error| Error::User(error.to_string()))?;
        match options.forbidden.contains(&permission) {
            true => Err(Error::User(format!(
                "this mount does not allow it: it has the option {}=false",
                permission.name()
            ))),
            false => Ok(()),
        }
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

/// Lowers a limit to a number. Keeps a limit that is lower already.
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

fn permission(option: &str) -> Option<Permission> {
    Permission::ALL
        .into_iter()
        .find(|permission| permission.name() == option)
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
            ("config", "6"),
            ("max_versions", "7"),
        ])
        .unwrap();
        options.check_names().unwrap();
        let names: Vec<_> = options.for_guest.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["version", "config", "max_versions"]);
    }

    #[test]
    fn what_was_meant_for_the_host_is_not_given_to_the_guest_silently() {
        let refused = |name| {
            read(&[(name, "7")])
                .unwrap()
                .check_names()
                .unwrap_err()
                .to_string()
        };
        for (written, name) in [
            ("cpu_ms", "cpu-ms"),
            ("Memory-MiB", "memory-mib"),
            ("allow_export", "allow-export"),
        ] {
            assert_eq!(
                refused(written),
                format!("the mount has no option {written}: write {name}")
            );
        }
        for name in OF_REGISTRATION {
            assert!(refused(name).contains(&format!("--{name} is for all mounts of a registration")));
        }
        assert!(refused("no_control").contains("--no-control"));
    }

    #[test]
    fn an_option_forbids_what_the_registration_allows_and_none_allows_it() {
        for permission in Permission::ALL {
            let name = permission.name();
            let permit = |options: &[(&str, &str)]| {
                let options = options
                    .iter()
                    .map(|(name, value)| ((*name).into(), (*value).into()));
                MountOptions::permit(&options.collect::<Vec<_>>(), permission)
            };
            permit(&[("version", "2")]).unwrap();
            let refused = permit(&[(name, "false")]).unwrap_err().to_string();
            assert!(refused.contains(&format!("{name}=false")), "{refused}");
            for value in ["true", "", "no"] {
                assert_eq!(read(&[(name, value)]), Err(BadOption::NotFalse(name)));
            }
        }
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

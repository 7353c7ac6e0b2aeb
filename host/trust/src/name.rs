//! The name and version that a signer gives to a build.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use semver::Version;
use thiserror::Error;

/// Most bytes of a trusted comment.
const LONGEST: usize = 1024;

/// Most bytes of a guest's name, as in the contract.
const LONGEST_NAME: usize = 64;

/// The name and version that a signature gives the component that it signs. They are in the trusted comment, which the
/// signature covers, as `name=kv version=1.2.0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedName {
    name: String,
    version: Version,
}

impl SignedName {
    /// Returns the name and version that a guest says of itself, in the form in which they can be signed.
    ///
    /// # Errors
    /// The version is not a semantic one, or the name has other characters than the contract allows.
    pub fn new(name: &str, version: &str) -> Result<Self, BadName> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_plain) {
            return Err(BadName::Name);
        }
        Ok(Self {
            name: name.to_owned(),
            version: version.parse().map_err(|_| BadName::Version)?,
        })
    }

    /// Returns the guest's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the build's version.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Returns true if a guest that says this of itself is the one that is named.
    pub fn is(&self, name: &str, version: &str) -> bool {
        self.name == name && self.version.to_string() == version
    }
}

/// Reads a trusted comment: `KEY=VALUE`, separated by spaces, in any order. Keys other than `name` and `version` are
/// ignored, so that signers can add some.
impl FromStr for SignedName {
    type Err = BadName;

    fn from_str(comment: &str) -> Result<Self, BadName> {
        if comment.len() > LONGEST {
            return Err(BadName::TooLong);
        }
        if comment.contains(char::is_control) {
            return Err(BadName::Control);
        }
        let (mut name, mut version, mut keys) = (None, None, BTreeSet::new());
        for pair in comment.split(' ').filter(|pair| !pair.is_empty()) {
            let Some((key, value)) = pair.split_once('=').filter(|(key, _)| !key.is_empty()) else {
                return Err(BadName::NotPairs);
            };
            if !keys.insert(key) {
                return Err(BadName::Twice);
            }
            match key {
                "name" => name = Some(value),
                "version" => version = Some(value),
                _ => {}
            }
        }
        let (Some(name), Some(version)) = (name, version) else {
            return Err(BadName::Missing);
        };
        Self::new(name, version)
    }
}

/// Writes the trusted comment.
impl fmt::Display for SignedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "name={} version={}", self.name, self.version)
    }
}

/// A trusted comment does not say what it signs. The errors quote nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadName {
    /// Longer than 1 KiB.
    #[error("it is longer than 1 KiB")]
    TooLong,
    /// A control character, such as a tab.
    #[error("it has a control character, such as a tab")]
    Control,
    /// A word that is not `KEY=VALUE`.
    #[error("it is not a list of KEY=VALUE")]
    NotPairs,
    /// A key occurs twice.
    #[error("it has a key twice")]
    Twice,
    /// `name` or `version` is missing.
    #[error("it lacks `name=` or `version=`")]
    Missing,
    /// The name is not a guest's.
    #[error("the name is not 1 to 64 letters, digits, `-`, `_` or `.`")]
    Name,
    /// The version is not a semantic one.
    #[error("the version is not a semantic version without a leading `v`, such as 1.2.0")]
    Version,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_version_are_found_among_other_keys() {
        for comment in [
            "name=kv version=1.2.0",
            "version=1.2.0 name=kv",
            "  timestamp=1 name=kv  file= version=1.2.0 x==y ",
        ] {
            let name: SignedName = comment.parse().unwrap();
            assert_eq!(name.to_string(), "name=kv version=1.2.0", "{comment}");
            assert!(name.is("kv", "1.2.0"));
            assert!(!name.is("kv", "1.2.1") && !name.is("KV", "1.2.0"));
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let name = SignedName::new("a-b_c.D", "10.20.30-rc.1+build.5").unwrap();
        assert_eq!(name.to_string().parse(), Ok(name));
    }

    #[test]
    fn a_comment_that_does_not_say_what_it_signs_is_refused() {
        let long = format!("name=kv version=1.2.0 x={}", "y".repeat(LONGEST));
        let long_name = format!("name={} version=1.2.0", "n".repeat(65));
        for (comment, error) in [
            ("", BadName::Missing),
            ("name=kv", BadName::Missing),
            ("version=1.2.0", BadName::Missing),
            ("NAME=kv version=1.2.0", BadName::Missing),
            ("timestamp:1\tfile:kv.wasm", BadName::Control),
            ("name=kv\tversion=1.2.0", BadName::Control),
            ("name=kv version=1.2.0\r", BadName::Control),
            ("name=kv version=1.2.0 \u{85}", BadName::Control),
            ("name=kv version=1.2.0 released", BadName::NotPairs),
            ("name=kv version=1.2.0 =x", BadName::NotPairs),
            ("name=kv name=kv version=1.2.0", BadName::Twice),
            ("name=kv version=1.2.0 version=1.3.0", BadName::Twice),
            ("name=kv version=1.2.0 x=1 x=2", BadName::Twice),
            ("name= version=1.2.0", BadName::Name),
            ("name=k/v version=1.2.0", BadName::Name),
            ("name=kü version=1.2.0", BadName::Name),
            ("name=kv version=", BadName::Version),
            ("name=kv version=v1.2.0", BadName::Version),
            ("name=kv version=1.2", BadName::Version),
            ("name=kv version=01.2.0", BadName::Version),
            (&long_name, BadName::Name),
            (&long, BadName::TooLong),
        ] {
            assert_eq!(comment.parse::<SignedName>(), Err(error), "{comment:?}");
        }
    }
}

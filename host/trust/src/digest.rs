//! The digest by which a guest is pinned.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// The SHA-256 of a component. Displayed as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Computes the digest of a component.
    pub fn of(component: &[u8]) -> Self {
        Self(Sha256::digest(component).into())
    }
}

/// Takes a SHA-256 that was computed elsewhere.
impl From<[u8; 32]> for Digest {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

/// Reads 64 hexadecimal digits in any case, and ignores white space around them.
impl FromStr for Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let mut digest = [0; 32];
        hex::decode_to_slice(text.trim(), &mut digest).map_err(|_| BadDigest)?;
        Ok(Self(digest))
    }
}

impl TryFrom<String> for Digest {
    type Error = BadDigest;

    fn try_from(text: String) -> Result<Self, BadDigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is not a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("it is not a SHA-256: give 64 hexadecimal digits, as `sha256sum` prints them")]
pub struct BadDigest;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_case_and_surrounding_space_are_read() {
        let digest = Digest::of(b"one");
        let text = digest.to_string();
        assert_eq!(text.len(), 64);
        assert_eq!(format!(" {}\n", text.to_uppercase()).parse(), Ok(digest));
    }

    #[test]
    fn a_text_that_is_not_a_digest_is_refused() {
        for text in ["", "abc", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64)] {
            assert_eq!(text.parse::<Digest>(), Err(BadDigest), "{text:?}");
        }
    }
}

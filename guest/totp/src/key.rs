//! Stores keys with their parameters.

use airlock_sdk::{Context, Error, Result, Timestamp, choices};
use serde::{Deserialize, Serialize};

/// The storage prefix of keys.
pub(crate) const KEYS: &str = "key/";

choices! {
    /// The hash of the codes.
    pub(crate) enum Algorithm { Sha1 = "SHA1", Sha256 = "SHA256", Sha512 = "SHA512" }
}

impl Algorithm {
    /// Returns the algorithm of this name, which is written in upper case.
    pub(crate) fn named(name: &str) -> Option<Algorithm> {
        Self::from_text(name)
    }
}

/// A stored key. It has no `Debug`, because it holds a secret.
#[derive(Serialize, Deserialize)]
pub(crate) struct Key {
    /// The secret in base32, in the form in which it was given or generated.
    pub key: String,
    pub issuer: String,
    pub account_name: String,
    /// The seconds for which a code is valid, at least 1.
    pub period: u64,
    pub algorithm: Algorithm,
    /// 6 or 8.
    pub digits: u8,
    /// The number of periods before and after the present one whose codes are valid too: 0 or 1.
    pub skew: u8,
}

/// The parts of a key that a read shows.
#[derive(Serialize)]
pub(crate) struct Public<'k> {
    account_name: &'k str,
    algorithm: Algorithm,
    digits: u8,
    issuer: &'k str,
    period: u64,
}

impl Key {
    pub(crate) fn load(cx: &Context, name: &str) -> Result<Option<Key>> {
        cx.storage.get_json(&path(name))
    }

    /// Loads a key that a caller takes to exist.
    pub(crate) fn known(cx: &Context, name: &str) -> Result<Key> {
        Key::load(cx, name)?.ok_or_else(|| Error::user(format!("unknown key: {name}")))
    }

    pub(crate) fn store(&self, cx: &Context, name: &str) -> Result<()> {
        cx.storage.put_json(&path(name), self)
    }

    /// Returns everything but the secret and the skew.
    pub(crate) fn public(&self) -> Public<'_> {
        Public {
            account_name: &self.account_name,
            algorithm: self.algorithm,
            digits: self.digits,
            issuer: &self.issuer,
            period: self.period,
        }
    }

    /// Returns the number of the period that contains a moment.
    pub(crate) fn counter(&self, at: Timestamp) -> u64 {
        u64::try_from(at.seconds).unwrap_or(0) / self.period.max(1)
    }

    /// Returns the seconds after which a code that is valid now cannot be valid any more.
    pub(crate) fn lifetime(&self) -> u64 {
        self.period.saturating_mul(2 + u64::from(self.skew))
    }
}

/// Returns the storage key of a key.
pub(crate) fn path(name: &str) -> String {
    format!("{KEYS}{name}")
}

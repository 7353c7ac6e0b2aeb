//! Signatures in minisign's format.

use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use thiserror::Error;

use crate::key::KeyId;
use crate::name::{BadName, SignedName};
use crate::{PublicKey, trust::Signed};

/// Most bytes of a signature's text. A signature with the longest comment has some 1,400.
pub const LONGEST_SIGNATURE: usize = 4096;

const PREHASHED: &[u8] = b"ED";
const LEGACY: &[u8] = b"Ed";

/// A signature that was read and not verified yet.
///
/// Only prehashed signatures are accepted, which sign a hash of the file and not the file. The letters that tell the two
/// kinds apart are not covered by the signature. So if legacy signatures were accepted as well, a signature of one kind
/// could be passed off as one of the other: a signed file of 64 bytes as the hash of another file. minisign and
/// `airlock sign` make prehashed signatures unless told otherwise.
#[derive(Clone)]
pub struct Signature {
    signer: KeyId,
    signature: minisign_verify::Signature,
}

impl Signature {
    /// Returns the id of the key that the signature names. Anybody can write any id there.
    pub fn unverified_signer(&self) -> KeyId {
        self.signer
    }

    /// Returns the name and version that the signature claims. Anybody can write any there.
    ///
    /// # Errors
    /// The trusted comment does not have both in the form that [`SignedName`] reads.
    pub fn unverified_name(&self) -> Result<SignedName, BadName> {
        self.signature.trusted_comment().parse()
    }

    /// Returns who signed the component as what, if it was one of these keys.
    pub(crate) fn verify(&self, component: &[u8], keys: &[PublicKey]) -> Result<Signed, SignatureRefused> {
        let signer = self.signer;
        // Ids are not unique.
        let mut named = keys.iter().filter(|key| key.id() == signer).peekable();
        if named.peek().is_none() {
            let trusted = ids(keys);
            return Err(SignatureRefused::Untrusted { signer, trusted });
        }
        if !named.any(|key| key.verifies(component, &self.signature)) {
            return Err(SignatureRefused::Altered { signer });
        }
        let name = self
            .unverified_name()
            .map_err(|reason| SignatureRefused::Name { signer, reason })?;
        Ok(Signed::new(signer, name))
    }
}

/// Reads the text of a `.minisig` file.
impl FromStr for Signature {
    type Err = BadSignature;

    fn from_str(text: &str) -> Result<Self, BadSignature> {
        if text.len() > LONGEST_SIGNATURE {
            return Err(BadSignature::TooLong);
        }
        let lines: Vec<&str> = text.trim_end().lines().collect();
        let [comment, line, _, _] = lines[..] else {
            return Err(BadSignature::Malformed);
        };
        if !comment.starts_with("untrusted comment:") {
            return Err(BadSignature::Malformed);
        }
        let decoded = BASE64_STANDARD
            .decode(line)
            .map_err(|_| BadSignature::Malformed)?;
        if decoded.starts_with(LEGACY) {
            return Err(BadSignature::Legacy);
        }
        if !decoded.starts_with(PREHASHED) {
            return Err(BadSignature::Malformed);
        }
        let signature = minisign_verify::Signature::decode(text).map_err(|_| BadSignature::Malformed)?;
        let signer = KeyId::within(&decoded).ok_or(BadSignature::Malformed)?;
        Ok(Self { signer, signature })
    }
}

/// Returns the ids of keys, for a person.
pub(crate) fn ids(keys: &[PublicKey]) -> String {
    let ids: Vec<_> = keys.iter().map(|key| key.id().to_string()).collect();
    ids.join(", ")
}

/// A text is not a signature that can be verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadSignature {
    /// Longer than [`LONGEST_SIGNATURE`].
    #[error("longer than 4 KiB, which no signature is")]
    TooLong,
    /// Not in minisign's format.
    #[error("not in minisign's format, or incomplete")]
    Malformed,
    /// Made by `minisign -S -l`.
    #[error("a legacy one of minisign's")]
    Legacy,
}

/// The reason why a signature does not vouch for a component. The texts continue a sentence about the guest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignatureRefused {
    /// The component has no signature.
    #[error(
        "it is not signed: put its signature beside it, as `airlock sign` or minisign makes it with a trusted key \
         ({trusted})"
    )]
    Missing {
        /// The ids of the trusted keys.
        trusted: String,
    },
    /// The text is not a signature.
    #[error(
        "its signature is {0}: sign this build with `airlock sign`, or with minisign as the documentation says"
    )]
    Bad(BadSignature),
    /// Another key than the trusted ones signed it.
    #[error(
        "key {signer} signed it, which is not trusted ({trusted} is): sign this build with a trusted key, or, if you \
         know that signer, register the plugin with its key as --trust"
    )]
    Untrusted {
        /// The key that the signature names.
        signer: KeyId,
        /// The ids of the trusted keys.
        trusted: String,
    },
    /// The signature names a trusted key, and is not of this component and comment.
    #[error(
        "its signature does not verify with the trusted key {signer}: the guest or the signature was altered, or they \
         are of different builds; put back both as they were signed, or sign this build"
    )]
    Altered {
        /// The key that the signature names.
        signer: KeyId,
    },
    /// The trusted comment does not name the guest.
    #[error(
        "key {signer} signed it without saying what it is ({reason}): sign it with `airlock sign`, or with \
         minisign -S -t 'name=NAME version=VERSION'"
    )]
    Name {
        /// The key that signed it.
        signer: KeyId,
        /// The fault of the comment.
        reason: BadName,
    },
}

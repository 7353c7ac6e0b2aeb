//! Decides which guests may run: those with a pinned digest, and those that a trusted key signed.
//!
//! Vault's catalog pins the host's binary and its arguments. The arguments say what the operator trusts: digests of
//! builds, and public keys of signers. So replacing a guest's file is not enough to run code on a mount's secrets.
//!
//! ```
//! use airlock_trust::{By, Trust};
//!
//! # let (component, key, signature) = (b"component",
//! #     include_str!("../tests/vectors/plain.pub"), include_str!("../tests/vectors/plain.minisig"));
//! let trust = Trust::new([], [key.parse()?]);
//! let voucher = trust.vouch(component, Some(signature))?;
//! assert!(matches!(voucher.by(), By::Signature(signed) if signed.signer().to_string() == "C04B0BFAE9BD6D86"));
//!
//! // Load the component, and ask it what it is.
//! voucher.confirm("kv", "1.2.0")?;
//! assert!(voucher.confirm("kv", "1.3.0").is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is guaranteed
//!
//! - Without a pin and without a key, nothing may run. Only [`Trust::unpinned`] runs everything.
//! - A signature covers the component and its name and version, which [`SignedName`] reads from the trusted comment of
//!   a minisign signature. A comment without both is refused.
//! - Only prehashed signatures are accepted; [`Signature`] says why.
//! - Texts of others are bounded, are never quoted in an error, and cannot cause a panic.
//!
//! # What to watch
//!
//! - A signature says nothing about the time. To keep an old build from coming back, compare
//!   [`Signed::version`] with the versions that ran.
//! - An id of a key proves nothing; see [`KeyId`].

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod digest;
mod key;
mod name;
mod signature;
mod trust;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use digest::{BadDigest, Digest};
pub use key::{BadKey, KeyId, PublicKey};
pub use name::{BadName, SignedName};
pub use signature::{BadSignature, LONGEST_SIGNATURE, Signature, SignatureRefused};
pub use trust::{By, Refused, Signed, Trust, Voucher};

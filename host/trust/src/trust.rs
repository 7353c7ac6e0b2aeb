//! The decision.

use std::fmt;

use semver::Version;
use thiserror::Error;

use crate::digest::Digest;
use crate::key::{KeyId, PublicKey};
use crate::name::SignedName;
use crate::signature::{Signature, SignatureRefused, ids};

/// The digests and keys that an operator trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    pins: Vec<Digest>,
    keys: Vec<PublicKey>,
    unpinned: bool,
}

impl Trust {
    /// Trusts the components with one of these digests, and those that one of these keys signed. Without a pin and a
    /// key, no component may run.
    pub fn new(pins: impl IntoIterator<Item = Digest>, keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self {
            pins: pins.into_iter().collect(),
            keys: keys.into_iter().collect(),
            unpinned: false,
        }
    }

    /// Trusts every component, for development.
    pub fn unpinned() -> Self {
        Self {
            pins: Vec::new(),
            keys: Vec::new(),
            unpinned: true,
        }
    }

    /// Returns true if every component is trusted.
    pub fn is_unpinned(&self) -> bool {
        self.unpinned
    }

    /// Returns true if no component is trusted.
    pub fn is_empty(&self) -> bool {
        self.pins.is_empty() && self.keys.is_empty() && !self.unpinned
    }

    /// Returns the trusted keys. Without one, no signature is looked at.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Decides whether a component may run. `signature` is the text of its `.minisig` file, if it has one.
    ///
    /// A pin is enough: then a signature that is missing, damaged or not trusted is ignored, and one that is valid and
    /// trusted is kept in the [`Voucher`]. Load the component only if it is vouched for, and then compare what it says of
    /// itself with [`Voucher::confirm`].
    ///
    /// # Errors
    /// The reason why it may not run, which names its digest or the keys in question.
    pub fn vouch(&self, component: &[u8], signature: Option<&str>) -> Result<Voucher, Refused> {
        let digest = Digest::of(component);
        let voucher = |by| Ok(Voucher { digest, by });
        if self.unpinned {
            return voucher(By::Unpinned);
        }
        if self.is_empty() {
            return Err(Refused::NothingTrusted);
        }
        let is_pinned = self.pins.contains(&digest);
        match self.verify(component, signature) {
            signed if is_pinned => voucher(By::Pin(signed.ok())),
            Ok(signed) => voucher(By::Signature(signed)),
            Err(_) if self.keys.is_empty() => Err(Refused::NotPinned { digest }),
            Err(signature) if self.pins.is_empty() => Err(Refused::Signature(signature)),
            Err(signature) => Err(Refused::Neither { digest, signature }),
        }
    }

    fn verify(&self, component: &[u8], signature: Option<&str>) -> Result<Signed, SignatureRefused> {
        let Some(text) = signature else {
            let trusted = ids(&self.keys);
            return Err(SignatureRefused::Missing { trusted });
        };
        let signature: Signature = text.parse().map_err(SignatureRefused::Bad)?;
        signature.verify(component, &self.keys)
    }
}

/// Says that a component may run, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voucher {
    digest: Digest,
    by: By,
}

/// The reason why a component may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// A pinned digest; and a trusted signature, if the component has one as well.
    Pin(Option<Signed>),
    /// A trusted signature alone.
    Signature(Signed),
    /// The program that contains it, which is pinned as a whole.
    Program,
    /// Nothing: the operator runs whatever the file holds.
    Unpinned,
}

/// A verified signature: who signed the component, and as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    signer: KeyId,
    name: SignedName,
}

impl Signed {
    pub(crate) fn new(signer: KeyId, name: SignedName) -> Self {
        Self { signer, name }
    }

    /// Returns the id of the trusted key that signed the component.
    pub fn signer(&self) -> KeyId {
        self.signer
    }

    /// Returns the signed name.
    pub fn name(&self) -> &str {
        self.name.name()
    }

    /// Returns the signed version.
    pub fn version(&self) -> &Version {
        self.name.version()
    }
}

impl Voucher {
    /// Vouches for the component that a program contains: whoever pinned the program pinned the component too.
    pub fn of_program(digest: Digest) -> Self {
        Self {
            digest,
            by: By::Program,
        }
    }

    /// Returns the component's digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns what vouches for the component.
    pub fn by(&self) -> &By {
        &self.by
    }

    /// Returns the verified signature, if there is one, also beside a pin.
    pub fn signed(&self) -> Option<&Signed> {
        match &self.by {
            By::Pin(signed) => signed.as_ref(),
            By::Signature(signed) => Some(signed),
            By::Program | By::Unpinned => None,
        }
    }

    /// Checks that the loaded component calls itself what was signed. Without a signature, it may call itself anything.
    ///
    /// # Errors
    /// The name or the version differs; both are in the error.
    pub fn confirm(&self, name: &str, version: &str) -> Result<(), Refused> {
        match self.signed() {
            Some(signed) if !signed.name.is(name, version) => Err(Refused::AnotherName {
                signed: signed.clone(),
                name: name.to_owned(),
                version: version.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

/// Displays what vouches for the component, to continue a sentence about it.
impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pin(None) => f.write_str("pinned by its SHA-256"),
            Self::Pin(Some(signed)) => write!(f, "pinned by its SHA-256 and signed by key {}", signed.signer),
            Self::Signature(signed) => write!(f, "signed by key {}", signed.signer),
            Self::Program => f.write_str("pinned with the program that contains it"),
            Self::Unpinned => f.write_str("UNPINNED: whatever its file holds will run"),
        }
    }
}

/// The reason why a component may not run. The texts continue a sentence about the guest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// There is neither a pin nor a key.
    #[error("nothing says that it may run: give --guest-sha256 for this build, or --trust for its signer")]
    NothingTrusted,
    /// No pin names it, and no key is trusted.
    #[error(
        "its SHA-256 is {digest}, which no --guest-sha256 names: put back the pinned file, or register the plugin with \
         this digest if it is the build you want"
    )]
    NotPinned {
        /// The component's digest.
        digest: Digest,
    },
    /// No trusted key signed it, and nothing is pinned.
    #[error(transparent)]
    Signature(SignatureRefused),
    /// No pin names it, and no trusted key signed it.
    #[error("its SHA-256 is {digest}, which no --guest-sha256 names, and {signature}")]
    Neither {
        /// The component's digest.
        digest: Digest,
        /// The reason why its signature does not count.
        signature: SignatureRefused,
    },
    /// It is not what its signature says.
    #[error(
        "key {} signed it as {} {}, and it calls itself {name} {version}: sign this build again, with `airlock sign`",
        signed.signer(), signed.name(), signed.version()
    )]
    AnotherName {
        /// The signature.
        signed: Signed,
        /// The name that the component gives itself.
        name: String,
        /// The version that the component states.
        version: String,
    },
}

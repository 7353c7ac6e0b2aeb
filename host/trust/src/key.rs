//! Public keys of signers.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use thiserror::Error;

/// Most bytes of a public key's file. Two lines have fewer than 200.
const LONGEST: usize = 1024;

/// Bytes of a secret key in minisign's format.
const SECRET_KEY_BYTES: usize = 158;

/// The id of a key pair, which minisign puts into the public key and into each signature. Displayed as minisign displays
/// it: 16 upper-case hexadecimal digits.
///
/// The id is not derived from the key, and anybody can make a key with any id. It says which key to verify with, and
/// proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

impl KeyId {
    /// Returns the id in what minisign's format has in its line of base64, behind the two bytes of the algorithm.
    pub(crate) fn within(decoded: &[u8]) -> Option<Self> {
        let id = decoded.get(2..10)?;
        Some(Self(id.try_into().ok()?))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A minisign public key, with which a signer's guests are verified. Displayed as its line of base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    base64: String,
    key: minisign_verify::PublicKey,
}

impl PublicKey {
    /// Returns the key's id.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Verifies a signature of the component and of the signature's own trusted comment.
    pub(crate) fn verifies(&self, component: &[u8], signature: &minisign_verify::Signature) -> bool {
        // Without legacy signatures; `Signature` says why.
        self.key.verify(component, signature, false).is_ok()
    }
}

/// Reads the base64 line of a `.pub` file, or the whole file.
impl FromStr for PublicKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        if text.len() > LONGEST {
            return Err(BadKey::Malformed);
        }
        let lines: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        let decode = |line: &&str| BASE64_STANDARD.decode(line).unwrap_or_default();
        if lines.iter().map(decode).any(|bytes| is_secret(&bytes)) {
            return Err(BadKey::Secret);
        }
        let line = match lines[..] {
            [line] => line,
            [comment, line] if comment.starts_with("untrusted comment:") => line,
            _ => return Err(BadKey::Malformed),
        };
        let key = minisign_verify::PublicKey::from_base64(line).map_err(|_| BadKey::Malformed)?;
        let id = KeyId::within(&decode(&line)).ok_or(BadKey::Malformed)?;
        Ok(Self {
            id,
            base64: line.to_owned(),
            key,
        })
    }
}

fn is_secret(decoded: &[u8]) -> bool {
    decoded.len() == SECRET_KEY_BYTES && decoded.starts_with(b"Ed")
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base64)
    }
}

/// A text is not a public key. The errors quote nothing of it, since somebody may give a secret key by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadKey {
    /// Not in the format of a public key.
    #[error(
        "it is not a minisign public key: give the line of base64 in a .pub file, 56 characters from `RW` on"
    )]
    Malformed,
    /// A secret key.
    #[error("it is a secret key, which only its signer may have: give the .pub file that belongs to it")]
    Secret,
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = include_str!("../tests/vectors/plain.pub");

    #[test]
    fn a_key_is_read_from_its_line_and_from_its_file() {
        let key: PublicKey = FILE.parse().unwrap();
        assert_eq!(key.id().to_string(), "C04B0BFAE9BD6D86");
        assert!(
            FILE.contains(&key.id().to_string()),
            "minisign displays it so, too"
        );
        for text in [key.to_string(), format!(" {key}\r\n"), FILE.replace('\n', "\r\n")] {
            assert_eq!(text.parse().as_ref(), Ok(&key), "{text:?}");
        }
    }

    #[test]
    fn other_texts_are_not_public_keys() {
        let line = FILE.lines().nth(1).unwrap();
        let texts = [
            String::new(),
            "\n".to_owned(),
            "RW".to_owned(),
            "é".repeat(28),
            line[..52].to_owned(),
            line.replacen("RW", "AA", 1),
            format!("{line}\n{line}"),
            format!("untrusted comment: a\nuntrusted comment: b\n{line}"),
            format!("untrusted comment: {}\n{line}", "a".repeat(LONGEST)),
            include_str!("../tests/vectors/plain.minisig").to_owned(),
        ];
        for text in texts {
            assert_eq!(text.parse::<PublicKey>(), Err(BadKey::Malformed), "{text:?}");
        }
    }

    #[test]
    fn a_secret_key_is_refused_as_one_and_not_quoted() {
        for file in [
            include_str!("../tests/vectors/plain.key"),
            include_str!("../tests/vectors/encrypted.key"),
        ] {
            let line = file.lines().nth(1).unwrap();
            for text in [file, line] {
                let error = text.parse::<PublicKey>().unwrap_err();
                assert_eq!(error, BadKey::Secret);
                assert!(!format!("{error} {error:?}").contains(&line[..8]));
            }
        }
    }
}

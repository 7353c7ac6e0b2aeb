//! Secret keys in minisign's format: `minisign` and `airlock` read each other's.
//!
//! The format, after a line of comment and in base64: the algorithms of signature, password and checksum; salt and costs
//! of the password's hash; then the id, the key pair and a checksum of both, which a password's hash masks.

use airlock_trust::{PublicKey, SignedName};
use anyhow::{Context as _, Result, bail};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use blake2::{Blake2b256, Blake2b512, Digest as _};
use scrypt::Params;
use zeroize::Zeroizing;

const ED25519: &[u8] = b"Ed";
const PREHASHED: &[u8] = b"ED";
const WITH_PASSWORD: &[u8] = b"Sc";
const WITHOUT_PASSWORD: &[u8] = &[0, 0];
const BLAKE2B: &[u8] = b"B2";

/// Bytes of the parts of the format.
const SALT: usize = 32;
const ID: usize = 8;
const PAIR: usize = 64;
const CHECKSUM: usize = 32;
const MASKED: usize = ID + PAIR + CHECKSUM;
const LENGTH: usize = 2 + 2 + 2 + SALT + 8 + 8 + MASKED;

/// The costs of new keys' passwords: 128 MiB and some tenths of a second, as OWASP recommends for scrypt.
const OPERATIONS: u64 = 1 << 22;
const MEMORY: u64 = 1 << 27;

/// The highest costs that are accepted: those of `minisign -G`, 1 GiB.
const MOST_OPERATIONS: u64 = 1 << 25;
const MOST_MEMORY: u64 = 1 << 30;

/// A key that signs guests.
pub struct SecretKey {
    id: [u8; ID],
    /// The seed and the public key.
    pair: Zeroizing<[u8; PAIR]>,
}

impl SecretKey {
    /// Makes a new key, with a random id.
    pub fn generate() -> Result<Self> {
        let (mut id, mut pair) = ([0; ID], Zeroizing::new([0; PAIR]));
        let random = |bytes: &mut [u8]| {
            getrandom::fill(bytes)
                .map_err(|error| anyhow::anyhow!("cannot get random bytes for a key: {error}"))
        };
        random(&mut id)?;
        random(&mut pair[..32])?;
        let public = Ed25519KeyPair::from_seed_unchecked(&pair[..32]).context("cannot make a key")?;
        pair[32..].copy_from_slice(public.public_key().as_ref());
        Ok(Self { id, pair })
    }

    /// Returns the key that verifies what this one signs.
    pub fn public_key(&self) -> Result<PublicKey> {
        let line = BASE64_STANDARD.encode([ED25519, &self.id, &self.pair[32..]].concat());
        line.parse().context("cannot make a public key")
    }

    /// Returns the text of the secret key's file, encrypted if there is a password.
    pub fn to_file(&self, password: Option<&str>) -> Result<Zeroizing<String>> {
        let mut masked = self.unmasked();
        let mut bytes = Zeroizing::new(Vec::with_capacity(LENGTH));
        let comment = match password {
            None => {
                bytes.extend([ED25519, WITHOUT_PASSWORD, BLAKE2B, &[0; SALT + 16]].concat());
                "minisign secret key"
            }
            Some(password) => {
                let mut salt = [0; SALT];
                getrandom::fill(&mut salt)
                    .map_err(|error| anyhow::anyhow!("cannot get random bytes for a salt: {error}"))?;
                mask(&mut masked, password, &salt, OPERATIONS, MEMORY)?;
                bytes.extend([ED25519, WITH_PASSWORD, BLAKE2B, &salt].concat());
                bytes.extend([OPERATIONS.to_le_bytes(), MEMORY.to_le_bytes()].concat());
                "minisign encrypted secret key"
            }
        };
        bytes.extend_from_slice(masked.as_slice());
        let line = Zeroizing::new(BASE64_STANDARD.encode(bytes.as_slice()));
        Ok(Zeroizing::new(format!(
            "untrusted comment: {comment}\n{}\n",
            line.as_str()
        )))
    }

    /// Reads the text of a secret key's file. Asks for the password if the key is encrypted.
    pub fn from_file(text: &str, password: impl FnOnce() -> Result<Zeroizing<String>>) -> Result<Self> {
        const NOT_A_KEY: &str =
            "it is not a minisign secret key: give the file that `airlock keygen --out` wrote";
        if text.parse::<PublicKey>().is_ok() {
            bail!("it is a public key: give the secret key, which has no .pub at the end of its name");
        }
        let line = text.lines().nth(1).context(NOT_A_KEY)?;
        let bytes = Zeroizing::new(BASE64_STANDARD.decode(line.trim()).unwrap_or_default());
        let Some((header, masked)) = bytes.split_at_checked(LENGTH - MASKED) else {
            bail!(NOT_A_KEY);
        };
        let mut masked: Zeroizing<[u8; MASKED]> = Zeroizing::new(masked.try_into().context(NOT_A_KEY)?);
        let (algorithms, costs) = header.split_at(6);
        let is = |kind: &[u8]| algorithms == [ED25519, kind, BLAKE2B].concat();
        let damaged = if is(WITHOUT_PASSWORD) {
            "the secret key is damaged: its checksum is wrong"
        } else if is(WITH_PASSWORD) {
            let (salt, costs) = costs.split_at(SALT);
            let (operations, memory) = costs.split_at(8);
            let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes);
            let (operations, memory) = (number(operations)?, number(memory)?);
            mask(&mut masked, &password()?, salt, operations, memory)?;
            "the password is wrong, or the secret key is damaged"
        } else {
            bail!(NOT_A_KEY);
        };
        let (id, pair) = masked.split_at(ID);
        let key = Self {
            id: id.try_into()?,
            pair: Zeroizing::new(pair[..PAIR].try_into()?),
        };
        if key.unmasked() != masked {
            bail!(damaged);
        }
        Ok(key)
    }

    /// Signs a guest as what it is. Returns the text of the signature's file.
    pub fn sign(&self, component: &[u8], name: &SignedName) -> Result<String> {
        let (seed, public) = self.pair.split_at(32);
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public)
            .context("the secret key is damaged: its halves do not belong together")?;
        let signature = pair.sign(&Blake2b512::digest(component));
        let comment = name.to_string();
        let both = pair.sign(&[signature.as_ref(), comment.as_bytes()].concat());
        let line = BASE64_STANDARD.encode([PREHASHED, &self.id, signature.as_ref()].concat());
        let id = self.public_key()?.id();
        let both = BASE64_STANDARD.encode(both.as_ref());
        Ok(format!(
            "untrusted comment: signature by minisign key {id}\n{line}\ntrusted comment: {comment}\n{both}\n"
        ))
    }

    /// Returns the id, the pair and their checksum.
    fn unmasked(&self) -> Zeroizing<[u8; MASKED]> {
        let mut unmasked = Zeroizing::new([0; MASKED]);
        unmasked[..ID].copy_from_slice(&self.id);
        unmasked[ID..ID + PAIR].copy_from_slice(self.pair.as_slice());
        let mut hasher = Blake2b256::new();
        hasher.update(ED25519);
        hasher.update(&unmasked[..ID + PAIR]);
        unmasked[ID + PAIR..].copy_from_slice(&hasher.finalize());
        unmasked
    }
}

/// Masks or unmasks with a password's hash.
fn mask(bytes: &mut [u8; MASKED], password: &str, salt: &[u8], operations: u64, memory: u64) -> Result<()> {
    let params = costs(operations, memory)
        .context("the secret key's password has costs that no minisign key has: the file is damaged")?;
    let mut hash = Zeroizing::new([0; MASKED]);
    scrypt::scrypt(password.as_bytes(), salt, &params, hash.as_mut_slice())
        .context("cannot compute the password's hash")?;
    for (byte, mask) in bytes.iter_mut().zip(hash.iter()) {
        *byte ^= mask;
    }
    Ok(())
}

/// Returns scrypt's parameters for the costs in a key's file, by the rule of libsodium, whose limits the format has.
fn costs(operations: u64, memory: u64) -> Option<Params> {
    if operations > MOST_OPERATIONS || memory > MOST_MEMORY {
        return None;
    }
    let operations = operations.max(32768);
    const R: u32 = 8;
    let log_of = |most: u64| (1..63).find(|log| 1_u64 << log > most / 2);
    let (log_n, p) = if operations < memory / 32 {
        (log_of(operations / (u64::from(R) * 4))?, 1)
    } else {
        let log_n = log_of(memory / (u64::from(R) * 128))?;
        let most = (operations / 4) >> log_n;
        (log_n, u32::try_from(most).ok()? / R)
    };
    Params::new(log_n, R, p).ok()
}

#[cfg(test)]
mod tests {
    use airlock_trust::{Digest, Trust};

    use super::*;

    // Made by the `minisign` crate, as `host/trust/src/tests.rs` says.
    const ENCRYPTED: &str = include_str!("../../../trust/tests/vectors/encrypted.key");
    const PASSWORD: &str = "correct horse";
    const PLAIN: &str = include_str!("../../../trust/tests/vectors/plain.key");

    fn none() -> Result<Zeroizing<String>> {
        bail!("it asks for a password")
    }

    fn given(password: &str) -> impl FnOnce() -> Result<Zeroizing<String>> {
        move || Ok(Zeroizing::new(password.to_owned()))
    }

    #[track_caller]
    fn assert_signs(key: &SecretKey) {
        let name = SignedName::new("kv", "1.2.0").unwrap();
        let signature = key.sign(b"component", &name).unwrap();
        let trust = Trust::new([], [key.public_key().unwrap()]);
        let voucher = trust.vouch(b"component", Some(&signature)).unwrap();
        assert_eq!(voucher.digest(), Digest::of(b"component"));
        voucher.confirm("kv", "1.2.0").unwrap();
        assert!(trust.vouch(b"Component", Some(&signature)).is_err());
    }

    #[track_caller]
    fn error(text: &str, password: &str) -> String {
        let error = SecretKey::from_file(text, given(password)).err().unwrap();
        format!("{error:#}")
    }

    #[test]
    fn keys_of_minisign_are_read_and_sign() {
        let key = SecretKey::from_file(PLAIN, none).unwrap();
        let public = include_str!("../../../trust/tests/vectors/plain.pub");
        assert_eq!(key.public_key().unwrap(), public.parse().unwrap());
        assert_signs(&key);
        let key = SecretKey::from_file(ENCRYPTED, given(PASSWORD)).unwrap();
        let public = include_str!("../../../trust/tests/vectors/encrypted.pub");
        assert_eq!(key.public_key().unwrap(), public.parse().unwrap());
        assert_signs(&key);
    }

    #[test]
    fn a_plain_key_is_written_as_minisign_writes_it() {
        let key = SecretKey::from_file(PLAIN, none).unwrap();
        assert_eq!(*key.to_file(None).unwrap(), PLAIN);
    }

    #[test]
    fn a_new_key_is_read_again_with_its_password_only() {
        let key = SecretKey::generate().unwrap();
        assert_signs(&key);
        let again = SecretKey::from_file(&key.to_file(None).unwrap(), none).unwrap();
        assert_eq!(again.pair, key.pair);
        let file = key.to_file(Some("secret")).unwrap();
        let again = SecretKey::from_file(&file, given("secret")).unwrap();
        assert_eq!((again.id, &again.pair), (key.id, &key.pair));
        assert!(error(&file, "Secret").contains("password is wrong"));
        assert!(SecretKey::from_file(&file, none).is_err());
        assert_ne!(SecretKey::generate().unwrap().id, key.id);
    }

    #[test]
    fn texts_that_are_not_secret_keys_are_refused() {
        let line = PLAIN.lines().nth(1).unwrap();
        let altered = |at: usize, byte: u8| {
            let mut bytes = BASE64_STANDARD.decode(line).unwrap();
            bytes[at] = byte;
            format!("untrusted comment: x\n{}\n", BASE64_STANDARD.encode(bytes))
        };
        let public = include_str!("../../../trust/tests/vectors/plain.pub");
        for (text, reason) in [
            (String::new(), "not a minisign secret key"),
            (line.to_owned(), "not a minisign secret key"),
            ("a\nb".to_owned(), "not a minisign secret key"),
            (PLAIN[..200].to_owned(), "not a minisign secret key"),
            (altered(0, b'X'), "not a minisign secret key"),
            (altered(2, b'X'), "not a minisign secret key"),
            (altered(60, 0), "damaged"),
            (altered(157, 0), "damaged"),
            (public.to_owned(), "public key"),
        ] {
            let error = error(&text, "x");
            assert!(error.contains(reason), "no {reason:?} for {text:?}: {error}");
        }
    }

    #[test]
    fn costs_are_those_of_libsodium_and_bounded() {
        for (operations, memory, expected) in [
            (1 << 20, 1 << 25, Some((15, 1))),
            (1 << 25, 1 << 30, Some((20, 1))),
            (OPERATIONS, MEMORY, Some((17, 1))),
            (0, 1 << 30, Some((10, 1))),
            (1 << 26, 1 << 30, None),
            (1 << 25, 1 << 31, None),
            (u64::MAX, u64::MAX, None),
            (0, 0, Some((1, 512))),
        ] {
            let expected = expected.map(|(log_n, p)| Params::new(log_n, 8, p).unwrap());
            assert_eq!(costs(operations, memory), expected, "{operations} {memory}");
        }
    }
}

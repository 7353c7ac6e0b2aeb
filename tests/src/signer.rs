//! Key pairs that sign guests.

use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use blake2::{Blake2b512, Digest as _};

use crate::command::airlock;

/// A key pair that `airlock keygen` made, without a password.
pub struct Signer {
    secret: PathBuf,
}

impl Signer {
    /// Makes a key pair in a directory, as `name` and `name.pub`.
    pub fn new(directory: &Path, name: &str) -> Self {
        let secret = directory.join(name);
        airlock(["keygen", "--no-password", "--out", secret.to_str().unwrap()]).expect_success("keygen");
        Self { secret }
    }

    /// Returns the path of the secret key.
    pub fn secret(&self) -> &str {
        self.secret.to_str().unwrap()
    }

    /// Returns the path of the public key.
    pub fn public(&self) -> String {
        format!("{}.pub", self.secret())
    }

    /// Returns the public key's line of base64, which `--trust` takes.
    pub fn key(&self) -> String {
        line(&self.public())
    }

    /// Returns the key's id, as minisign prints it.
    pub fn id(&self) -> String {
        let bytes = BASE64_STANDARD.decode(self.key()).unwrap();
        let id = u64::from_le_bytes(bytes[2..10].try_into().unwrap());
        format!("{id:016X}")
    }

    /// Signs a guest with `airlock sign`. Removes a signature that the guest has.
    #[track_caller]
    pub fn sign(&self, guest: &Path) {
        let _ = fs::remove_file(signature_of(guest));
        airlock(["sign", "--key", self.secret(), guest.to_str().unwrap()]).expect_success("sign");
    }

    /// Signs a guest with another trusted comment than `airlock sign` writes.
    pub fn sign_as(&self, guest: &Path, comment: &str) {
        let secret = BASE64_STANDARD.decode(line(self.secret())).unwrap();
        let (id, seed, public) = (&secret[54..62], &secret[62..94], &secret[94..126]);
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public).unwrap();
        let signature = pair.sign(&Blake2b512::digest(fs::read(guest).unwrap()));
        let both = pair.sign(&[signature.as_ref(), comment.as_bytes()].concat());
        let signature = BASE64_STANDARD.encode([b"ED", id, signature.as_ref()].concat());
        let both = BASE64_STANDARD.encode(both.as_ref());
        let text = format!("untrusted comment: signature\n{signature}\ntrusted comment: {comment}\n{both}\n");
        fs::write(signature_of(guest), text).unwrap();
    }
}

/// Returns the path of a guest's signature.
pub fn signature_of(guest: &Path) -> PathBuf {
    format!("{}.minisig", guest.display()).into()
}

/// Returns the second line of a key's file.
fn line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.lines().nth(1).unwrap().to_owned()
}

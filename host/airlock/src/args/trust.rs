//! Defines the flags that say which guests may run.

use std::path::Path;

use airlock_trust::{BadKey, PublicKey, Trust};
use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;

use crate::file;

/// Most bytes of a public key's file.
const LONGEST_KEY: usize = 1024;

/// The arguments that vouch for a guest.
#[derive(Debug, Clone, Args)]
#[group(id = "vouchers", required = true, multiple = true)]
pub struct TrustArgs {
    /// The SHA-256 of a guest that may run; repeat it for every build that may (a new one before it is rolled out, the
    /// old one until it is gone)
    #[arg(long, value_name = "HEX", group = "vouchers")]
    pub guest_sha256: Vec<String>,

    #[command(flatten)]
    pub keys: KeyArgs,
}

/// The signers that are trusted.
#[derive(Debug, Clone, Args)]
pub struct KeyArgs {
    /// A minisign public key whose signed guests may run, as `airlock keygen` makes it: the line of base64 in its .pub
    /// file, or the file's path; repeat it for every signer, and for the old and the new key while one is replaced. The
    /// signature of FILE is FILE.minisig; a guest must have the name and version that were signed. Prefer the line, since
    /// Vault's catalog pins it: a path pins no key, and whoever can write the file decides which guests run
    #[arg(long, value_name = "KEY", group = "vouchers")]
    pub trust: Vec<String>,
}

impl TrustArgs {
    /// Returns what these arguments trust. Reads the keys that they name by a path.
    pub fn trust(&self) -> Result<Trust> {
        let pins: Result<Vec<_>> = self
            .guest_sha256
            .iter()
            .map(|pin| pin.parse().with_context(|| format!("--guest-sha256={pin}")))
            .collect();
        Ok(Trust::new(pins?, self.keys.read()?))
    }
}

impl KeyArgs {
    /// Returns the trusted keys.
    pub fn read(&self) -> Result<Vec<PublicKey>> {
        self.trust.iter().map(|key| read(key)).collect()
    }

    /// Returns the arguments that name a key by the path of its file.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let paths = self.trust.iter().filter(|key| key.parse::<PublicKey>().is_err());
        paths.map(Path::new)
    }
}

/// Reads a public key from its line, or from the file that has it.
fn read(given: &str) -> Result<PublicKey> {
    match given.parse() {
        Ok(key) => return Ok(key),
        // Without the text: what is printed here ends in a log.
        Err(BadKey::Secret) => return Err(BadKey::Secret).context("--trust"),
        Err(BadKey::Malformed) => {}
    }
    let shown = shown(given);
    let bytes = match file::read("public key", Path::new(given), LONGEST_KEY) {
        Ok(bytes) => bytes,
        Err(error) if error.is_missing() => bail!(
            "--trust={shown}: it is neither a public key nor a file that exists: give the line of base64 in a .pub file, \
             or the path of such a file"
        ),
        Err(_) if shown != given => return Err(anyhow!(BadKey::Malformed)).context("--trust"),
        Err(error) => return Err(error).context("--trust"),
    };
    let text = String::from_utf8(bytes).map_err(|_| BadKey::Malformed);
    text.and_then(|text| text.parse())
        .with_context(|| format!("--trust={shown}"))
}

/// Returns an argument in the form in which it may be printed: without what could be a damaged secret key.
fn shown(given: &str) -> &str {
    let in_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let looks_like_a_key = given
        .lines()
        .any(|line| line.len() > 60 && line.trim().chars().all(in_base64));
    if looks_like_a_key { "…" } else { given }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = include_str!("../../../trust/tests/vectors/plain.pub");
    const SECRET: &str = include_str!("../../../trust/tests/vectors/plain.key");

    fn line(file: &str) -> &str {
        file.lines().nth(1).unwrap()
    }

    fn error(given: &str) -> String {
        format!("{:#}", read(given).unwrap_err())
    }

    #[test]
    fn a_key_is_its_line_or_the_path_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signer.pub");
        std::fs::write(&path, PUBLIC).unwrap();
        let path = path.to_str().unwrap();
        let key = read(line(PUBLIC)).unwrap();
        assert_eq!(read(path).unwrap(), key);
        let args = KeyArgs {
            trust: vec![line(PUBLIC).to_owned(), path.to_owned()],
        };
        assert_eq!(args.read().unwrap(), [key.clone(), key]);
        assert!(args.paths().eq([Path::new(path)]));
    }

    #[test]
    fn a_missing_or_damaged_key_is_named_with_its_flag() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signer.pub");
        let text = path.to_str().unwrap();
        let missing = error(text);
        assert!(
            missing.contains(&format!("--trust={text}: it is neither")),
            "{missing}"
        );
        for content in ["", "garbage", &line(PUBLIC)[..40], &"x".repeat(LONGEST_KEY + 1)] {
            std::fs::write(&path, content).unwrap();
            let damaged = error(text);
            assert!(
                damaged.starts_with("--trust") && damaged.contains(text),
                "{damaged}"
            );
        }
    }

    #[test]
    fn a_secret_key_is_refused_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signer.key");
        std::fs::write(&path, SECRET).unwrap();
        let secret = line(SECRET);
        for given in [SECRET, secret, path.to_str().unwrap(), &secret[..200]] {
            let error = error(given);
            assert!(error.starts_with("--trust"), "{error}");
            assert!(!error.contains(&secret[100..120]), "{error}");
        }
    }
}

//! Where the things under test lie. `make build` and `make vault` put them there.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The host: `target/release/airlock`.
pub fn airlock() -> PathBuf {
    built(root().join("target/release/airlock"), "make build")
}

/// A guest: `target/guests/<name>.wasm`.
pub fn guest(name: &str) -> PathBuf {
    built(root().join(format!("target/guests/{name}.wasm")), "make build")
}

/// Writes a guest to another file, with each of these texts replaced by one of the same length. So it stays a component.
///
/// The names of interfaces, whose version follows an `@`, are left as they are.
pub fn alter_guest(name: &str, file: &Path, texts: &[(&str, &str)]) {
    let mut bytes = fs::read(guest(name)).unwrap();
    for (old, new) in texts {
        assert_eq!(old.len(), new.len(), "{new:?} is not as long as {old:?}");
        let places: Vec<usize> = (1..=bytes.len() - old.len())
            .filter(|at| bytes[*at..].starts_with(old.as_bytes()) && bytes[at - 1] != b'@')
            .collect();
        assert!(!places.is_empty(), "{name} has no {old:?}");
        for at in places {
            bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
        }
    }
    fs::write(file, bytes).unwrap();
}

/// Where compiled guests may be kept: `target/guest-cache`, which only this user can enter.
pub fn guest_cache() -> PathBuf {
    let cache = root().join("target/guest-cache");
    fs::create_dir_all(&cache).unwrap();
    fs::set_permissions(&cache, Permissions::from_mode(0o700)).unwrap();
    cache
}

/// The server: what `AIRLOCK_VAULT` names, or the one that `make vault` built.
pub fn vault() -> PathBuf {
    match std::env::var_os("AIRLOCK_VAULT") {
        Some(path) => built(
            path.into(),
            "AIRLOCK_VAULT with the path of a vault or bao binary",
        ),
        None => built(root().join("target/vault/vault"), "make vault"),
    }
}

/// HashiCorp's own KV engine as a plugin, if `make vault` built it: it does not for another server.
pub fn go_kv() -> Option<PathBuf> {
    let path = root().join("target/vault/kv-plugin");
    path.exists().then_some(path)
}

/// Python with `hvac` installed: `target/venv/bin/python`.
pub fn python() -> PathBuf {
    built(root().join("target/venv/bin/python"), "make venv")
}

/// A file's SHA-256 in hexadecimal, as Vault's catalog and `--guest-sha256` want it.
pub fn sha256(file: &Path) -> String {
    let bytes = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    hex::encode(Sha256::digest(bytes))
}

fn built(path: PathBuf, remedy: &str) -> PathBuf {
    assert!(
        path.exists(),
        "{} is missing; first run: {remedy}",
        path.display()
    );
    path
}

//! The paths of the files under test. `make build` and `make vault` create the files.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

/// Returns the repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Returns the host: the program that `AIRLOCK_PROGRAM` names, such as that of `make dist`, or else `target/release/airlock`.
pub fn airlock() -> PathBuf {
    match std::env::var_os("AIRLOCK_PROGRAM") {
        Some(program) => root().join(program),
        None => built(root().join("target/release/airlock"), "make build"),
    }
}

/// Copies a program. A child process does it: a file that this process has open for writing is open, for a moment, in the
/// children that other tests start meanwhile too, and cannot be run then.
pub fn copy_program(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg(from).arg(to).status();
    assert!(copied.unwrap().success(), "{} was not copied", from.display());
}

/// Writes a script that can be run. A child process does it, for the same reason.
pub fn write_program(file: &Path, text: &str) {
    let written = Command::new("sh")
        .args(["-ec", r#"printf %s "$2" >"$1"; chmod 755 "$1""#, "write"])
        .arg(file)
        .arg(text)
        .status();
    assert!(written.unwrap().success(), "{} was not written", file.display());
}

/// Writes another build of the host to a file: `airlock` with the file's name behind its last byte.
pub fn another_host(file: &Path) {
    copy_program(&airlock(), file);
    // A child process writes it too, for the same reason.
    let appended = Command::new("sh")
        .args(["-ec", r#"printf %s "$1" >>"$1""#, "append"])
        .arg(file)
        .status();
    assert!(appended.unwrap().success(), "{} was not written", file.display());
}

/// Returns a guest: `target/guests/<name>.wasm`.
pub fn guest(name: &str) -> PathBuf {
    built(root().join(format!("target/guests/{name}.wasm")), "make build")
}

/// Writes a copy of a guest to another file. Each of these texts is replaced by one of the same length, so the copy is
/// still a valid component.
///
/// The names of interfaces, which have a version after an `@`, are not changed.
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

/// Returns the directory for compiled guests: `target/guest-cache`, which only this user can enter.
pub fn guest_cache() -> PathBuf {
    let cache = root().join("target/guest-cache");
    fs::create_dir_all(&cache).unwrap();
    fs::set_permissions(&cache, Permissions::from_mode(0o700)).unwrap();
    cache
}

/// Returns the server: `AIRLOCK_VAULT` if that is set, otherwise the server that `make vault` built.
pub fn vault() -> PathBuf {
    match std::env::var_os("AIRLOCK_VAULT") {
        Some(path) => built(
            path.into(),
            "AIRLOCK_VAULT with the path of a vault or bao binary",
        ),
        None => built(root().join("target/vault/vault"), "make vault"),
    }
}

/// Returns the plugin of HashiCorp's own KV engine, if `make vault` built it. It does not build it for another server.
pub fn go_kv() -> Option<PathBuf> {
    let path = root().join("target/vault/kv-plugin");
    path.exists().then_some(path)
}

/// Returns Python with `hvac` installed: `target/venv/bin/python`.
pub fn python() -> PathBuf {
    built(root().join("target/venv/bin/python"), "make venv")
}

/// Returns a file's SHA-256 in hexadecimal, in the form that Vault's catalog and `--guest-sha256` take.
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

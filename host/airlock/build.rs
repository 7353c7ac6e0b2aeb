//! Puts the SDK and the templates into the binary, so that a project of `airlock new` builds wherever it stands.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The parts of this repository that a project gets.
const VENDORED: [&str; 12] = [
    "guest/sdk/Cargo.toml",
    "guest/sdk/src",
    "guest/testkit/Cargo.toml",
    "guest/testkit/src",
    "guest/compiler.sh",
    "guest/users/build.rs",
    "host/vault-core/Cargo.toml",
    "host/vault-core/src",
    "wit",
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE",
];

fn main() -> io::Result<()> {
    // Read as it runs: a target directory may serve several checkouts, and cargo then runs what it compiled in another one.
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).canonicalize()?;
    list("vendored.rs", &here.join("../..").canonicalize()?, &VENDORED)?;
    list("templates.rs", &here.join("templates"), &["."])
}

/// Writes a Rust file with a slice of all files in these parts of a folder: their paths in it, and their texts.
fn list(to: &str, folder: &Path, parts: &[&str]) -> io::Result<()> {
    let mut files = Vec::new();
    for part in parts {
        let part = folder.join(part).canonicalize()?;
        println!("cargo::rerun-if-changed={}", part.display());
        collect(&part, &mut files)?;
    }
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        let name = file.strip_prefix(folder).map_err(io::Error::other)?;
        list.push_str(&format!("    ({name:?}, include_str!({file:?})),\n"));
    }
    list.push_str("]\n");
    fs::write(Path::new(&variable("OUT_DIR")?).join(to), list)
}

/// Returns what cargo has set for build scripts.
fn variable(name: &str) -> io::Result<OsString> {
    env::var_os(name).ok_or_else(|| io::Error::other(format!("cargo does not set {name}")))
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else {
        files.push(path.to_owned());
    }
    Ok(())
}

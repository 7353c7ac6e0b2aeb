//! Puts the SDK and the templates into the binary, so that a project of `airlock new` builds wherever it stands.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What a project gets of this repository.
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
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize()?;
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
    let out = std::env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets no OUT_DIR"))?;
    fs::write(Path::new(&out).join(to), list)
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

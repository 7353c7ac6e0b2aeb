//! Puts the SDK into the binary, so that a project of `airlock new` builds wherever it stands.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()?;
    let mut files = Vec::new();
    for part in [
        "guest/sdk/Cargo.toml",
        "guest/sdk/src",
        "guest/compiler.sh",
        "guest/users/build.rs",
        "host/vault-core/Cargo.toml",
        "host/vault-core/src",
        "wit",
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(part).display());
        collect(&root.join(part), &mut files)?;
    }
    files.sort();
    let mut list = String::from("&[\n");
    for file in &files {
        // The path in the repository, and the text.
        let name = file.strip_prefix(&root).map_err(io::Error::other)?;
        list.push_str(&format!("    ({name:?}, include_str!({file:?})),\n"));
    }
    list.push_str("]\n");
    let out = std::env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets no OUT_DIR"))?;
    fs::write(Path::new(&out).join("vendored.rs"), list)
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

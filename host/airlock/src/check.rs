//! `airlock check`: whether `serve` with these arguments would work, told before Vault has to.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::cli::ServeArgs;
use crate::engine::Engine;

/// What to print: the guest, and the commands that register it with the arguments that `check` was given.
pub async fn run(args: &ServeArgs, given: &[String]) -> Result<String> {
    if args.guest.is_relative() {
        bail!(
            "--guest={}: give an absolute path, since Vault starts plugins in a directory of its own",
            args.guest.display()
        );
    }
    let engine = Engine::load(args).await?;
    let description = engine.guest.description();
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut out = format!(
        "ok: {} {} would be served{}\n\nTo register it, with this program in Vault's plugin directory:\n\n",
        description.name,
        description.version,
        if engine.pinned {
            ""
        } else {
            ", UNPINNED: whatever its file holds will run"
        },
    );
    let command = program.file_name().unwrap_or_default().to_string_lossy();
    let _ = write!(
        out,
        "  vault plugin register -sha256={} -command={command} \\\n      -args=serve",
        sha256(&program)?
    );
    for arg in given {
        let _ = write!(out, " \\\n      -args={}", quoted(arg));
    }
    let name = format!("airlock-{}", description.name);
    let _ = write!(
        out,
        " \\\n      secret {name}\n  vault secrets enable -path={} {name}\n",
        description.name
    );
    Ok(out)
}

fn sha256(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let read = File::open(path).and_then(|mut file| io::copy(&mut file, &mut hasher));
    read.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(hex::encode(hasher.finalize()))
}

/// An argument as a shell takes it.
fn quoted(arg: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:@,+".contains(c);
    if arg.chars().all(is_plain) {
        arg.to_owned()
    } else {
        format!("'{}'", arg.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_survive_a_shell() {
        assert_eq!(quoted("--guest=/a/b-1.wasm"), "--guest=/a/b-1.wasm");
        assert_eq!(quoted("--guest=/a b/it's"), r"'--guest=/a b/it'\''s'");
    }
}

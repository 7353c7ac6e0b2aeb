//! `airlock check`: whether `serve` with these arguments would work, told before Vault has to.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::cli::CheckArgs;
use crate::engine::Engine;
use crate::inspect::{escaped, list};
use crate::special_paths;

/// What to print: the guest, and the commands that register it with the arguments that `check` was given.
pub async fn run(args: &CheckArgs, given: &[String]) -> Result<String> {
    let CheckArgs { serve: args, options } = args;
    if args.guest.is_relative() {
        bail!(
            "--guest={}: give an absolute path, since Vault starts plugins in a directory of its own",
            args.guest.display()
        );
    }
    let engine = Engine::load(args).await?;
    let description = engine.guest.description();
    let paths = engine.guest.special_paths(&options.options).await?;
    let told = special_paths::check(paths, &engine.unauthenticated)
        .with_context(|| format!("guest {}", args.guest.display()))?;
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut out = format!(
        "ok: {} {} would be served{}\nwithout token: {}\nneeds sudo: {}\n\nTo register it, with this program in Vault's plugin directory:\n\n",
        description.name,
        description.version,
        if engine.pinned {
            ""
        } else {
            ", UNPINNED: whatever its file holds will run"
        },
        list(&escaped(&told.unauthenticated), "nothing"),
        list(&escaped(&told.root), "nothing"),
    );
    let command = program.file_name().unwrap_or_default().to_string_lossy();
    let _ = write!(
        out,
        "  vault plugin register -sha256={} -command={command} \\\n      -args=serve",
        sha256(&program)?
    );
    for arg in without_options(given) {
        let _ = write!(out, " \\\n      -args={}", quoted(arg));
    }
    let name = format!("airlock-{}", description.name);
    let _ = write!(
        out,
        " \\\n      secret {name}\n  vault secrets enable -path={}",
        description.name
    );
    for (key, value) in &options.options {
        let _ = write!(out, " -options={}", quoted(&format!("{key}={value}")));
    }
    let _ = writeln!(out, " {name}");
    Ok(out)
}

/// The arguments that `serve` takes: `--option` is for the mount.
fn without_options(given: &[String]) -> impl Iterator<Item = &String> {
    let mut is_value = false;
    given.iter().filter(move |arg| {
        let is_option = is_value || *arg == "--option" || arg.starts_with("--option=");
        is_value = !is_value && *arg == "--option";
        !is_option
    })
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
    fn options_of_the_mount_are_not_arguments_of_serve() {
        let given = ["--guest=/g", "--option", "a=1", "--option=b=2", "--unpinned"].map(str::to_owned);
        let left: Vec<_> = without_options(&given).collect();
        assert_eq!(left, ["--guest=/g", "--unpinned"]);
    }

    #[test]
    fn arguments_survive_a_shell() {
        assert_eq!(quoted("--guest=/a/b-1.wasm"), "--guest=/a/b-1.wasm");
        assert_eq!(quoted("--guest=/a b/it's"), r"'--guest=/a b/it'\''s'");
    }
}

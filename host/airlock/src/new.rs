//! `airlock new`: writes a project for an engine, ready to build and to test.
//!
//! The project needs the SDK and the contract of Airlock. They are in this binary (see `build.rs`) and are written into
//! the project's `vendor/airlock`, because they are not available anywhere else. So a project builds wherever it
//! stands. `project.rs` has the files of a project, `templates/` the engines that it can begin with.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};

mod project;

/// The arguments of `new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The engine's name, and its crate's: lower-case letters, digits and `-`
    #[arg(value_name = "NAME")]
    pub name: String,

    /// The engine that the project begins with
    #[arg(long, value_enum, default_value_t = Template::Kv)]
    pub template: Template,

    /// The folder to make [default: the name, below the current one]
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,
}

/// The engines that a project can begin with. Each is a folder in `templates/`, of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Template {
    /// Keeps a text under each name: storage, routes and fields
    Kv,
    /// Issues credentials that Vault renews and revokes: secrets and their leases
    Leases,
    /// Keeps passwords and changes them after their period: the tick, the clock and an index
    Rotation,
}

/// Writes the project, and returns what to do with it. Leaves a folder that exists alone, and removes one that it
/// cannot finish.
pub fn run(args: &NewArgs) -> Result<String> {
    check(&args.name)?;
    let folder = args.path.clone().unwrap_or_else(|| args.name.clone().into());
    let shown = folder.display();
    if fs::symlink_metadata(&folder).is_ok() {
        bail!("{shown} is there already; name another folder with --path, or remove it");
    }
    let parent = match folder.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if !parent.is_dir() {
        bail!("{shown} cannot be made: {} is not a directory", parent.display());
    }
    let unfinished = tempfile::Builder::new()
        .prefix(".airlock-new-")
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir_in(parent)
        .with_context(|| format!("{shown} cannot be made: in {}", parent.display()))?;
    for (file, text) in project::files(&args.name, args.template)? {
        write(&unfinished.path().join(&file), &text)
            .with_context(|| format!("{shown} cannot be made: {file}"))?;
    }
    fs::rename(unfinished.path(), &folder).with_context(|| format!("{shown} cannot be made"))?;
    Ok(format!(
        "{shown} is ready: src/lib.rs is the engine\n\n  cd {shown}\n  cargo test    # tests it natively\n  make test     # \
         also builds the guest, and tests it in the sandbox\n"
    ))
}

fn check(name: &str) -> Result<()> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let well_formed = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 64
        && name.chars().all(is_plain)
        && !name.ends_with('-')
        && !name.contains("--");
    if !well_formed {
        bail!(
            "{name:?} is not a valid name for an engine; begin with a lower-case letter and go on with letters, digits and single `-`, to 64 at most"
        );
    }
    if RESERVED.contains(&name) {
        bail!("{name:?} means something else to Rust; take another name, such as {name}-engine");
    }
    Ok(())
}

/// Words that mean something to Rust, and the crates that an engine has anyway.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "abstract", "airlock-sdk", "airlock-testkit", "airlock-testkit-client", "airlock-vault-core", "alloc", "as",
    "async", "await", "become", "box", "break", "const", "continue", "core", "crate", "do", "dyn", "else", "enum",
    "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "proc-macro", "pub", "ref", "return", "self", "serde", "serde-json",
    "static", "std", "struct", "super", "test", "trait", "true", "try", "type", "typeof", "unsafe", "unsized",
    "use", "virtual", "where", "while", "wit-bindgen", "yield",
];

fn write(file: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut made = fs::File::create_new(file)?;
    made.write_all(text.as_bytes())?;
    if text.starts_with("#!") {
        made.set_permissions(fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_make_no_crate_are_refused_in_one_line() {
        for good in ["a", "my-engine", "kv2"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "My",
            "1a",
            "-a",
            "a-",
            "a--b",
            "a_b",
            "a/b",
            "..",
            "ä",
            "std",
            "type",
            &"a".repeat(65),
        ] {
            assert!(!check(bad).unwrap_err().to_string().contains('\n'), "{bad}");
        }
    }

    #[test]
    fn a_folder_below_nothing_is_refused_and_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let args = NewArgs {
            name: "a".into(),
            template: Template::Kv,
            path: Some(folder.path().join("b/a")),
        };
        assert!(
            run(&args)
                .unwrap_err()
                .to_string()
                .ends_with("b is not a directory")
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_that_is_there_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let args = NewArgs {
            name: "a".into(),
            template: Template::Kv,
            path: Some(folder.path().into()),
        };
        assert!(run(&args).unwrap_err().to_string().contains("is there already"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

//! `airlock new`: writes a project for an engine, ready to build and to test.
//!
//! The project needs the SDK and the contract of Airlock. They are in this binary (see `build.rs`) and are written into
//! the project's `vendor/airlock`, because they are not available anywhere else. So a project builds wherever it
//! stands.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

/// The arguments of `new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The engine's name, and its crate's: lower-case letters, digits and `-`
    #[arg(value_name = "NAME")]
    pub name: String,

    /// The folder to make [default: the name, below the current one]
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,
}

/// Files of this repository: their paths in it, and their texts.
const VENDORED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/vendored.rs"));

/// The crates of this repository that a project gets: the SDK, and what its native tests need.
const MEMBERS: [&str; 2] = ["guest/sdk", "host/vault-core"];

/// The files of a project: their paths, and their templates.
const TEMPLATES: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("../templates/new/Cargo.toml.in")),
    ("src/lib.rs", include_str!("../templates/new/lib.rs.in")),
    (
        "scenarios/notes.toml",
        include_str!("../templates/new/notes.toml.in"),
    ),
    ("build.sh", include_str!("../templates/new/build.sh.in")),
    ("Makefile", include_str!("../templates/new/Makefile.in")),
    ("README.md", include_str!("../templates/new/README.md.in")),
    (".gitignore", include_str!("../templates/new/gitignore.in")),
];

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
    for (file, text) in files(&args.name)? {
        write(&unfinished.path().join(&file), &text)
            .with_context(|| format!("{shown} cannot be made: {file}"))?;
    }
    fs::rename(unfinished.path(), &folder).with_context(|| format!("{shown} cannot be made"))?;
    Ok(format!(
        "{shown} is ready: src/lib.rs is the engine\n\n  cd {shown}\n  cargo test    # in a minute\n  make test     # \
         builds the guest, too\n"
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
    "abstract", "airlock-sdk", "airlock-vault-core", "alloc", "as", "async", "await", "become", "box", "break",
    "const", "continue", "core", "crate", "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen",
    "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "proc-macro",
    "pub", "ref", "return", "self", "serde", "serde-json", "static", "std", "struct", "super", "test", "trait",
    "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "wit-bindgen", "yield",
];

/// Returns all files of the project, with paths relative to it.
fn files(name: &str) -> Result<Vec<(String, String)>> {
    let root = vendored("Cargo.toml")?;
    let profile = section(root, "[profile.guest]");
    let fill = |template: &str| {
        template
            .replace("{{name}}", name)
            .replace("{{crate}}", &name.replace('-', "_"))
            .replace("{{type}}", &camel_case(name))
            .replace("{{profile}}", &profile)
    };
    let mut files: Vec<_> = TEMPLATES
        .iter()
        .map(|(file, text)| ((*file).to_owned(), fill(text)))
        .collect();
    files.push(("build.rs".into(), vendored("guest/users/build.rs")?.into()));
    // The versions with which the SDK was tested. cargo removes those that are not used.
    files.push(("Cargo.lock".into(), vendored("Cargo.lock")?.into()));
    files.push(("vendor/airlock/Cargo.toml".into(), workspace_of(root, &MEMBERS)?));
    let apart = ["Cargo.toml", "Cargo.lock", "guest/users/build.rs"];
    let copied = VENDORED.iter().filter(|(file, _)| !apart.contains(file));
    files.extend(copied.map(|(file, text)| (format!("vendor/airlock/{file}"), (*text).to_owned())));
    Ok(files)
}

fn vendored(file: &str) -> Result<&'static str> {
    let found = VENDORED.iter().find(|(name, _)| *name == file);
    found
        .map(|(_, text)| *text)
        .with_context(|| format!("this binary was built without {file}"))
}

/// Returns a workspace with what its members take from it, and nothing else.
fn workspace_of(root: &str, members: &[&str]) -> Result<String> {
    let manifests: String = members
        .iter()
        .map(|member| vendored(&format!("{member}/Cargo.toml")))
        .collect::<Result<_>>()?;
    let inherits = |line: &&str| {
        let name = line.split([' ', '=']).next().unwrap_or_default();
        !name.is_empty() && manifests.contains(&format!("\n{name}.workspace = true"))
    };
    let dependencies: Vec<_> = section(root, "[workspace.dependencies]")
        .lines()
        .filter(inherits)
        .map(str::to_owned)
        .collect();
    Ok(format!(
        "# The workspace of the SDK, as it was where this copy was made.\n[workspace]\nresolver = \"3\"\nmembers = \
         {members:?}\n\n{}\n[workspace.dependencies]\n{}\n\n{}\n{}",
        section(root, "[workspace.package]"),
        dependencies.join("\n"),
        section(root, "[workspace.lints.rust]"),
        section(root, "[workspace.lints.clippy]"),
    ))
}

/// Returns a section of a manifest, without its empty lines and comments.
fn section(manifest: &str, header: &str) -> String {
    let lines = manifest.lines().skip_while(|line| *line != header);
    let inside = lines
        .enumerate()
        .take_while(|(at, line)| *at == 0 || !line.starts_with('['));
    let text: Vec<_> = inside
        .map(|(_, line)| line)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    text.join("\n") + "\n"
}

fn camel_case(name: &str) -> String {
    let word = |word: &str| word[..1].to_ascii_uppercase() + &word[1..];
    name.split('-').map(word).collect()
}

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
    fn every_placeholder_is_filled() {
        let project = files("my-engine").unwrap();
        for (file, text) in project.iter().filter(|(file, _)| !file.starts_with("vendor/")) {
            let left = ["{{name}}", "{{crate}}", "{{type}}", "{{profile}}"]
                .into_iter()
                .find(|word| text.contains(word));
            assert_eq!(left, None, "{file}");
        }
        assert_eq!(camel_case("my-engine2"), "MyEngine2");
    }

    #[test]
    fn what_the_sdk_inherits_is_vendored() {
        let manifest = workspace_of(vendored("Cargo.toml").unwrap(), &MEMBERS).unwrap();
        for name in [
            "serde",
            "serde_json",
            "thiserror",
            "base64",
            "wit-bindgen",
            "vault-core",
        ] {
            assert!(manifest.contains(&format!("\n{name} = ")), "{name}");
        }
        assert!(manifest.contains("\nmembers = [\"guest/sdk\", \"host/vault-core\"]\n"));
        assert!(vendored("host/vault-core/src/lib.rs").is_ok());
        assert!(!manifest.contains("tonic") && manifest.contains("unsafe_code"));
    }

    #[test]
    fn a_folder_below_nothing_is_refused_and_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let args = NewArgs {
            name: "a".into(),
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
            path: Some(folder.path().into()),
        };
        assert!(run(&args).unwrap_err().to_string().contains("is there already"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

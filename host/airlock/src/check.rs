//! `airlock check`: says whether `serve` would work with these arguments, before Vault has to. [`upgrade`] says whether mounts
//! can move to it from what they run now, and [`against`] runs it on a copy of what one stores.

mod against;
mod upgrade;

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use airlock_mount::{MountOptions, special_paths};
use airlock_sandbox::{CodeOrigin, Sandbox};
use airlock_storage::Prefixes;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use printable::Printable;
use sha2::{Digest as _, Sha256};

use self::against::AgainstArgs;
use self::upgrade::{Facts, Old};
use crate::args::{OptionArgs, ServeArgs};
use crate::file::signature_of;
use crate::inspect::{bundled, list};
use crate::loader::Loader;
use crate::origin::Origin;

/// The arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub serve: ServeArgs,

    #[command(flatten)]
    pub options: OptionArgs,

    /// A program or a guest that is registered now; repeatable. Refuses an upgrade from it that would break mounts: this
    /// program or --guest has the file name of the old one, or the guest cannot take over what the old guest stored. Says
    /// whether there is a way back
    #[arg(long, value_name = "FILE")]
    pub upgrade_from: Vec<PathBuf>,

    #[command(flatten)]
    pub against: AgainstArgs,
}

/// Returns the text to print: the guest, and the commands that register it with the arguments that `check` was given,
/// mount it, and upgrade a mount to it.
pub async fn run(args: &CheckArgs, given: &[String]) -> Result<String> {
    let CheckArgs {
        serve: args,
        options,
        upgrade_from,
        against,
    } = args;
    if let Some(file) = &args.config {
        check_is_absolute("--config", file)?;
    }
    if let Some(guest) = &args.guest {
        check_is_absolute("--guest", guest)?;
    }
    if let Some(directory) = &args.cache_dir {
        check_is_absolute("--cache-dir", directory)?;
        // This comes before the guest is loaded, because loading would create the directory.
        check_is_not_made_by_root(directory)?;
    }
    for path in args.trusted.keys.paths() {
        check_is_absolute("--trust", path)?;
    }
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let old: Result<Vec<_>> = upgrade_from
        .iter()
        .map(|path| Old::read(path, &program, args.guest.as_deref()))
        .collect();
    let old = old?;
    let of_mount = MountOptions::read(&options.options)?;
    let loader = Loader::new(args.clone())?;
    let upgrades = async |new: Option<&Facts>| {
        let mut out = String::new();
        for old in &old {
            out += &old.compare(new, &of_mount.for_guest, loader.trust()).await?;
        }
        anyhow::Ok(out)
    };
    let origin = loader.origin();
    if let Origin::Pushed = origin {
        return for_pushed(args, given, &program, &upgrades(None).await?);
    }
    let granted = loader.load_own().await?;
    let voucher = granted.voucher.as_ref();
    let description = granted.guest.description();
    of_mount.check(granted.guest.limits())?;
    let granted = of_mount.grant(&granted)?;
    let paths = granted.guest.special_paths(&of_mount.for_guest).await?;
    let told = special_paths::check(paths, &granted.unauthenticated).with_context(|| origin.to_string())?;
    check_cache(args.cache_prefixes().unwrap_or_default(), &description.storage)?;
    if let Some(directory) = &args.cache_dir {
        // `serve` does without a directory that it cannot use, and compiles the guest at every start.
        Sandbox::check_cache(directory, &granted.guest).context("--cache-dir")?;
    }
    let upgrades = upgrades(Some(&Facts::of(&granted, &told))).await?
        + &against::run(against, &granted, &options.options).await?;
    let command = program.file_name().unwrap_or_default().to_string_lossy();
    let (name, version) = (&description.name, &description.version);
    let mut out = format!(
        "ok: {name} {version} would be served, {}\nwithout token: {}\nneeds sudo: {}\n",
        voucher
            .map(|voucher| voucher.by().to_string())
            .unwrap_or_default(),
        Printable(list(&told.unauthenticated, "nothing")),
        Printable(list(&told.root, "nothing")),
    ) + &upgrades;
    if let Origin::ThisProgram(contained) = origin {
        let _ = writeln!(
            out,
            "this program contains it: SHA-256 {}, {}\n{}",
            granted.guest.digest(),
            bundled(contained.trailer()),
            match granted.guest.code_origin() {
                CodeOrigin::Contained => "this machine runs that code: a start compiles nothing",
                CodeOrigin::Cached | CodeOrigin::Compiled =>
                    "this machine cannot run that code and compiles the guest instead, at each start without --cache-dir",
            }
        );
    }
    let file = origin.file().unwrap_or(&program);
    if let Some(versioned) = with_version(file, version) {
        let copy = |from: &Path, to: &Path| {
            let [from, to] = [from, to].map(|path| quoted(&path.display().to_string()));
            format!("  cp {from} {to}\n")
        };
        let mut copies = copy(file, &versioned);
        if origin.file().is_some() && voucher.is_some_and(|voucher| voucher.signed().is_some()) {
            copies += &copy(&signature_of(file), &signature_of(&versioned));
        }
        let _ = write!(
            out,
            "\nAn upgrade and the way back need each build in a file of its own. Before you register this one, consider\n\n{copies}\n\
             and check that file.\n",
        );
    }
    out += &unpinned_keys(args);
    let _ = write!(
        out,
        "\nTo register it, with this program in Vault's plugin directory:\n\n  \
         vault plugin register -sha256={} -command={} -version=v{version}",
        sha256(&program)?,
        quoted(&command)
    );
    let arguments: Vec<_> = for_serve(given).map(|arg| quoted(arg)).collect();
    // A program that contains its guest serves without being told.
    if origin.file().is_some() || !arguments.is_empty() {
        let _ = write!(out, " \\\n      -args=serve");
    }
    for argument in arguments {
        let _ = write!(out, " \\\n      -args={argument}");
    }
    let _ = write!(
        out,
        " \\\n      secret airlock-{name}\n\nTo mount it at a new path:\n\n  \
         vault secrets enable -path={name} -plugin-version=v{version}"
    );
    for (key, value) in &options.options {
        let _ = write!(out, " -options={}", quoted(&format!("{key}={value}")));
    }
    let _ = write!(
        out,
        " airlock-{name}\n\n\
         To upgrade a mount, here {name}/, from another version; with that version's number, this is the way back too:\n\n  \
         vault secrets tune -plugin-version=v{version} {name}/\n  \
         vault write sys/plugins/reload/backend mounts={name}/\n"
    );
    Ok(out)
}

/// Returns the text to print for a process that runs pushed guests only.
fn for_pushed(args: &ServeArgs, given: &[String], program: &Path, upgrades: &str) -> Result<String> {
    let command = program.file_name().unwrap_or_default().to_string_lossy();
    let mut out =
        "ok: guests would be served that are pushed, if a trusted key signed them\n".to_owned() + upgrades;
    out += &unpinned_keys(args);
    let _ = write!(
        out,
        "\nTo register it, with this program in Vault's plugin directory:\n\n  \
         vault plugin register -sha256={} -command={} -args=serve",
        sha256(program)?,
        quoted(&command)
    );
    for argument in for_serve(given) {
        let _ = write!(out, " \\\n      -args={}", quoted(argument));
    }
    out += " \\\n      secret airlock\n\nTo mount it, here at kv/, and to push a guest into the mount:\n\n  \
            vault secrets enable -path=kv airlock\n  airlock push kv.wasm --mount kv\n";
    Ok(out)
}

/// Returns advice for the keys that the arguments name by a path.
fn unpinned_keys(args: &ServeArgs) -> String {
    let mut out = String::new();
    for path in args.trusted.keys.paths() {
        let path = quoted(&path.display().to_string());
        let _ = write!(
            out,
            "\nVault's catalog will pin the path {path} and not the key in it. To pin the key, give\n\n  \
             --trust=$(tail -1 {path})\n",
        );
    }
    out
}

/// The flags of `check` that `serve` does not have.
const OWN_FLAGS: [&str; 6] = [
    "--option",
    "--upgrade-from",
    "--against",
    "--read",
    "--list",
    "--requests",
];

/// Returns the arguments that `serve` takes.
fn for_serve(given: &[String]) -> impl Iterator<Item = &String> {
    let mut is_value = false;
    given.iter().filter(move |arg| {
        let flag = arg.split_once('=').map_or(arg.as_str(), |(flag, _)| flag);
        let is_own = is_value || OWN_FLAGS.contains(&flag);
        is_value = !is_value && OWN_FLAGS.contains(&arg.as_str());
        !is_own
    })
}

fn check_is_absolute(flag: &str, path: &Path) -> Result<()> {
    if path.is_relative() {
        bail!(
            "{flag}={}: give an absolute path, since Vault starts plugins in a directory of its own",
            path.display()
        );
    }
    Ok(())
}

fn check_is_not_made_by_root(directory: &Path) -> Result<()> {
    if rustix::process::geteuid().is_root() && !directory.exists() {
        bail!(
            "--cache-dir={}: it does not exist, and made by root it would be of no use to Vault's user: \
             make it as that user, with mode 700, or run this check as that user",
            directory.display()
        );
    }
    Ok(())
}

/// Checks that the guest may store something below each prefix that the operator lets the host keep in memory.
fn check_cache(granted: &[String], storage: &[String]) -> Result<()> {
    let all = Prefixes::from_iter(storage);
    for prefix in granted {
        if Prefixes::from_iter([prefix]).and(&all) == Prefixes::none() {
            let storage: Vec<_> = storage.iter().map(|prefix| format!("{prefix:?}")).collect();
            bail!(
                "--cache={prefix}: the guest stores nothing below this prefix, only below {}; correct or remove the flag",
                storage.join(", ")
            );
        }
    }
    Ok(())
}

/// Returns the path of a file beside this one with the version in its name, or `None` if its name has it already.
fn with_version(file: &Path, version: &str) -> Option<PathBuf> {
    let name = file.file_name()?.to_str()?;
    let versioned = match name.strip_suffix(".wasm") {
        Some(stem) => format!("{stem}-{version}.wasm"),
        None => format!("{name}-{version}"),
    };
    (!name.contains(version)).then(|| file.with_file_name(versioned))
}

fn sha256(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let read = File::open(path).and_then(|mut file| io::copy(&mut file, &mut hasher));
    read.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(hex::encode(hasher.finalize()))
}

/// Quotes an argument for a shell.
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
    fn flags_of_check_alone_are_not_arguments_of_serve() {
        let given = "--guest=/g --option a=1 --option=b=2 --upgrade-from=/o --upgrade-from /p --against demo --read=a --list b --unpinned";
        let given: Vec<_> = given.split(' ').map(str::to_owned).collect();
        let left: Vec<_> = for_serve(&given).collect();
        assert_eq!(left, ["--guest=/g", "--unpinned"]);
    }

    #[test]
    fn arguments_survive_a_shell() {
        assert_eq!(quoted("--guest=/a/b-1.wasm"), "--guest=/a/b-1.wasm");
        assert_eq!(quoted("--guest=/a b/it's"), r"'--guest=/a b/it'\''s'");
    }

    #[test]
    fn a_file_without_its_version_is_given_one() {
        let named = |file| with_version(Path::new(file), "0.2.0");
        assert_eq!(named("/a/kv.wasm"), Some("/a/kv-0.2.0.wasm".into()));
        assert_eq!(named("/a/kv-0.2.0.wasm"), None);
        assert_eq!(named("/a/v0.2.0-kv.wasm"), None);
        assert_eq!(named("/a/airlock-kv"), Some("/a/airlock-kv-0.2.0".into()));
        assert_eq!(named("/a/airlock-kv-0.2.0"), None);
    }

    #[test]
    fn a_cache_below_which_the_guest_stores_nothing_is_refused() {
        let check = |granted: &str, storage: &[&str]| {
            let storage: Vec<_> = storage.iter().map(|prefix| (*prefix).to_owned()).collect();
            check_cache(&[granted.to_owned()], &storage).map_err(|error| error.to_string())
        };
        check("", &["config/"]).unwrap();
        check("config/", &["config/"]).unwrap();
        check("config/a", &["config/"]).unwrap();
        check("config/", &["config/a", "other/"]).unwrap();
        check("config/", &[""]).unwrap();
        let told = check("data/", &["config/", "meta/"]).unwrap_err();
        assert!(
            told.contains("--cache=data/") && told.contains(r#""config/", "meta/""#),
            "{told}"
        );
    }
}

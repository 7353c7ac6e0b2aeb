//! `airlock check --upgrade-from`: refuses an upgrade that would break mounts, before Vault has to.
//!
//! Vault pins a program by its name in the plugin directory and its SHA-256, and several registrations may share a program. If
//! a new build takes the name of the old one, every registration that still has the old SHA-256 cannot start its plugin any
//! more, and its mounts answer 404. So a new build needs a name of its own, side by side with the old one. Then each
//! registration moves by itself, and the others stay as they are.
//!
//! A guest has to be able to take over what the old one stored: it is compared with the old one as a push compares it.
//!
//! Nothing of an old program is run. An old guest describes itself in the sandbox, as for `airlock inspect`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use airlock_mount::{GrantedGuest, special_paths};
use airlock_storage::Prefixes;
use airlock_trust::{Trust, Voucher};
use anyhow::{Context as _, Result, bail};
use printable::Printable;
use semver::Version;
use vault_plugin::SpecialPaths;

use crate::contained::{Contained, Problem};
use crate::file::read_program_or_guest;
use crate::{guest, inspect};

/// The first bytes of every WebAssembly binary.
const WASM: &[u8] = b"\0asm";

/// A file that registrations name now.
pub struct Old {
    path: PathBuf,
    is_program: bool,
    /// The guest: the file itself, or what a bundle contains.
    guest: Option<Vec<u8>>,
}

/// The properties of a guest that decide whether it can take over from another one.
pub struct Facts {
    pub name: String,
    pub version: String,
    /// The version of the layout of what it stores.
    pub layout: u32,
    /// The special paths that Vault is told.
    pub told: SpecialPaths,
    /// The version that a trusted key signed.
    pub signed: Option<Version>,
}

impl Facts {
    /// Returns those of a guest that may run.
    pub fn of(granted: &GrantedGuest, told: &SpecialPaths) -> Self {
        let description = granted.guest.description();
        Self {
            name: description.name.clone(),
            version: description.version.clone(),
            layout: description.storage_version,
            told: told.clone(),
            signed: granted.voucher.as_ref().and_then(signed),
        }
    }
}

fn signed(voucher: &Voucher) -> Option<Version> {
    voucher.signed().map(|signed| signed.version().clone())
}

impl Old {
    /// Reads what `--upgrade-from` names, and checks that neither this program nor the guest in its file replaces it.
    ///
    /// # Errors
    /// Says why the file cannot be read, or what to name the new one.
    pub fn read(path: &Path, program: &Path, guest: Option<&Path>) -> Result<Self> {
        let old = Self::find(path).context("--upgrade-from")?;
        let shown = path.display();
        if old.is_program && replaces(program, path) {
            bail!(
                "--upgrade-from={shown}: this program has the same file name, so the mounts of a registration that still has the \
                 old SHA-256 would answer 404 from the next start: register side by side, with this program under a name of \
                 its own that has the version in it"
            );
        }
        if guest.is_some_and(|guest| !old.is_program && is_same(guest, path)) {
            bail!(
                "--upgrade-from={shown}: it is the file of --guest, so there would be no way back: register side by side, with \
                 the new build in a file of its own that has the version in its name"
            );
        }
        Ok(old)
    }

    fn find(path: &Path) -> Result<Self> {
        let contained = match Contained::find(path) {
            Ok(contained) => contained,
            // The text for a file that cannot be read is that below.
            Err(Problem::Unreadable(_)) => None,
            Err(problem) => return Err(problem).with_context(|| path.display().to_string()),
        };
        let path = path.to_owned();
        if let Some(bundle) = contained {
            let guest = bundle.read_guest().with_context(|| path.display().to_string())?;
            return Ok(Self {
                path,
                is_program: true,
                guest: Some(guest),
            });
        }
        let bytes = read_program_or_guest(&path)?;
        let is_guest = bytes.starts_with(WASM);
        if !is_guest && !is_executable(&path) {
            bail!("{}: it is neither a program nor a guest", path.display());
        }
        Ok(Self {
            path,
            is_program: !is_guest,
            guest: is_guest.then_some(bytes),
        })
    }

    /// Returns the line that says that mounts can move from the old file to the new guest. `new` is `None` if this program has
    /// no guest of its own.
    ///
    /// # Errors
    /// Says why the new guest cannot take over.
    pub async fn compare(
        &self,
        new: Option<&Facts>,
        options: &[(String, String)],
        trust: &Trust,
    ) -> Result<String> {
        let shown = Printable(self.path.display());
        let flag = || format!("--upgrade-from={}", self.path.display());
        let Some(component) = &self.guest else {
            return Ok(format!(
                "upgrade from {shown}: no mount fails meanwhile; move one registration after the other, and remove that file last\n"
            ));
        };
        let Some(new) = new else {
            bail!(
                "{}: the mounts that run its guest would have none: give --guest, or push the guest into them first",
                flag()
            );
        };
        let old = inspect::load(&self.path, component).await.with_context(flag)?;
        let paths = old.special_paths(options).await.with_context(flag)?;
        let voucher = if self.is_program {
            None
        } else {
            guest::vouch(trust, &self.path, component).ok()
        };
        let description = old.description();
        let old = Facts {
            name: description.name.clone(),
            version: description.version.clone(),
            layout: description.storage_version,
            told: special_paths::check(paths, &Prefixes::all()).with_context(flag)?,
            signed: voucher.as_ref().and_then(signed),
        };
        let differences = differences(&old, new).map_err(|why| anyhow::anyhow!("{}: {why}", flag()))?;
        let (name, version) = (Printable(&old.name), Printable(&old.version));
        Ok(format!("upgrade from {shown}: {name} {version} {differences}\n"))
    }
}

/// Returns what differs between two guests of which the new one can take over.
///
/// # Errors
/// Says why it cannot.
fn differences(old: &Facts, new: &Facts) -> Result<String, String> {
    let version = &new.version;
    if old.name != new.name {
        return Err(format!(
            "its mounts run {}, and the new guest is {}: mount it elsewhere",
            old.name, new.name
        ));
    }
    if old.layout > new.layout {
        return Err(format!(
            "its mounts hold version {} of their data, and {} {version} reads version {} only: choose a build that reads it",
            old.layout, new.name, new.layout
        ));
    }
    if let (Some(highest), Some(signed)) = (&old.signed, &new.signed)
        && signed < highest
    {
        return Err(format!(
            "its mounts refuse signed versions below {highest}, and the new guest is {signed}: pin its digest with \
             --guest-sha256 and no --trust, or go back by `airlock push` and `airlock downgrade`"
        ));
    }
    let layout = match old.layout == new.layout {
        true => "stores the same version of its data".to_owned(),
        false => format!(
            "stores version {} of its data and {version} version {}, so there is no way back",
            old.layout, new.layout
        ),
    };
    let paths = match old.told == new.told {
        true => "has the same special paths, so that a push needs no --reload",
        false => "has other special paths, so that a push needs --reload",
    };
    Ok(format!("{layout}, and {paths}"))
}

/// Returns true if a program, once it is in the plugin directory, replaces this file there.
fn replaces(program: &Path, old: &Path) -> bool {
    program.file_name() == old.file_name() || is_same(program, old)
}

/// Returns true if two paths lead to one file, also through a symbolic link.
fn is_same(a: &Path, b: &Path) -> bool {
    let [a, b] = [a, b].map(|path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()));
    a == b
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn facts(version: &str, layout: u32) -> Facts {
        Facts {
            name: "kv".to_owned(),
            version: version.to_owned(),
            layout,
            told: special_paths::control_only(),
            signed: None,
        }
    }

    fn signed_facts(version: &str) -> Facts {
        Facts {
            signed: Some(version.parse().unwrap()),
            ..facts(version, 1)
        }
    }

    #[test]
    fn a_guest_of_another_name_or_an_older_layout_is_refused() {
        let other = Facts {
            name: "totp".to_owned(),
            ..facts("0.2.0", 1)
        };
        let refused = differences(&facts("0.1.0", 1), &other).unwrap_err();
        assert!(refused.contains("run kv, and the new guest is totp"), "{refused}");
        let refused = differences(&facts("0.2.0", 2), &facts("0.3.0", 1)).unwrap_err();
        assert!(refused.contains("hold version 2 of their data"), "{refused}");
    }

    #[test]
    fn a_signed_guest_is_not_replaced_by_an_older_signed_one() {
        let (old, new) = (signed_facts("0.9.0"), signed_facts("0.10.0"));
        differences(&old, &new).unwrap();
        let refused = differences(&new, &old).unwrap_err();
        assert!(
            refused.contains("below 0.10.0") && refused.contains("0.9.0"),
            "{refused}"
        );
        // A pin without a key lets an older build run.
        differences(&new, &facts("0.9.0", 1)).unwrap();
    }

    #[test]
    fn says_whether_there_is_a_way_back_and_whether_a_push_reloads() {
        let same = differences(&facts("0.1.0", 1), &facts("0.2.0", 1)).unwrap();
        assert_eq!(
            same,
            "stores the same version of its data, and has the same special paths, so that a push needs no --reload"
        );
        let mut other = facts("0.2.0", 2);
        other.told.root.push("config".to_owned());
        let told = differences(&facts("0.1.0", 1), &other).unwrap();
        assert!(
            told.contains("0.2.0 version 2, so there is no way back"),
            "{told}"
        );
        assert!(
            told.contains("other special paths, so that a push needs --reload"),
            "{told}"
        );
    }

    /// All plugins of a Vault are in one directory, so the name alone counts.
    #[test]
    fn a_program_of_the_same_name_or_behind_the_same_link_is_a_replacement() {
        let folder = tempfile::tempdir().unwrap();
        let [old, new, link] = ["airlock-1", "airlock-2", "airlock"].map(|name| folder.path().join(name));
        for file in [&old, &new] {
            fs::write(file, "program").unwrap();
        }
        std::os::unix::fs::symlink(&new, &link).unwrap();
        assert!(!replaces(&new, &old));
        assert!(replaces(&new, &link));
        assert!(replaces(Path::new("/build/airlock-1"), &old));
    }
}

//! `airlock inspect`: shows what a guest is, before anyone lets it near a Vault.

use std::fmt::Write as _;
use std::path::Path;

use airlock_mount::{MountOptions, special_paths};
use airlock_sandbox::{CONTRACT_VERSION, Guest, Limits, SpecialPaths};
use airlock_storage::Prefixes;
use airlock_trust::{Signature, Trust};
use anyhow::{Context as _, Result};
use printable::Printable;

use crate::args::KeyArgs;
use crate::bundle::trailer::Trailer;
use crate::contained::{Contained, Problem, THIS_PROGRAM};
use crate::file::{read_guest, read_signature};
use crate::guest;

/// Reads the guest and asks it to describe itself, in the sandbox. The guest is a file, or is contained in a bundle; `None`
/// means this program. `options` are a mount's, for which the guest names its special paths. `keys` are those that its
/// signature is verified with.
///
/// A bundle's compiled code is not used: whoever inspects a bundle need not trust it.
pub async fn run(path: Option<&Path>, options: &[(String, String)], keys: &KeyArgs) -> Result<String> {
    let trust = Trust::new([], keys.read()?);
    let file = path.unwrap_or(Path::new(THIS_PROGRAM));
    let (component, trailer) = match Contained::find(file) {
        Ok(Some(bundle)) => (bundle.read_guest()?, Some(bundle.trailer().clone())),
        // A file that cannot be read is refused in the words for a guest.
        Err(Problem::Unreadable(_)) if path.is_some() => (read_guest(file)?, None),
        Ok(None) => (read_guest(file)?, None),
        Err(problem) if path.is_some() => return Err(problem).with_context(|| file.display().to_string()),
        Err(problem) => return Err(problem.into()),
    };
    let guest = load(file, &component).await?;
    let paths = guest
        .special_paths(&MountOptions::read(options)?.for_guest)
        .await?;
    let mut out = describe(&guest, &paths, component.len());
    let signature = signature(&trust, file, &component, &guest);
    let _ = writeln!(out, "{:<16} {}", "signature:", Printable(signature));
    if let Some(trailer) = trailer {
        let _ = writeln!(out, "{:<16} {}", "bundled:", bundled(&trailer));
    }
    Ok(out)
}

/// Loads a guest to look at it.
pub async fn load(path: &Path, component: &[u8]) -> Result<Guest> {
    guest::load(path, component, None, limits(), Some(u64::MAX)).await
}

/// Returns what a bundle says of the code in it.
pub fn bundled(trailer: &Trailer) -> String {
    let Trailer { baseline, code, .. } = trailer;
    format!("{} bytes of code, compiled for {baseline}", code.length)
}

/// Returns limits that are high, because a guest's needs are to be shown and not refused.
pub fn limits() -> Limits {
    Limits {
        memory_bytes: 4 << 30,
        cpu: ENOUGH,
        wall: ENOUGH,
        storage_operations: u32::MAX,
        ..Limits::default()
    }
}

/// Says who signed a guest, and whether that was verified.
fn signature(trust: &Trust, path: &Path, component: &[u8], guest: &Guest) -> String {
    let text = match read_signature(path) {
        Ok(None) => return "none".to_owned(),
        Ok(Some(text)) => text,
        Err(error) => return format!("NOT VALID: {error}"),
    };
    if trust.keys().is_empty() {
        let Ok(signature) = text.parse::<Signature>() else {
            return "NOT VALID: it is not in minisign's format; sign this build with `airlock sign`"
                .to_owned();
        };
        let key = signature.unverified_signer();
        let name = match signature.unverified_name() {
            Ok(name) => format!("for {} {}", name.name(), name.version()),
            Err(_) => "without a name and version".to_owned(),
        };
        return format!("by key {key}, {name}; not verified: give --trust");
    }
    let description = guest.description();
    let verified = trust.vouch(component, Some(&text)).and_then(|voucher| {
        voucher.confirm(&description.name, &description.version)?;
        Ok(format!("verified: {}", voucher.by()))
    });
    verified.unwrap_or_else(|refused| format!("NOT VALID: {refused}"))
}

const ENOUGH: std::time::Duration = std::time::Duration::from_secs(u32::MAX as u64);

pub(crate) fn describe(guest: &Guest, paths: &SpecialPaths, size: usize) -> String {
    let description = guest.description();
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        // A guest may put anything into its description.
        let _ = writeln!(out, "{:<16} {}", format!("{name}:"), Printable(value));
    };
    line("name", &description.name);
    line("version", &description.version);
    line("about", &description.about);
    line("sha256", guest.digest());
    line("size", &format!("{size} bytes"));
    line(
        "contract",
        &format!("airlock:engine {CONTRACT_VERSION} (this host's)"),
    );
    line("imports", &list(guest.imports(), "nothing"));
    line(
        "storage",
        &list(
            &description
                .storage
                .iter()
                .map(|prefix| shown(prefix))
                .collect::<Vec<_>>(),
            "none",
        ),
    );
    line("layout version", &description.storage_version.to_string());
    line(
        "cacheable",
        &list(
            &description
                .cacheable
                .iter()
                .map(|prefix| shown(prefix))
                .collect::<Vec<_>>(),
            "nothing",
        ),
    );
    line(
        "redo record",
        if description.redo_record {
            "yes: a commit of several keys is all or nothing"
        } else {
            "no"
        },
    );
    line("scratch", &format!("{} bytes", description.scratch_bytes));
    line("without token", &list(&paths.unauthenticated, "nothing"));
    line("needs sudo", &list(&paths.root, "nothing"));
    if let Err(refused) = special_paths::check(paths.clone(), &Prefixes::all()) {
        line("refused", &refused.to_string());
    }
    let needs = &description.needs;
    let needs: Vec<String> = [
        needs
            .memory_bytes
            .map(|bytes| format!("--memory-mib={}", bytes.div_ceil(1 << 20))),
        needs.cpu_milliseconds.map(|count| format!("--cpu-ms={count}")),
        needs.wall_milliseconds.map(|count| format!("--wall-ms={count}")),
        needs
            .storage_operations
            .map(|count| format!("--storage-ops={count}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    line("needs at least", &list(&needs, "no more than the defaults"));
    out
}

pub fn list(items: &[String], none: &str) -> String {
    if items.is_empty() {
        none.to_owned()
    } else {
        items.join(", ")
    }
}

fn shown(prefix: &str) -> String {
    if prefix.is_empty() {
        "everything".to_owned()
    } else {
        format!("{prefix}*")
    }
}

//! Loads guests, in the same way for every command.

use std::path::{Path, PathBuf};

use airlock_sandbox::{Compiler, Guest, Limit, Limits, LoadError, Sandbox, SandboxSettings, aside};
use airlock_testkit::block_on;
use airlock_trust::{Trust, Voucher};
use anyhow::{Context as _, Result};
use printable::Report;

use crate::args::LimitArgs;
use crate::file::{read_guest, read_signature};

/// Decides whether a guest may run that was read from this file, by its digest or by the signature beside the file.
pub fn vouch(trust: &Trust, path: &Path, component: &[u8]) -> Result<Voucher> {
    let signature = match trust.keys() {
        [] => Ok(None),
        _ => read_signature(path),
    };
    // If the guest is pinned, a signature that cannot be read is not missed.
    let text = signature.as_ref().ok().and_then(Option::as_deref);
    trust.vouch(component, text).or_else(|refused| {
        signature?;
        Err(refused).with_context(|| named(path))
    })
}

/// Checks that a guest calls itself what its signature says.
pub fn confirm(voucher: &Voucher, path: &Path, guest: &Guest) -> Result<()> {
    let description = guest.description();
    voucher
        .confirm(&description.name, &description.version)
        .with_context(|| named(path))
}

fn named(path: &Path) -> String {
    format!("guest {}", path.display())
}

/// The command that compiles for this machine.
pub const COMPILE: &[&str] = &["compile"];
/// The command that compiles for every machine of the baseline.
pub const COMPILE_FOR_BASELINE: &[&str] = &["compile", "--baseline"];

/// Loads a guest's bytes in a sandbox of its own. `memory_bytes` is what all its requests together may hold; `None`
/// means the sandbox's default.
pub async fn load(
    path: &Path,
    component: &[u8],
    cache: Option<PathBuf>,
    limits: Limits,
    memory_bytes: Option<u64>,
) -> Result<Guest> {
    sandbox_aside(COMPILE, cache, memory_bytes)
        .await?
        .load(component, limits)
        .await
        .with_context(|| named(path))
}

/// Does the same as [`sandbox`] on another thread. It takes milliseconds, and the runtime of `serve` has one thread, which has
/// to answer Vault's TLS handshake.
pub async fn sandbox_aside(
    compile: &'static [&str],
    cache: Option<PathBuf>,
    memory_bytes: Option<u64>,
) -> Result<Sandbox> {
    aside(move || sandbox(compile, cache, memory_bytes)).await?
}

/// Returns a sandbox that compiles with this command of this program.
pub fn sandbox(compile: &[&str], cache: Option<PathBuf>, memory_bytes: Option<u64>) -> Result<Sandbox> {
    let sandbox = |cache| {
        let compiler = Compiler::Child {
            program: this_program(),
            arguments: compile.iter().map(Into::into).collect(),
        };
        Sandbox::new(SandboxSettings {
            compiler,
            cache,
            memory_bytes,
        })
    };
    match sandbox(cache) {
        Err(error @ LoadError::Cache { .. }) => {
            tracing::warn!(
                reason = %Report::new(&error),
                "compiled guests are not kept; the guest is compiled at every start"
            );
            Ok(sandbox(None)?)
        }
        sandbox => Ok(sandbox?),
    }
}

/// Loads a guest as `serve` does, to run it without Vault.
pub fn load_without_vault(path: &Path, limits: &LimitArgs) -> Result<airlock_testkit::Guest> {
    let component = read_guest(path)?;
    let guest = block_on(load(
        path,
        &component,
        user_cache(),
        self::limits(limits),
        process_memory(limits),
    ))??;
    Ok(guest.into())
}

/// Returns the limits that the command line sets.
pub fn limits(args: &LimitArgs) -> Limits {
    let given = [
        (Limit::Memory, args.memory_mib),
        (Limit::Cpu, args.cpu_ms),
        (Limit::Wall, args.wall_ms),
        (Limit::StorageOperations, args.storage_ops),
        (Limit::Transfer, args.transfer_mib),
        (Limit::LogLines, args.log_lines),
        (Limit::Instances, args.instances),
        (Limit::Queue, args.queue),
        (Limit::Start, args.start_ms),
    ];
    given
        .into_iter()
        .fold(Limits::default(), |limits, (limit, number)| {
            limits.with(limit, number)
        })
}

/// Returns the bytes that the command line lets all requests together hold.
pub fn process_memory(args: &LimitArgs) -> Option<u64> {
    args.process_memory_mib.map(|mib| u64::from(mib) << 20)
}

/// Returns the path of this very program, even if the file from which it was started has been replaced. Without `/proc` it
/// is the path by which Vault started it, which is absolute.
fn this_program() -> PathBuf {
    let link = PathBuf::from(crate::contained::THIS_PROGRAM);
    if link.exists() {
        return link;
    }
    let started_as = std::env::args_os().next().map(PathBuf::from);
    let found = std::env::current_exe().ok().or(started_as);
    found
        .filter(|path| path.is_absolute() && path.exists())
        .unwrap_or(link)
}

/// Returns the folder `airlock` in the user's own cache directory, if there is one. It is for tools, not for a process
/// that serves a Vault.
pub fn user_cache() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let caches = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(caches.join("airlock"))
}

//! Runs a guest on a copy of what a mount stores now: its `initialize`, and the requests that the operator names.
//!
//! 1. The entries are [fetched](fetch) through Vault with the operator's token, from `.airlock/export`, into memory only. They
//!    are never written to disk; the process makes no core dump, and wipes memory when it is freed.
//! 2. The guest is mounted over them and initialized, in the sandbox, under the limits that it would have.
//! 3. It is asked for what [`requests`] names, and each answer is a line. No line has a value, or words of the guest: both may be
//!    secrets.
//!
//! Nothing is sent back to the mount.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use airlock_mount::{BreakerSettings, GrantedGuest, GuestMount, Parts};
use airlock_sandbox::Services;
use airlock_storage::{MemoryStorage, Settings, StorageEntry};
use airlock_testkit::FakeSystem;
use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Args;
use printable::Printable;
use vault_plugin::{Backend as _, Error, Operation, Request};

use crate::control::answers::Exported;
use crate::control::mount_path::MountPath;
use crate::control::{Control, MountArgs};
use crate::hardening;

/// Most bytes of keys and values that are fetched.
const MOST_BYTES: usize = 256 << 20;

/// Most entries that are fetched.
const MOST_ENTRIES: usize = 100_000;

/// Most requests.
const MOST_REQUESTS: usize = 10_000;

/// The flags of `check` about a live mount.
#[derive(Debug, Args)]
pub struct AgainstArgs {
    /// Run the guest on a copy of what this mount stores now: its `initialize`, and the requests of --read, --list and
    /// --requests. The copy is fetched with your token through Vault, which takes `-args=--allow-export` in the mount's
    /// registration and `update` and `sudo` on its `.airlock/export`. It stays in memory, and the mount is not changed
    #[arg(long, value_name = "MOUNT", requires = "guest")]
    pub against: Option<MountPath>,

    /// With --against: read this path below the mount; repeatable
    #[arg(long, value_name = "PATH", requires = "against")]
    pub read: Vec<String>,

    /// With --against: list this path below the mount; repeatable
    #[arg(long, value_name = "PATH", requires = "against")]
    pub list: Vec<String>,

    /// With --against: send the requests of this file, a line each: `read PATH` or `list PATH`
    #[arg(long, value_name = "FILE", requires = "against")]
    pub requests: Option<PathBuf>,
}

/// A request, and how the operator knows it.
struct Asked {
    operation: Operation,
    path: String,
    /// Names the request without its path, which may be a secret.
    name: String,
}

/// Returns the text to print.
///
/// # Errors
/// The copy could not be fetched, or the guest failed. Each request that failed is a line on standard error before that.
pub async fn run(args: &AgainstArgs, granted: &GrantedGuest, options: &[(String, String)]) -> Result<String> {
    let Some(mount) = &args.against else {
        return Ok(String::new());
    };
    let requests = requests(args)?;
    hardening::seal_process();
    let entries = fetch(mount)?;
    let count = entries.len();
    let guest = mounted(granted, options, entries).await;
    let guest = guest.with_context(|| format!("on a copy of {mount}"))?;
    let mut failed = 0_usize;
    for Asked {
        operation,
        path,
        name,
    } in &requests
    {
        if let Err(reason) = ask(&guest, operation.clone(), path).await {
            failed += 1;
            eprintln!("{}: {reason}", Printable(name));
        }
    }
    if failed > 0 {
        bail!(
            "{failed} of {} requests failed on a copy of {mount}",
            requests.len()
        );
    }
    let mut out = String::new();
    let _ = writeln!(
        out,
        "on a copy of {}: {count} entries, initialized, {} requests answered",
        Printable(mount),
        requests.len()
    );
    Ok(out)
}

/// Returns the requests in the order of the flags, and then those of the file.
fn requests(args: &AgainstArgs) -> Result<Vec<Asked>> {
    let flags = [
        ("--read", Operation::Read, &args.read),
        ("--list", Operation::List, &args.list),
    ];
    let mut requests: Vec<Asked> = Vec::new();
    for (flag, operation, paths) in flags {
        requests.extend(paths.iter().enumerate().map(|(at, path)| Asked {
            operation: operation.clone(),
            path: path.clone(),
            name: format!("{flag} number {}", at + 1),
        }));
    }
    if let Some(file) = &args.requests {
        let shown = file.display();
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let name = format!("{shown}, line {}", at + 1);
            let operation = match line.split_once(' ') {
                Some(("read", _)) => Operation::Read,
                Some(("list", _)) => Operation::List,
                _ => bail!("{name}: write `read PATH` or `list PATH`"),
            };
            let path = line
                .split_once(' ')
                .map_or("", |(_, path)| path)
                .trim()
                .to_owned();
            requests.push(Asked {
                operation,
                path,
                name,
            });
        }
    }
    if requests.len() > MOST_REQUESTS {
        bail!("more than {MOST_REQUESTS} requests");
    }
    for asked in &mut requests {
        if asked.operation == Operation::List && !asked.path.is_empty() && !asked.path.ends_with('/') {
            asked.path.push('/');
        }
    }
    Ok(requests)
}

/// Fetches what the mount stores.
fn fetch(mount: &MountPath) -> Result<Vec<StorageEntry>> {
    let control = Control::of(&MountArgs { mount: mount.clone() })?;
    control.status()?;
    let (mut entries, mut bytes) = (Vec::new(), 0);
    let mut after = String::new();
    loop {
        let page = control.export(&after)?;
        for Exported {
            stored_key: key,
            stored_value,
            seal_wrap,
        } in page.entries
        {
            let value = BASE64
                .decode(stored_value)
                .with_context(|| format!("{mount}: an entry of the export is not base64"))?;
            bytes += key.len() + value.len();
            entries.push(StorageEntry {
                key,
                value: value.into(),
                seal_wrap,
            });
        }
        if bytes > MOST_BYTES || entries.len() > MOST_ENTRIES {
            bail!(
                "{mount} stores more than {} MiB or {MOST_ENTRIES} entries, which is too much for a check in memory; use \
                 `airlock push --canary`",
                MOST_BYTES >> 20
            );
        }
        match page.next {
            // Otherwise an answer that repeats itself would never end.
            Some(next) if next != after => after = next,
            Some(_) => bail!("{mount}: the export does not go on"),
            None => return Ok(entries),
        }
    }
}

/// Mounts the guest over the entries and initializes it.
async fn mounted(
    granted: &GrantedGuest,
    options: &[(String, String)],
    entries: Vec<StorageEntry>,
) -> Result<GuestMount> {
    let storage: MemoryStorage = entries.into_iter().collect();
    let parts = Parts {
        config: options.to_vec(),
        storage: Arc::new(storage),
        storage_settings: Settings::default(),
        // The guest's log goes nowhere, because it may have values.
        services: Services {
            system: Arc::new(FakeSystem::default()),
            ..Services::default()
        },
        is_standby: false,
        on_usage: |_| {},
        metrics: Arc::default(),
        breaker: BreakerSettings::OFF,
    };
    let guest = GuestMount::set_up(granted, parts).await;
    let guest = guest.map_err(|error| anyhow::anyhow!("the guest cannot be mounted: {}", kind(&error)))?;
    let initialized = guest.initialize().await;
    initialized
        .map_err(|error| anyhow::anyhow!("`initialize` failed: {}: {}", guest.failure(), kind(&error)))?;
    Ok(guest)
}

/// Sends one request. The error says why it failed, in words of the host.
async fn ask(guest: &GuestMount, operation: Operation, path: &str) -> Result<(), String> {
    let request = Request::new(operation, path);
    match guest.handle_request(request).await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err("nothing is there (404)".to_owned()),
        Err(error) => Err(kind(&error)),
    }
}

/// Says what a failure is, without words of the guest.
fn kind(error: &Error) -> String {
    match error {
        Error::UnsupportedPath => "the guest has no such path (404)".to_owned(),
        Error::UnsupportedOperation => "the guest does not do that on the path (405)".to_owned(),
        error => format!("it would be answered with status {}", error.status()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn asked(text: &str) -> Result<Vec<(String, String)>> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let args = AgainstArgs {
            against: None,
            read: vec!["a".to_owned()],
            list: vec!["b".to_owned()],
            requests: Some(file.path().to_owned()),
        };
        let requests = requests(&args)?.into_iter();
        Ok(requests
            .map(|asked| (asked.operation.as_str().to_owned(), asked.path))
            .collect())
    }

    #[test]
    fn requests_come_from_flags_and_a_file() {
        let asked = asked("# comment\n\nread c d\n list e/\nlist f\n").unwrap();
        let asked: Vec<_> = asked
            .iter()
            .map(|(operation, path)| (&**operation, &**path))
            .collect();
        assert_eq!(
            asked,
            [
                ("read", "a"),
                ("list", "b/"),
                ("read", "c d"),
                ("list", "e/"),
                ("list", "f/")
            ]
        );
    }

    #[test]
    fn a_line_that_is_no_request_is_named_by_its_number() {
        let refused = asked("read a\nwrite secret\n").unwrap_err().to_string();
        assert!(
            refused.ends_with(", line 2: write `read PATH` or `list PATH`"),
            "{refused}"
        );
    }
}

//! `airlock push`: sends a guest into a mount's own storage and makes it the one that runs there.

mod canary;
mod pieces;
mod progress;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use printable::{Printable, Report};
use sha2::{Digest as _, Sha256};

use crate::control::answers::{Status, Stored, Swapped};
use crate::control::{Control, MountArgs};
use crate::file::{self, read_guest};
use crate::swap::{running, short};
pub use canary::{CanaryArgs, summary};
use pieces::{Piece, Pieces};
use progress::Progress;

/// The arguments of `push`.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// The guest, a WebAssembly component. If FILE.minisig lies beside it, that is sent as its signature
    #[arg(value_name = "FILE")]
    pub guest: PathBuf,

    #[command(flatten)]
    pub mount: MountArgs,

    /// If the guest has other special paths than Vault enforces for the mount, reload the mount as `vault plugin reload
    /// -mounts=MOUNT/` does, and wait until the guest runs
    #[arg(long, conflicts_with = "canary")]
    pub reload: bool,

    #[command(flatten)]
    pub canary: CanaryArgs,
}

/// Most pieces that are sent at a time.
const AT_A_TIME: usize = 4;

/// The most times that pieces are sent which the host misses. More than once is needed if somebody removes pieces meanwhile.
const ROUNDS: u32 = 3;

/// The bytes with which every WebAssembly component begins. A module has another version and layer.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// The time in which a guest has to run after a reload.
const RELOADED: Duration = Duration::from_secs(60);

/// The wait between two looks at the status after a reload.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Sends the guest, activates it, and returns the text to print.
pub fn run(args: &PushArgs) -> Result<String> {
    let control = Control::of(&args.mount)?;
    let before = control.writable_status()?;
    let guest = read_guest(&args.guest)?;
    check_is_component(&args.guest, &guest)?;
    let signature = read_signature(&args.guest)?;
    let sha256 = hex::encode(Sha256::digest(&guest));

    let pieces = Pieces::of(&guest);
    let (stored, sent) = store(&control, &sha256, &pieces, signature.as_deref())?;
    let mut out = told(&stored, &sha256, sent, pieces.len());
    if runs_from_storage(&before, &sha256) {
        let _ = writeln!(out, "{} runs it already", control.mount());
        return Ok(out);
    }
    if let Some(requests) = args.canary.canary {
        control.try_out(&sha256, requests, &args.canary.tolerate)?;
        out += &canary::wait(&control, &sha256)?;
        return Ok(out);
    }
    let swapped = control.swap(&sha256, args.reload)?;
    out += &finish(&control, &swapped, &sha256, args.reload)?;
    Ok(out)
}

/// Sends what the host does not have. Returns what the host says of the guest, and how many pieces were sent.
fn store(
    control: &Control,
    sha256: &str,
    pieces: &Pieces<'_>,
    signature: Option<&str>,
) -> Result<(Stored, usize)> {
    let manifest = pieces.manifest(signature);
    let mut sent = 0;
    for _ in 0..=ROUNDS {
        let stored = control.put_guest(sha256, &manifest)?;
        if stored.missing.is_empty() {
            return Ok((stored, sent));
        }
        let missing = match pieces.with_digests(&stored.missing) {
            Ok(missing) => missing,
            Err(strange) => bail!(
                "{}: the host asks for a piece that this guest does not have: {}",
                control.mount(),
                Printable(strange)
            ),
        };
        sent += missing.len();
        send(control, &missing)?;
    }
    bail!(
        "{}: pieces are missing again each time that they were sent: if somebody runs `airlock gc`, wait for its end, and \
         run the command again",
        control.mount()
    )
}

/// Sends pieces, a few at a time, until one fails.
fn send(control: &Control, pieces: &[&Piece<'_>]) -> Result<()> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let progress = Progress::new(pieces.len());
    let work = || -> Result<()> {
        while !failed.load(Ordering::Relaxed) {
            let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            let put = piece
                .encoded()
                .context("a piece cannot be compressed")
                .and_then(|data| Ok(control.put_piece(&piece.sha256, &data)?));
            if let Err(error) = put {
                failed.store(true, Ordering::Relaxed);
                return Err(error).context("what was sent is kept; run the command again to go on");
            }
            progress.advance();
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_A_TIME.min(pieces.len()))
            .map(|_| thread::Builder::new().spawn_scoped(scope, work))
            .collect();
        let mut result = Ok(());
        for worker in workers {
            let worker = worker.context("cannot start a thread").and_then(|worker| {
                worker
                    .join()
                    .unwrap_or_else(|_| Err(anyhow::anyhow!("a thread that sent pieces has panicked")))
            });
            result = result.and(worker);
        }
        result
    })
}

/// Returns true if there is nothing to activate.
fn runs_from_storage(status: &Status, sha256: &str) -> bool {
    let runs = status
        .running
        .as_ref()
        .is_some_and(|running| running.sha256 == sha256 && running.source == "storage");
    runs && status.active.as_deref() == Some(sha256)
}

/// Returns the text about what is in storage now.
fn told(stored: &Stored, sha256: &str, sent: usize, total: usize) -> String {
    let (name, version) = (Printable(&stored.name), Printable(&stored.version));
    let signer = stored
        .signer
        .as_ref()
        .map_or_else(String::new, |signer| format!(", signed by {}", Printable(signer)));
    let sent = match sent {
        0 => "nothing had to be sent".to_owned(),
        sent => format!("sent {sent} of {total} pieces"),
    };
    format!("stored {name} {version}, sha256 {sha256}{signer} ({sent})\n")
}

/// Reloads the mount if the new guest needs that, and returns the text about what runs now.
pub fn finish(control: &Control, swapped: &Swapped, sha256: &str, may_reload: bool) -> Result<String> {
    let mount = control.mount();
    if !swapped.reload_needed {
        return Ok(now(control, swapped));
    }
    if !may_reload {
        return Ok(format!(
            "{} is active and runs at {mount} after a reload: vault plugin reload -mounts={}\n",
            short(sha256),
            mount.argument() + "/"
        ));
    }
    control.reload()?;
    let begun = Instant::now();
    loop {
        let cause = match control.status() {
            Ok(status) => match status.running {
                Some(found) if found.sha256 == sha256 => {
                    return Ok(format!("reloaded {mount}; {} runs there now\n", running(&found)));
                }
                _ => status.cause.unwrap_or_else(|| "another guest runs".to_owned()),
            },
            Err(error) => Report::new(&error).to_string(),
        };
        if begun.elapsed() > RELOADED {
            bail!(
                "{mount} was reloaded, but {} does not run there after {} s: {}",
                short(sha256),
                RELOADED.as_secs(),
                Printable(cause)
            );
        }
        thread::sleep(LOOK_AGAIN);
    }
}

/// Returns the text about a swap that needed no reload.
pub fn now(control: &Control, swapped: &Swapped) -> String {
    let mount = control.mount();
    let mut out = match &swapped.running {
        Some(found) => format!("{} runs at {mount} now\n", running(found)),
        None => format!(
            "nothing runs at {mount} now: `airlock status --mount {}` says why\n",
            mount.argument()
        ),
    };
    if let Some(previous) = &swapped.previous {
        let _ = write!(out, "before, it was {}", Printable(previous));
        if swapped.rollback_possible {
            let _ = write!(
                out,
                "; the way back is: airlock rollback --mount {}",
                mount.argument()
            );
        }
        out.push('\n');
    }
    out
}

fn check_is_component(path: &Path, guest: &[u8]) -> Result<()> {
    if guest.starts_with(COMPONENT) {
        return Ok(());
    }
    if guest.starts_with(b"\0asm\x01\0\0\0") {
        bail!(
            "guest {}: it is a core module and not a component: `airlock componentize` makes one of it; nothing was sent",
            path.display()
        );
    }
    bail!(
        "guest {}: it is not a WebAssembly component; nothing was sent",
        path.display()
    )
}

/// Reads the signature beside a guest's file, if there is one. One that cannot be a signature is not sent.
fn read_signature(guest: &Path) -> Result<Option<String>> {
    let text = file::read_signature(guest)?;
    let is_text = |text: &String| !text.trim().is_empty() && !text.contains(char::REPLACEMENT_CHARACTER);
    if text.as_ref().is_some_and(|text| !is_text(text)) {
        bail!(
            "signature {}: it is not a minisign signature; nothing was sent",
            file::signature_of(guest).display()
        );
    }
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_a_component_is_sent() {
        let check =
            |bytes: &[u8]| check_is_component(Path::new("g.wasm"), bytes).map_err(|error| error.to_string());
        check(b"\0asm\x0d\0\x01\0rest").unwrap();
        assert!(check(b"\0asm\x01\0\0\0").unwrap_err().contains("componentize"));
        for other in [&b""[..], b"\0asm", b"\x7fELF", b"(component)"] {
            assert!(check(other).unwrap_err().contains("not a WebAssembly component"));
        }
    }

    #[test]
    fn the_signature_lies_beside_the_guest() {
        let directory = tempfile::tempdir().unwrap();
        let guest = directory.path().join("g.wasm");
        assert_eq!(read_signature(&guest).unwrap(), None);
        let signature = directory.path().join("g.wasm.minisig");
        std::fs::write(&signature, "untrusted comment: x\n").unwrap();
        assert_eq!(read_signature(&guest).unwrap().unwrap(), "untrusted comment: x\n");
        for wrong in [&b"\n"[..], &[b'x'; 20_000], b"\xff\xfe"] {
            std::fs::write(&signature, wrong).unwrap();
            let error = read_signature(&guest).unwrap_err().to_string();
            assert!(error.contains("g.wasm.minisig"), "{error}");
        }
        // An unreadable signature is not taken for none.
        std::fs::remove_file(&signature).unwrap();
        std::fs::create_dir(&signature).unwrap();
        assert!(read_signature(&guest).is_err());
    }

    #[test]
    fn says_what_was_stored_and_how_much_was_sent() {
        let stored = Stored {
            missing: Vec::new(),
            name: "kv\u{1b}".to_owned(),
            version: "0.2.0".to_owned(),
            signer: Some("ann".to_owned()),
        };
        let text = told(&stored, "ab", 3, 7);
        assert_eq!(
            text,
            "stored kv\\u{1b} 0.2.0, sha256 ab, signed by ann (sent 3 of 7 pieces)\n"
        );
        assert!(told(&stored, "ab", 0, 7).contains("nothing had to be sent"));
    }
}

//! `airlock rollback` and `airlock downgrade`: make another guest of a mount's storage the one that runs.

use anyhow::{Result, bail};
use clap::Args;
use printable::Printable;

use crate::control::answers::Running;
use crate::control::{Control, MountArgs};
use crate::push::{finish, now};

/// The arguments of `rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    #[command(flatten)]
    pub mount: MountArgs,

    /// If the guest has other special paths than Vault enforces for the mount, reload the mount and wait until it runs
    #[arg(long)]
    pub reload: bool,
}

/// The arguments of `downgrade`.
#[derive(Debug, Args)]
pub struct DowngradeArgs {
    /// The SHA-256 of a guest in the mount's storage, or as much of its beginning as names one guest there
    #[arg(value_name = "SHA256")]
    pub sha256: String,

    #[command(flatten)]
    pub mount: MountArgs,

    /// If the guest has other special paths than Vault enforces for the mount, reload the mount and wait until it runs
    #[arg(long)]
    pub reload: bool,
}

/// Makes the guest active that was so before.
pub fn rollback(args: &RollbackArgs) -> Result<String> {
    let control = Control::of(&args.mount)?;
    let status = control.writable_status()?;
    let Some(previous) = status.previous.first() else {
        bail!(
            "{}: no guest was active before this one: `airlock guests --mount {}` lists what is in storage",
            control.mount(),
            control.mount().argument()
        );
    };
    let swapped = control.rollback(args.reload)?;
    if swapped.reload_needed {
        return finish(&control, &swapped, &previous.sha256, args.reload);
    }
    Ok(now(&control, &swapped))
}

/// Makes a guest of a lower version active.
pub fn downgrade(args: &DowngradeArgs) -> Result<String> {
    let beginning = digest_or_beginning(&args.sha256)?;
    let control = Control::of(&args.mount)?;
    control.writable_status()?;
    let sha256 = if beginning.len() == DIGEST {
        beginning
    } else {
        named(&control.guests()?.keys, &beginning).map_err(|reason| {
            anyhow::anyhow!(
                "{}: {reason}: `airlock guests --mount {}` lists them",
                control.mount(),
                control.mount().argument()
            )
        })?
    };
    let swapped = control.downgrade(&sha256, args.reload)?;
    finish(&control, &swapped, &sha256, args.reload)
}

/// The digits of a digest.
const DIGEST: usize = 64;

/// The fewest digits that may stand for a digest.
const SHORTEST: usize = 8;

fn digest_or_beginning(text: &str) -> Result<String> {
    let digits = text.trim().to_ascii_lowercase();
    if !(SHORTEST..=DIGEST).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        bail!(
            "{} is not a SHA-256: give its 64 hexadecimal digits, or the first {SHORTEST} or more",
            Printable(text)
        );
    }
    Ok(digits)
}

/// Returns the one digest that begins so.
fn named(digests: &[String], beginning: &str) -> Result<String, String> {
    let mut found = digests.iter().filter(|digest| digest.starts_with(beginning));
    match (found.next(), found.next()) {
        (Some(digest), None) if digest.len() == DIGEST => Ok(digest.clone()),
        (Some(_), _) => Err(format!("several guests in storage begin with {beginning}")),
        (None, _) => Err(format!("no guest in storage begins with {beginning}")),
    }
}

/// Returns the words for a guest that runs.
pub fn running(running: &Running) -> String {
    let vouched = match (running.vouched_by.as_str(), &running.signer) {
        ("signature", Some(signer)) => format!("signed by {signer}"),
        ("pin", _) => "pinned".to_owned(),
        (other, _) => other.to_owned(),
    };
    let text = format!(
        "{} {} (sha256 {}, {vouched}, from {})",
        running.name,
        running.version,
        short(&running.sha256),
        running.source
    );
    printable::escape(&text).into_owned()
}

/// Returns the beginning of a digest, which is enough to tell guests apart.
pub fn short(sha256: &str) -> String {
    let beginning: String = sha256.chars().take(12).collect();
    printable::escape(&beginning).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_names_one_guest_or_is_refused() {
        let (one, two) = ("ab".repeat(32), format!("{}cd", "ab".repeat(31)));
        let digests = [one.clone(), two, "12".repeat(32)];
        assert_eq!(named(&digests, "12121212").unwrap(), "12".repeat(32));
        assert_eq!(named(&digests, &one).unwrap(), one);
        assert!(named(&digests, "abababab").unwrap_err().contains("several"));
        assert!(named(&digests, "ffffffff").unwrap_err().contains("no guest"));
        assert_eq!(digest_or_beginning(" ABABABAB ").unwrap(), "abababab");
        for wrong in ["", "abc", "xyzxyzxyz", &"a".repeat(65)] {
            assert!(digest_or_beginning(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn says_who_vouches_for_a_guest() {
        let mut guest = Running {
            name: "kv".to_owned(),
            version: "0.2.0".to_owned(),
            sha256: "0123456789abcdef".to_owned(),
            vouched_by: "signature".to_owned(),
            signer: Some("ann\n".to_owned()),
            source: "storage".to_owned(),
            layout_version: 1,
            since: None,
        };
        assert_eq!(
            running(&guest),
            "kv 0.2.0 (sha256 0123456789ab, signed by ann\\n, from storage)"
        );
        guest.vouched_by = "unpinned".to_owned();
        assert!(running(&guest).contains("unpinned"));
    }
}

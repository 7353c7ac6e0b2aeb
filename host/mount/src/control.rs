//! A mount's own paths, at and below `.airlock`: what runs here, and which guest is to run.
//!
//! | path | operation | what |
//! |---|---|---|
//! | `.airlock`, `.airlock/status` | read | what runs, since when, and why not |
//! | `.airlock/metrics` | read | the mount's numbers, for Prometheus |
//! | `.airlock/guests` | list | the guests that are stored |
//! | `.airlock/guests/<sha256>` | write | announce a guest; once all its pieces are here, check it |
//! | `.airlock/pieces/<sha256>` | write | store a piece |
//! | `.airlock/swap`, `downgrade`, `rollback` | write | let another guest take over |
//! | `.airlock/gc` | write | remove guests that nothing names |
//! | `.airlock/export` | write | a page of what is stored, if the registration allows that |
//! | `.airlock/record` | write, read, delete | begin to record, show, and forget a recording, if the registration allows that |
//! | `.airlock/record/stop` | write | end the recording |
//! | `.airlock/record/pieces/<number>` | read | lines of a recording that has ended |
//!
//! No guest ever sees these requests. Vault is told all of them as root paths, so a caller needs `sudo`; and a request that
//! came without a token is refused, whatever Vault may have been told.

mod answer;
mod ask;
mod record;
mod status;

pub(crate) use answer::Running;
pub(crate) use status::text as time_text;

use airlock_sandbox::CONTROL;
use airlock_trust::Digest;
use vault_plugin::{Error, Operation, Request, Response};

use crate::vault_mount::VaultMount;
use crate::vault_mount::change::Move;

/// The version of these paths and their answers.
pub(crate) const PROTOCOL: u32 = 1;

/// Answers a request for a mount's own paths.
pub(crate) async fn answer(mount: &VaultMount, request: &Request) -> Result<Option<Response>, Error> {
    if request.unauthenticated {
        return Err(Error::PermissionDenied);
    }
    mount.name_in_log();
    if request.path.contains("//") {
        return Err(Error::User(format!(
            "the path has more than one `/` in a row: write it as in `{CONTROL}/status`"
        )));
    }
    let path = request.path.strip_prefix(CONTROL).unwrap_or_default();
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let is_write = matches!(request.operation, Operation::Create | Operation::Update);
    match (first, rest, &request.operation) {
        ("" | "status", "", Operation::Read) => Ok(Some(mount.status().await?)),
        ("metrics", "", Operation::Read) => Ok(Some(mount.numbers().await?)),
        ("guests", "", Operation::List) => Ok(Some(mount.stored_guests().await?)),
        ("guests", digest, _) if is_write => {
            let announced = mount.announce(named(digest)?, request).await?;
            Ok(Some(announced))
        }
        ("pieces", digest, _) if is_write => mount.put_piece(named(digest)?, request).await.map(Some),
        ("swap", "", _) if is_write => mount.move_to(Move::Swap, request).await.map(Some),
        ("downgrade", "", _) if is_write => mount.move_to(Move::Downgrade, request).await.map(Some),
        ("rollback", "", _) if is_write => mount.move_to(Move::Rollback, request).await.map(Some),
        ("gc", "", _) if is_write => mount.collect().await.map(Some),
        ("export", "", _) if is_write => mount.export(request).await.map(Some),
        ("record", rest, _) => mount.record(rest, request).await,
        (
            "" | "status" | "metrics" | "guests" | "pieces" | "swap" | "downgrade" | "rollback" | "gc"
            | "export",
            ..,
        ) => Err(Error::UnsupportedOperation),
        _ => Err(Error::UnsupportedPath),
    }
}

/// Reads a digest from a path or from the data. It has one spelling, so that a policy for a path is about all of it.
fn named(digest: &str) -> Result<Digest, Error> {
    let parsed = digest.parse().ok();
    parsed
        .filter(|parsed: &Digest| parsed.to_string() == digest)
        .ok_or_else(|| {
            Error::User(
                "name the guest or the piece by its SHA-256, in 64 hexadecimal digits, letters in lower case"
                    .to_owned(),
            )
        })
}

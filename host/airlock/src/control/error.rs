//! The reasons why a command about a mount's guests failed.

use printable::Printable;
use thiserror::Error;

use super::mount_path::MountPath;
use crate::vault::error::{Failure, joined};

/// The reason why a command failed at a mount. Each is one line that names the mount and says what to do.
#[derive(Debug, Error)]
pub enum ControlError {
    #[error(
        "no Airlock at {0}, or one without control paths: one too old for guests in storage, or `airlock dev`, which runs each \
         new build of a file by itself; nothing was sent; `vault secrets list` shows the mounts"
    )]
    NoAirlock(MountPath),
    #[error("nothing is mounted at {0}: `vault secrets list` shows the mounts; nothing was sent")]
    NoMount(MountPath),
    #[error(
        "{mount} is Vault's own {} engine and not Airlock, whatever it answers; nothing was sent",
        Printable(engine)
    )]
    BuiltIn { mount: MountPath, engine: String },
    #[error(
        "{mount} is not a mount, but a path in the mount {}; nothing was sent",
        Printable(of)
    )]
    NotTheMount { mount: MountPath, of: String },
    #[error(
        "{mount}: its host {} speaks protocol {found} and this command {}: use the airlock of the host's version; \
         nothing was sent",
        Printable(host_version),
        super::answers::PROTOCOL
    )]
    OtherProtocol {
        mount: MountPath,
        host_version: String,
        found: u64,
    },
    #[error("{mount} does not take guests: {}; nothing was sent", Printable(reason))]
    Refuses { mount: MountPath, reason: String },
    #[error(
        "{mount}: permission denied: a policy of the token needs  path \"{path}\" {{ capabilities = [{capabilities}] }} \
         (or the token is not valid any more: log in again)"
    )]
    Denied {
        mount: MountPath,
        path: String,
        capabilities: &'static str,
    },
    #[error("{mount}: {what} was answered in a form that this command does not know: {reason}")]
    Malformed {
        mount: MountPath,
        what: &'static str,
        reason: String,
    },
    #[error("{mount}")]
    Failed { mount: MountPath, source: Failure },
    #[error(
        "{mount}: {what} got no clear answer and may have been carried out: look with `airlock status --mount {}`",
        mount.argument()
    )]
    Unknown {
        mount: MountPath,
        what: &'static str,
        source: Failure,
    },
    /// The host's words say what to do.
    #[error("{mount}: {}", joined(texts))]
    NeedsReload { mount: MountPath, texts: Vec<String> },
}

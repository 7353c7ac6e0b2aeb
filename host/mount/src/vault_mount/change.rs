//! A change of the guest that a mount runs: what is asked for, what is known before, and what came of it.

use std::sync::Arc;

use airlock_trust::Digest;
use serde::Serialize;

use crate::guest_mount::GuestMount;
use crate::pushed::{Actor, Record};
use crate::source::GrantedGuest;

/// The way in which a mount gets another guest. Each has a path of its own, so that policies can keep them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// To a guest that is not older than any that ran.
    Swap,
    /// To any stored guest.
    Downgrade,
    /// To the guest that ran before.
    Rollback,
}

/// A change of guest that somebody asks for.
pub(crate) struct Change {
    /// The guest; `None` for a rollback to the one before.
    pub digest: Option<Digest>,
    pub way: Move,
    /// True if the guest may have special paths that Vault does not enforce yet.
    pub reload: bool,
    pub by: Actor,
}

/// The result of a move.
pub(crate) struct Moved {
    pub record: Record,
    /// True if Vault has to reload the mount before the guest runs.
    pub reload_needed: bool,
}

/// The state of a change before the guest takes over.
pub(super) enum Prepared {
    /// It runs already.
    Runs(Record),
    /// It may run after a reload, once this record is written.
    NeedsReload {
        record: Record,
        next: Record,
    },
    Ready(Successor),
}

/// A guest that may take over.
pub(super) struct Successor {
    pub record: Record,
    pub next: Record,
    pub granted: Arc<GrantedGuest>,
    pub new: Arc<GuestMount>,
    pub old: Option<Arc<GuestMount>>,
}

/// A change of guest that did not come about.
#[derive(Clone, Serialize)]
pub(crate) struct Refused {
    /// The guest, unless it was that of a rollback.
    pub(super) sha256: Option<Digest>,
    /// In the layout of RFC 3339.
    pub(super) at: Option<String>,
    pub(super) reason: String,
}

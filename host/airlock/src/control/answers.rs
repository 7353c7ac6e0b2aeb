//! Defines the host's answers at a mount's control paths.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The version of the control paths that this program speaks.
pub const PROTOCOL: u64 = 1;

/// The answer of `.airlock/record`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Recording {
    /// `running`, or why it has ended.
    pub state: String,
    /// Seconds since it began.
    pub seconds: u64,
    /// The number of pieces to fetch, once it has ended.
    pub pieces: usize,
    pub recorded: u64,
    pub other_course: u64,
    pub skipped: u64,
    pub not_comparable: BTreeMap<String, u64>,
}

/// The answer of `.airlock/status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Status {
    pub host: String,
    pub host_version: String,
    pub protocol: u64,
    /// True if this node may write to the mount's storage.
    pub can_write: bool,
    /// True if the mount takes guests from its storage.
    pub accepts_push: bool,
    /// The reason why one of these is false.
    pub why_not: Option<String>,
    pub running: Option<Running>,
    /// The reason why nothing runs.
    pub cause: Option<String>,
    /// The digest of the guest that the record in storage names.
    pub active: Option<String>,
    #[serde(default)]
    pub previous: Vec<Previous>,
    /// The highest version that ran on the mount.
    pub highest: Option<String>,
    /// The last change of guest, if it did not come about.
    #[serde(default)]
    pub refused: Option<Refused>,
    /// The guest that is being tried, or was tried last.
    #[serde(default)]
    pub canary: Option<Canary>,
    /// The breaker, which sets the guest aside if it fails again and again.
    #[serde(default)]
    pub breaker: Option<Breaker>,
    /// The time at which the pushed guest that runs became active, and who asked for it.
    #[serde(default)]
    pub activated: Option<Activated>,
    /// The limits under which the guest runs, by the names of the flags of `serve`.
    #[serde(default)]
    pub limits: Option<BTreeMap<String, u64>>,
    #[serde(default)]
    pub counts: Option<Counts>,
    #[serde(default)]
    pub node: Option<Node>,
}

/// The change that made a guest active.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Activated {
    pub at: Option<String>,
    /// The caller's name, as Vault gives it.
    pub display_name: String,
    /// Empty for a token without an entity.
    pub entity_id: String,
}

/// Numbers of a mount's calls, requests and changes of guest, on the node that answered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Counts {
    pub since: Option<String>,
    /// The calls that ended, by their outcome.
    pub calls: BTreeMap<String, u64>,
    /// The changes of guest: `done` and `refused`.
    pub swaps: BTreeMap<String, u64>,
    pub requests_running: u64,
    pub requests_waiting: u64,
}

/// The node that answered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Node {
    pub host: Option<String>,
    pub pid: u64,
    pub cluster_id: Option<String>,
    pub vault_version: Option<String>,
}

/// The state of a mount's breaker.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Breaker {
    /// `closed`, `open`, `half-open` or `off`.
    pub state: String,
    /// The time since which it is open, or closed.
    pub since: Option<String>,
    /// The number of failures in a row.
    pub failures: u64,
    /// The last failure.
    pub cause: Option<String>,
    /// Whom it refuses while it is open: `everybody`, or the `callers` whose requests failed.
    pub refuses: Option<String>,
    /// The time from which the guest is tried again.
    pub next_try: Option<String>,
}

/// A change of guest that did not come about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refused {
    /// The guest, unless it was that of a rollback.
    pub sha256: Option<String>,
    pub at: Option<String>,
    pub reason: String,
}

/// A guest that is tried on live traffic.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Canary {
    pub sha256: String,
    pub report: Report,
}

/// The findings of a trial so far. The numbers are of requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Report {
    /// Those that both guests answered alike, by operation.
    pub same: BTreeMap<String, u64>,
    /// Those that could not be repeated exactly, by operation.
    pub not_comparable: BTreeMap<String, u64>,
    /// Those that were not tried.
    pub skipped: u64,
    /// Those that the guests answered otherwise, by operation.
    pub different: BTreeMap<String, u64>,
    /// Numbers of differences, by operation and kind. A request may differ in several.
    pub differences: BTreeMap<String, u64>,
    /// `running`, `passed`, `differs`, `too-few-comparable`, `timed-out` or `failed`.
    pub state: String,
    pub cause: Option<String>,
}

/// A guest that runs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Running {
    pub name: String,
    pub version: String,
    pub sha256: String,
    /// `pin`, `signature` or `unpinned`.
    pub vouched_by: String,
    pub signer: Option<String>,
    /// `file`, `storage` or `executable`.
    pub source: String,
    pub layout_version: u64,
    /// The time since which it is set up on the node that answered.
    #[serde(default)]
    pub since: Option<String>,
}

/// A guest that was active before.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Previous {
    pub sha256: String,
    pub name: String,
    pub version: String,
}

/// The answer to a guest's manifest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Stored {
    /// The digests of pieces that are not in storage yet.
    pub missing: Vec<String>,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub version: String,
    #[serde(default)]
    pub signer: Option<String>,
}

/// The answer to a swap, a rollback or a downgrade.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Swapped {
    pub running: Option<Running>,
    pub previous: Option<String>,
    pub reload_needed: bool,
    #[serde(default)]
    pub rollback_possible: bool,
}

/// The list of guests in a mount's storage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Guests {
    pub keys: Vec<String>,
    #[serde(default)]
    pub key_info: BTreeMap<String, GuestInfo>,
}

/// One guest of the list. Of one whose pieces are not all there, the host does not know what the guest says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GuestInfo {
    pub name: Option<String>,
    pub version: Option<String>,
    pub size: u64,
    pub signer: Option<String>,
    /// The time at which it was stored, in RFC 3339.
    pub stored: Option<String>,
    pub active: bool,
}

/// The guests and pieces that `gc` has removed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Removed {
    pub guests: u64,
    pub pieces: u64,
    pub bytes: u64,
}

/// A page of what a mount stores. It has no `Debug`: the entries are secrets.
#[derive(Deserialize)]
pub struct Page {
    pub entries: Vec<Exported>,
    /// The key to ask for the next page with.
    pub next: Option<String>,
}

/// An entry of a mount's storage.
#[derive(Deserialize)]
pub struct Exported {
    pub stored_key: String,
    /// In base64.
    pub stored_value: String,
    pub seal_wrap: bool,
}

//! The answer of `.airlock/status`: what runs on a mount, since when and by whom, and what it has done.

use std::fs;
use std::time::Duration;

use airlock_sandbox::Limit;
use airlock_trust::Digest;
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::timeout;
use vault_plugin::{Error, Response};

use super::PROTOCOL;
use crate::breaker::Settings;
use crate::guest_mount::GuestMount;
use crate::options;
use crate::pushed::{Activation, Build, Record};
use crate::vault_mount::VaultMount;

/// Longest time for which the server is asked about itself. Vault answers from its memory.
const ASK: Duration = Duration::from_secs(2);

/// A guest that ran before.
#[derive(Serialize)]
struct Earlier<'a> {
    sha256: Digest,
    name: &'a str,
    version: &'a str,
}

impl<'a> From<&'a Build> for Earlier<'a> {
    fn from(build: &'a Build) -> Self {
        Self {
            sha256: build.sha256,
            name: &build.name,
            version: &build.version,
        }
    }
}

/// The change that made the guest active, if it was pushed.
#[derive(Serialize)]
struct Activated<'a> {
    at: Option<String>,
    /// The name that Vault gives the caller, such as `userpass-ann`.
    display_name: &'a str,
    entity_id: &'a str,
}

impl<'a> From<&'a Activation> for Activated<'a> {
    fn from(activation: &'a Activation) -> Self {
        let at = OffsetDateTime::from_unix_timestamp(activation.at).ok();
        Self {
            at: at.and_then(text),
            display_name: &activation.by.display_name,
            entity_id: &activation.by.entity_id,
        }
    }
}

impl VaultMount {
    pub(super) async fn status(&self) -> Result<Response, Error> {
        let (running, cause) = match self.state().await {
            Ok(()) => (self.running(), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let takes_pushed = self.finder.source.takes_pushed();
        let record = Record::read(&*self.finder.parts.storage).await;
        let (record, unreadable) = match record {
            Ok(record) => (record, None),
            Err(error) => (Record::default(), Some(error.to_string())),
        };
        let previous: Vec<_> = record.previous.iter().map(Earlier::from).collect();
        let canary = self.canary.read().clone();
        let guest = self.current();
        let metrics = &self.finder.parts.metrics;
        let (requests_running, requests_waiting) = self.load();
        Response::json(&json!({
            "host": "airlock",
            "host_version": env!("CARGO_PKG_VERSION"),
            "protocol": PROTOCOL,
            "can_write": !self.finder.parts.is_standby,
            "accepts_push": takes_pushed.is_ok(),
            "why_not": takes_pushed.err(),
            "running": running,
            "cause": unreadable.or(cause),
            "active": record.active.as_ref().map(|build| build.sha256),
            "activated": record.activation.as_ref().map(Activated::from),
            "previous": previous,
            "highest": record.highest.map(|version| version.to_string()),
            "refused": self.refused.lock().clone(),
            "breaker": guest.as_ref().map(|guest| guest.breaker().report()),
            "canary": canary.map(|canary| json!({ "sha256": canary.digest, "report": canary.report() })),
            "limits": guest.as_ref().map(|guest| self.limits(guest)),
            "counts": {
                "since": text(metrics.since()),
                "calls": metrics.outcomes(),
                "swaps": metrics.swaps(),
                "requests_running": requests_running,
                "requests_waiting": requests_waiting,
            },
            "node": self.node().await,
        }))
    }

    /// Returns the limits under which the guest runs, by the names of the flags.
    fn limits(&self, guest: &GuestMount) -> Value {
        let limits = guest.guest().limits();
        let of_mount = Limit::OF_MOUNT.into_iter();
        let mut named: serde_json::Map<_, _> = of_mount
            .map(|limit| (options::name(limit).to_owned(), limit.number(limits).into()))
            .collect();
        let Settings { failures, pause } = self.finder.parts.breaker;
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        named.insert("breaker".to_owned(), failures.into());
        named.insert("breaker-ms".to_owned(), pause_ms.into());
        named.into()
    }

    /// Returns where this runs, as far as a plugin can know. What is not known is `null`.
    async fn node(&self) -> Value {
        let system = &self.finder.parts.services.system;
        let asked = async { (system.cluster_id().await.ok(), system.vault_version().await.ok()) };
        let (cluster_id, vault_version) = timeout(ASK, asked).await.unwrap_or_default();
        // Linux only, like the confinement of the process.
        let host = fs::read_to_string("/proc/sys/kernel/hostname").ok();
        json!({
            "host": host.as_deref().map(str::trim_end),
            "pid": std::process::id(),
            "cluster_id": cluster_id,
            "vault_version": vault_version,
        })
    }
}

/// Returns a time in the layout of RFC 3339, in whole seconds.
pub(crate) fn text(time: OffsetDateTime) -> Option<String> {
    time.replace_nanosecond(0).ok()?.format(&Rfc3339).ok()
}

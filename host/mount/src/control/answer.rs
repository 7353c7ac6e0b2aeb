//! The answers of a mount's own paths.

use airlock_trust::{By, Digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use serde_json::{Map, json};
use time::OffsetDateTime;
use vault_plugin::{Error, Response};

use super::time_text;
use crate::metrics::{Info, MEDIA_TYPE, Now};
use crate::pushed::{About, Collected, Record};
use crate::source::GrantedGuest;
use crate::vault_mount::VaultMount;
use crate::vault_mount::change::Moved;
use crate::vault_mount::swap::refused;

/// The guest that runs.
#[derive(Serialize)]
pub(crate) struct Running {
    name: String,
    version: String,
    sha256: String,
    vouched_by: &'static str,
    signer: Option<String>,
    source: &'static str,
    layout_version: u32,
    /// The time since which it is set up on this mount in this process.
    since: Option<String>,
}

impl Running {
    pub fn of(granted: &GrantedGuest, source: &'static str, since: OffsetDateTime) -> Self {
        let description = granted.guest.description();
        let voucher = granted.voucher.as_ref();
        let signed = voucher.and_then(|voucher| voucher.signed());
        Self {
            name: description.name.clone(),
            version: description.version.clone(),
            sha256: granted.guest.digest().to_owned(),
            vouched_by: match voucher.map(|voucher| voucher.by()) {
                Some(By::Pin(_)) => "pin",
                Some(By::Signature(_)) => "signature",
                Some(By::Program) => "program",
                Some(By::Unpinned) | None => "unpinned",
            },
            signer: signed.map(|signed| signed.signer().to_string()),
            source,
            layout_version: description.storage_version,
            since: time_text(since),
        }
    }
}

impl VaultMount {
    pub(super) async fn numbers(&self) -> Result<Response, Error> {
        let serves = self.state().await.is_ok();
        let text = self.metrics_text(serves);
        let text = text.map_err(|_| Error::Internal("the numbers cannot be written down".to_owned()))?;
        Response::json(&json!({
            "http_status_code": 200,
            "http_content_type": MEDIA_TYPE,
            "http_raw_body": BASE64.encode(text),
        }))
    }

    /// Returns the mount's numbers as text of the [`MEDIA_TYPE`](crate::METRICS_MEDIA_TYPE). Calls neither the guest nor storage,
    /// so anybody may ask at any time.
    ///
    /// # Errors
    /// None occurs in practice: writing to a text cannot fail.
    pub fn known_metrics_text(&self) -> Result<String, std::fmt::Error> {
        self.metrics_text(self.may_serve())
    }

    fn metrics_text(&self, serves: bool) -> Result<String, std::fmt::Error> {
        let info = self.running().filter(|_| serves).map(|running| Info {
            name: running.name,
            version: running.version,
            sha256: running.sha256,
            signer: running.signer.unwrap_or_default(),
            source: running.source,
        });
        let (running, waiting) = self.load();
        self.finder.parts.metrics.text(Now {
            serves,
            info,
            running: running.into(),
            waiting: waiting.into(),
            breaker: self.current().map_or(0, |guest| guest.breaker().number()),
        })
    }

    pub(super) async fn stored_guests(&self) -> Result<Response, Error> {
        let record = Record::read(&*self.finder.parts.storage).await.map_err(refused)?;
        let active = record.active.map(|build| build.sha256);
        let guests = self.finder.guests.all().await.map_err(refused)?;
        let keys: Vec<_> = guests.keys().copied().collect();
        let mut info = Map::new();
        for (digest, manifest) in guests {
            let about = manifest.about.as_ref();
            let stored = OffsetDateTime::from_unix_timestamp(manifest.pushed.cast_signed())
                .ok()
                .and_then(time_text);
            let about = json!({
                "name": about.map(|about| &about.name),
                "version": about.map(|about| &about.version),
                "signer": about.and_then(|about| about.signer.as_ref()),
                "size": manifest.size,
                "stored": stored,
                "active": Some(digest) == active,
            });
            info.insert(digest.to_string(), about);
        }
        Response::json(&json!({ "keys": keys, "key_info": info }))
    }
}

pub(super) fn missing(pieces: &[Digest]) -> Result<Response, Error> {
    Response::json(&json!({ "missing": pieces }))
}

pub(super) fn whole(about: &About) -> Result<Response, Error> {
    Response::json(&json!({
        "missing": [],
        "name": about.name,
        "version": about.version,
        "signer": about.signer,
    }))
}

pub(super) fn stored() -> Result<Response, Error> {
    Response::json(&json!({ "stored": true }))
}

pub(super) fn moved(moved: &Moved, running: Option<Running>) -> Result<Response, Error> {
    let Moved {
        record,
        reload_needed,
    } = moved;
    let active = record.active.as_ref();
    let last = record.previous.first();
    let rollback_possible = active
        .zip(last)
        .is_some_and(|(active, last)| last.layout >= active.layout);
    Response::json(&json!({
        "running": running,
        "previous": last.map(|build| build.sha256),
        "reload_needed": reload_needed,
        "rollback_possible": rollback_possible,
    }))
}

pub(super) fn collected(collected: &Collected) -> Result<Response, Error> {
    let Collected {
        guests,
        pieces,
        bytes,
    } = collected;
    Response::json(&json!({ "guests": guests, "pieces": pieces, "bytes": bytes }))
}

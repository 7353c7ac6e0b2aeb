//! Answers the page's own requests, as JSON, below `/ui/api/`.

use std::time::Duration;

use airlock_storage::Storage;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{Method, Request};
use hyper::body::Incoming;
use serde_json::{Value, json};
use vault_core::json::to_text;

use crate::answer::{Answer, Refusal};
use crate::call::{Query, token};
use crate::core::{Core, sanitized};
use crate::effects::{EventSent, Excerpt, KeyChange};
use crate::go::moment;
use crate::journal::Kept;
use crate::sys;

/// The longest time that a request for new records waits for one.
const WAIT: Duration = Duration::from_secs(20);
/// The number of keys of a folder that are shown at a time.
const PAGE: usize = 200;

/// Answers one request of the page.
///
/// # Errors
/// Returns 403 without the token, 404, 405, and 400 for a request that is not valid.
pub(super) async fn answer(request: Request<Incoming>, name: &str, core: &Core) -> Result<Answer, Refusal> {
    core.authorize(&token(request.headers()))?;
    let query = Query::of(request.uri());
    let shown = match (name, request.method()) {
        ("requests", &Method::GET) => requests(core, &query).await,
        ("effects", &Method::GET) => effects(core, &query)?,
        ("keys", &Method::GET) => keys(core, &query).await?,
        ("value", &Method::GET) => value(core, &query).await?,
        ("requests" | "effects" | "keys" | "value", _) => return Err(Refusal::status(405)),
        _ => return Err(Refusal::status(404)),
    };
    Ok(Answer::json(200, to_text(&shown)))
}

/// Returns the requests after number `after`, and the clock, which they may have moved. If there are none, it waits for
/// the next one.
async fn requests(core: &Core, query: &Query) -> Value {
    let after = query.first("after").parse().unwrap_or(0);
    let _ = tokio::time::timeout(WAIT, core.journal.wait_after(after)).await;
    let requests: Value = core.journal.after(after).iter().map(shown).collect();
    json!({ "requests": requests, "clock": sys::clock(core) })
}

fn shown(Kept { record, effects }: &Kept) -> Value {
    json!({
        "number": record.number,
        "at": moment(record.at),
        "operation": record.operation,
        "path": record.path,
        "status": record.status,
        "took_us": u64::try_from(record.took.as_micros()).unwrap_or(u64::MAX),
        "cost": record.cost.map(|cost| json!({
            "cpu_us": u64::try_from(cost.cpu.as_micros()).unwrap_or(u64::MAX),
            "reads": cost.reads,
            "writes": cost.writes,
            "lists": cost.lists,
        })),
        "changes": effects.changes.len() + effects.more_changes(),
        "events": effects.events.len() + effects.more_events,
    })
}

/// Returns what one request changed in storage, and the events that its engine sent.
fn effects(core: &Core, query: &Query) -> Result<Value, Refusal> {
    let number = query.first("number").parse().map_err(|_| Refusal::status(400))?;
    let kept = core.journal.get(number).ok_or_else(|| {
        Refusal::new(
            404,
            format!("request {number} is not among the recent ones, which are kept"),
        )
    })?;
    let effects = &kept.effects;
    let mounts = core.mounts();
    let changed = |change: &KeyChange| {
        let key = mounts.iter().find_map(|mount| {
            let key = mount.storage.own(&change.key)?;
            Some(format!("{}{key}", mount.path()))
        });
        json!({
            "key": key.as_ref().unwrap_or(&change.key),
            "kind": change.kind(),
            "before": change.before.as_ref().map(excerpt),
            "after": change.after.as_ref().map(excerpt),
        })
    };
    let sent = |event: &EventSent| {
        json!({
            "mount": event.mount,
            "type": excerpt(&event.event_type),
            "metadata": event.metadata.as_ref().map(excerpt),
        })
    };
    Ok(json!({
        "request": shown(&kept),
        "changed": effects.changes.iter().map(changed).collect::<Value>(),
        "more_changes": effects.more_changes(),
        "sent": effects.events.iter().map(sent).collect::<Value>(),
        "more_events": effects.more_events,
    }))
}

/// Shows the beginning of a value, as text if it is UTF-8, otherwise in base64.
fn excerpt(excerpt: &Excerpt) -> Value {
    let mut bytes = excerpt.bytes.clone();
    if bytes.len() < excerpt.length
        && let Err(error) = std::str::from_utf8(&bytes)
        && error.error_len().is_none()
    {
        bytes.truncate(error.valid_up_to()); // it was cut within a character
    }
    let mut shown = text_or_base64(&bytes);
    shown["shown"] = bytes.len().into();
    shown["length"] = excerpt.length.into();
    shown
}

fn text_or_base64(bytes: &Bytes) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "text": text }),
        Err(_) => json!({ "base64": BASE64.encode(bytes) }),
    }
}

/// Returns the names in a folder of a mount's storage that come after a name, without values.
async fn keys(core: &Core, query: &Query) -> Result<Value, Refusal> {
    let mount = mount(core, query)?;
    let names = mount
        .storage
        .list_page(query.first("folder"), query.first("after"), PAGE)
        .await?;
    Ok(json!({ "more": names.len() == PAGE, "keys": names }))
}

/// Returns one value, as text if it is UTF-8, otherwise in base64.
async fn value(core: &Core, query: &Query) -> Result<Value, Refusal> {
    let mount = mount(core, query)?;
    let entry = mount
        .storage
        .get(query.first("key"))
        .await?
        .ok_or_else(|| Refusal::status(404))?;
    let mut shown = text_or_base64(&entry.value);
    shown["seal_wrap"] = entry.seal_wrap.into();
    Ok(shown)
}

fn mount(core: &Core, query: &Query) -> Result<std::sync::Arc<crate::mount::Mount>, Refusal> {
    let path = sanitized(query.first("mount"));
    core.mount_at(&path)
        .ok_or_else(|| Refusal::new(404, format!("nothing is mounted at {path}")))
}

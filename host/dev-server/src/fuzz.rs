//! The decoders of foreign bytes, for the targets in `tests/fuzz`. Not an interface: it changes without notice.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use serde_json::{Map, Value};
use vault_plugin::{Json, Operation};

use crate::call::{Head, cleaned, is_percent_encoded};
use crate::{go, host, mount, raw};

/// A request as the server understands it.
pub struct Call {
    /// What is asked.
    pub operation: Operation,
    /// Without `/v1/`; decoded.
    pub path: String,
    /// The data.
    pub data: Option<Json>,
    /// How long the answer is to be wrapped.
    pub wrap_ttl: Option<Duration>,
}

/// Reads a request as the listener does.
///
/// # Errors
/// The status and the errors of the answer, or where the caller is sent in place of one.
pub fn call(request: Request<Bytes>) -> Result<Call, (u16, String)> {
    let path = request.uri().path();
    if !is_percent_encoded(path.as_bytes()) {
        return Err((400, String::new()));
    }
    if let Some(clean) = cleaned(request.method(), path) {
        return Err((307, clean));
    }
    let told = |refusal: crate::answer::Refusal| (refusal.status, refusal.errors.join("\n"));
    host::check(request.uri(), request.headers()).map_err(told)?;
    let (parts, body) = request.into_parts();
    let head = Head::read(parts, Instant::now()).map_err(told)?;
    let body = if head.has_body() { body } else { Bytes::new() };
    let caller = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let call = head.with_body(&body, caller).map_err(told)?;
    Ok(Call {
        operation: call.operation,
        path: call.path,
        data: call.data,
        wrap_ttl: call.wrap_ttl,
    })
}

/// A text as the caller gets it, if it is an answer's data: numbers as floats, in Go's form.
pub fn shown(data: &Json) -> Option<String> {
    crate::core::shown(data).map(|data| go::to_text(&data))
}

/// The status and the body of an HTTP answer of an engine's own.
pub fn raw_answer(data: &Map<String, Value>) -> (u16, Bytes) {
    let answer = raw::answer(data, false);
    (answer.status.as_u16(), answer.body)
}

/// Whether a body's limits and syntax are such that Vault would decode it.
pub fn is_json(body: &[u8]) -> bool {
    go::check_limits(body).is_ok() && go::check_syntax(body).is_ok()
}

/// Whether a path is among an engine's special ones.
pub fn is_special(paths: &[String], path: &str) -> bool {
    mount::is_special(paths, path)
}

/// A duration as Vault's API takes it.
///
/// # Errors
/// Go's words.
pub fn parse_duration(value: &Value) -> Result<Duration, String> {
    go::parse_duration(value)
}

/// A duration as Vault's warnings show it.
pub fn human_duration(duration: Duration) -> String {
    go::human_duration(duration)
}

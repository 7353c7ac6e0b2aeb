//! Exposes the decoders of foreign bytes to the targets in `tests/fuzz`. It may change without notice.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use serde_json::{Map, Value};
use vault_core::OwnAnswer;
use vault_core::json::to_text;
use vault_plugin::{Json, Operation};

use crate::call::{Head, cleaned, is_percent_encoded};
use crate::{go, host, mount, raw};

/// A request as the server understands it.
pub struct Call {
    /// The operation.
    pub operation: Operation,
    /// The path without `/v1/`, decoded.
    pub path: String,
    /// The data.
    pub data: Option<Json>,
    /// The time for which the answer is to be wrapped.
    pub wrap_ttl: Option<Duration>,
}

/// Reads a request as the listener does.
///
/// # Errors
/// Returns the status and the errors of the answer, or the path that the caller is redirected to.
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

/// Returns an answer's data as the caller gets it, with numbers as floats in Go's form; none if the text is not valid data.
pub fn shown(data: &Json) -> Option<String> {
    crate::core::shown(data).map(|data| to_text(&data))
}

/// Builds the status and the body of an HTTP answer from an engine's raw data.
pub fn raw_answer(data: &Map<String, Value>) -> (u16, Bytes) {
    let answer = raw::answer(OwnAnswer::read(data, false));
    (answer.status.as_u16(), answer.body)
}

/// Returns true if Vault would decode a body, that is, if it keeps the limits and is valid JSON.
pub fn is_json(body: &[u8]) -> bool {
    go::check_limits(body).is_ok() && go::check_syntax(body).is_ok()
}

/// Returns true if a path is one of an engine's special paths.
pub fn is_special(paths: &[String], path: &str) -> bool {
    mount::is_special(paths, path)
}

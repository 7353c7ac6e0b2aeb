//! An engine's own HTTP answer, which it gives with `http_status_code` and related fields in its data.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use crate::answer::Answer;

/// Returns the answer, or Vault's empty 500 with a header that says what is wrong with it.
pub(crate) fn answer(data: &Map<String, Value>, has_secret: bool) -> Answer {
    let refused = |why: &str| Answer::empty(500).with_header("x-vault-raw-error", why);
    if has_secret {
        return refused("raw responses cannot contain secrets or auth");
    }
    let status = data
        .get("http_status_code")
        .and_then(Value::as_f64)
        .filter(|code| (100.0..1000.0).contains(code));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between 100 and 1000
    let Some(status) = status.map(|status| status as u16) else {
        return refused("cannot decode status code");
    };
    let mut answer = Answer::empty(status);
    let text = |name: &str| data.get(name).and_then(Value::as_str);
    match (data.get("http_content_type"), text("http_content_type")) {
        (None, _) if status != 204 => return refused("no content type given"),
        (Some(_), None) => return refused("cannot decode content type"),
        (_, Some(content_type)) if !content_type.is_empty() => {
            answer = answer.with_header("content-type", content_type);
        }
        _ => {}
    }
    if status != 204 {
        match (data.get("http_raw_body"), text("http_raw_body")) {
            (Some(_), None) => return refused("cannot decode body"),
            (_, Some(body)) => {
                answer.body = BASE64
                    .decode(body)
                    .unwrap_or_else(|_| body.as_bytes().to_vec())
                    .into();
            }
            _ => {}
        }
    }
    for (name, header) in [
        ("http_raw_cache_control", "cache-control"),
        ("http_raw_pragma", "pragma"),
        ("http_www_authenticate", "www-authenticate"),
    ] {
        if let Some(value) = text(name) {
            answer = answer.with_header(header, value);
        }
    }
    answer
}

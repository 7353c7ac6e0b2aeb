//! The page at `/ui`, and its requests that Vault's own API does not have: stored keys, and recent requests
//! with their effects.
//!
//! The page consists of six files that are part of the program. Its content security policy allows only its own
//! scripts and styles. The page sends the token with its requests, as any caller does. Engines answer on the page's
//! origin, so every other answer is [`sandboxed`](Answer::sandboxed).

mod api;

use http::{Method, Request};
use hyper::body::Incoming;

use crate::answer::{Answer, Refusal};
use crate::core::Core;

const PAGE: &str = include_str!("ui/page.html");
const STYLE: &str = include_str!("ui/style.css");
const SCRIPT: &str = include_str!("ui/script.js");
const ROUTES: &str = include_str!("ui/routes.js");
const LEASES: &str = include_str!("ui/leases.js");
const EFFECTS: &str = include_str!("ui/effects.js");

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Answers requests that are not below `/v1/`.
pub(crate) async fn answer(request: Request<Incoming>, core: &Core) -> Answer {
    if let Some(name) = request.uri().path().strip_prefix("/ui/api/") {
        let name = name.to_owned();
        return api::answer(request, &name, core)
            .await
            .unwrap_or_else(Refusal::into_answer)
            .sandboxed();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Refusal::status(405).into_answer();
    }
    match request.uri().path() {
        "/" | "/ui" => Answer::empty(307).with_header("location", "/ui/"),
        "/ui/" => file(PAGE, "text/html; charset=utf-8"),
        "/ui/style.css" => file(STYLE, "text/css; charset=utf-8"),
        "/ui/script.js" => file(SCRIPT, "text/javascript; charset=utf-8"),
        "/ui/routes.js" => file(ROUTES, "text/javascript; charset=utf-8"),
        "/ui/effects.js" => file(EFFECTS, "text/javascript; charset=utf-8"),
        "/ui/leases.js" => file(LEASES, "text/javascript; charset=utf-8"),
        _ => Refusal::status(404).into_answer(),
    }
}

fn file(text: &'static str, content_type: &str) -> Answer {
    let mut answer = Answer::empty(200)
        .with_header("content-type", content_type)
        .with_header("content-security-policy", POLICY)
        .with_header("x-content-type-options", "nosniff")
        .with_header("referrer-policy", "no-referrer");
    answer.body = text.as_bytes().into();
    answer
}

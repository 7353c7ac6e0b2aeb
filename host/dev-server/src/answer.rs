//! Answers to callers: Vault's envelope, its errors, or an engine's own HTTP answer.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::Value;
use vault_core::json::to_text_in_order;
use vault_core::{Envelope, errors, redirect_page};

/// An HTTP answer.
#[derive(Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Makes an answer from a JSON text, to which it adds the final newline that Vault writes.
    pub(crate) fn json(status: u16, mut text: String) -> Answer {
        text.push('\n');
        let mut answer = Answer::empty(status);
        answer
            .headers
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer.body = text.into();
        answer
    }

    /// Makes an answer without a body, even if the status allows one.
    pub(crate) fn empty(status: u16) -> Answer {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(
            "strict-transport-security",
            HeaderValue::from_static("max-age=31536000; includeSubDomains"),
        );
        Answer {
            status,
            headers,
            body: Bytes::new(),
        }
    }

    /// Answers 204 without a body but with a media type, as Vault does.
    pub(crate) fn no_content() -> Answer {
        Answer::empty(204).with_header("content-type", "application/json")
    }

    /// Redirects with 307 to another path of this server, or to the address that an engine gives, in the form that Go
    /// writes.
    pub(crate) fn redirect(to: &str, method: &Method) -> Answer {
        let mut answer = Answer::empty(307).with_header("location", to);
        if matches!(*method, Method::GET | Method::HEAD) {
            answer = answer.with_header("content-type", "text/html; charset=utf-8");
            answer.body = redirect_page(to).into();
        }
        answer
    }

    /// Answers as Go does to bytes that are not valid HTTP.
    pub(crate) fn bad_request() -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        Answer {
            status: StatusCode::BAD_REQUEST,
            headers,
            body: Bytes::from_static(b"400 Bad Request"),
        }
    }

    /// Keeps a browser from running the body: an engine's own answer may be a page with scripts, and its origin is that
    /// of the page at `/ui`, which knows the token. An engine cannot override this with headers of its own.
    pub(crate) fn sandboxed(self) -> Answer {
        const POLICY: &str =
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";
        self.with_header("content-security-policy", POLICY)
            .with_header("x-content-type-options", "nosniff")
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Answer {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }
}

/// The reason why a call was refused, in Vault's form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) errors: Vec<String>,
    /// The data that an engine's error answer has beside the error.
    pub(crate) data: Option<Value>,
}

impl Refusal {
    pub(crate) fn new(status: u16, text: impl Into<String>) -> Refusal {
        Refusal {
            status,
            errors: vec![text.into()],
            data: None,
        }
    }

    /// Makes a refusal with a status and no text: `{"errors":[]}`.
    pub(crate) fn status(status: u16) -> Refusal {
        Refusal {
            status,
            errors: Vec::new(),
            data: None,
        }
    }

    /// Makes a refusal with status 400.
    pub(crate) fn user(text: impl Into<String>) -> Refusal {
        Refusal::new(400, text)
    }

    /// Makes a refusal whose text lists the errors as Vault's core does.
    pub(crate) fn collected(status: u16, texts: &[&str]) -> Refusal {
        Refusal::new(status, errors::collected(texts))
    }

    pub(crate) fn unsupported_path() -> Refusal {
        Refusal::collected(404, &["unsupported path"])
    }

    pub(crate) fn unsupported_operation() -> Refusal {
        Refusal::collected(405, &["unsupported operation"])
    }

    pub(crate) fn into_answer(self) -> Answer {
        let body = errors::body(&self.errors, self.data);
        Answer::json(self.status, to_text_in_order(&body))
    }
}

/// The server's own storage failed. The caller of a development server may see the cause.
impl From<airlock_storage::Error> for Refusal {
    fn from(error: airlock_storage::Error) -> Refusal {
        Refusal::collected(500, &[&error.to_string()])
    }
}

/// A successful answer, before it is put into the envelope.
#[derive(Clone, Default)]
pub(crate) struct Reply {
    pub(crate) data: Option<Value>,
    pub(crate) warnings: Vec<String>,
    pub(crate) lease: Option<LeaseShown>,
    pub(crate) mount_type: String,
    /// The time for which the answer is wrapped, if the engine or the caller asks for wrapping.
    pub(crate) wrap_ttl: Option<Duration>,
    /// The headers that the mount lets through.
    pub(crate) headers: HeaderMap,
}

/// The fields of a lease that the envelope shows.
#[derive(Clone, Default)]
pub(crate) struct LeaseShown {
    pub(crate) id: String,
    pub(crate) renewable: bool,
    pub(crate) ttl: Duration,
}

impl Reply {
    pub(crate) fn data(data: Value) -> Reply {
        Reply {
            data: Some(data),
            ..Reply::default()
        }
    }

    /// Formats Vault's envelope.
    pub(crate) fn envelope(&self, request_id: &str) -> String {
        self.to_envelope(request_id).to_text()
    }

    /// Formats Vault's envelope, with the data's fields also at its top level, as older callers of `sys` expect.
    pub(crate) fn envelope_with_data_on_top(&self, request_id: &str) -> String {
        self.to_envelope(request_id).to_text_with_data_on_top()
    }

    fn to_envelope<'a>(&'a self, request_id: &'a str) -> Envelope<'a> {
        let mut envelope = Envelope {
            request_id,
            data: self.data.as_ref(),
            warnings: &self.warnings,
            mount_type: &self.mount_type,
            ..Envelope::default()
        };
        if let Some(lease) = &self.lease {
            envelope.lease_id = &lease.id;
            envelope.renewable = lease.renewable;
            envelope.lease_duration = lease.ttl;
        }
        envelope
    }
}

/// The result of a call that was not refused.
pub(crate) enum Outcome {
    Reply(Box<Reply>),
    /// The engine answered nothing: 404 for a request that asks for data, otherwise 204.
    Nothing,
    /// An HTTP answer that is sent without the envelope.
    Raw(Answer),
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Outcome {
        Outcome::Reply(Box::new(reply))
    }
}

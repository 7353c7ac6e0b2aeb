//! Builds the answers of handlers.

use std::fmt;
use std::time::Duration;

use crate::codec::{self, Object};
use crate::{Error, Header, Request, Result, Timestamp};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// An answer. Its `Debug` does not show data.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// A JSON object as text, or none.
    pub data: Option<String>,
    /// A lease, from [`Secret::lease`](crate::Secret::lease).
    pub lease: Option<Lease>,
    /// The location to which Vault redirects the caller, with a 307.
    pub redirect: Option<String>,
    /// Warnings for the caller, although the request succeeded.
    pub warnings: Vec<String>,
    /// HTTP headers. The mount passes on those that its `allowed_response_headers` names.
    pub headers: Vec<Header>,
    /// A wrapped answer, from [`System::wrap_data`](crate::System::wrap_data).
    pub wrap_info: Option<WrapInfo>,
}

impl Response {
    /// Answers with a JSON object: a struct, a map, `json!({ … })`. Vault makes 64-bit floats of its numbers.
    ///
    /// # Errors
    /// [`Error::Internal`] if it is not an object, or cannot be written as JSON.
    pub fn json(data: &(impl Serialize + ?Sized)) -> Result<Response> {
        let json = codec::write(data).map_err(|error| Error::Internal(format!("response: {error}")))?;
        match String::from_utf8(json) {
            Ok(data) if data.starts_with('{') => Ok(Response::text(data)),
            _ => Err(Error::internal("the data of a response must be a JSON object")),
        }
    }

    fn text(data: String) -> Response {
        Response {
            data: Some(data),
            ..Response::default()
        }
    }

    /// Answers a list with its keys; folders end in `/`. A list without keys is a 404.
    pub fn list<K: AsRef<str>>(keys: impl IntoIterator<Item = K>) -> Response {
        let keys: Vec<K> = keys.into_iter().collect();
        let keys: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
        Response::text(Object::text(|data| {
            if !keys.is_empty() {
                data.strings("keys", &keys);
            }
        }))
    }

    /// Answers with a status and a body of the engine's own, which Vault passes on unchanged. Use it for a 404 with a
    /// body, for exact numbers, or for anything but JSON.
    pub fn http(status: u16, content_type: &str, body: impl AsRef<[u8]>) -> Response {
        Response::text(Object::text(|data| {
            data.json("http_status_code", &status.to_string());
            data.string("http_content_type", content_type);
            data.string("http_raw_body", &STANDARD.encode(body));
        }))
    }

    /// Answers with a status of the engine's choice and the body that Vault would have made of this answer. Vault's own
    /// engines do this for a 404 with data or warnings. Leases and headers are lost.
    #[must_use]
    pub fn with_status(self, request: &Request, status: u16) -> Response {
        let body = self.body(&request.id, "");
        Response::raw(status, Some(&body))
    }

    /// Answers with the whole body that Vault makes of this answer, so that Vault passes numbers on unchanged instead
    /// of making 64-bit floats of them. Leases and headers are lost, and the answer must not be wrapped.
    #[must_use]
    pub fn finished(self, request: &Request) -> Response {
        let body = self.body(&request.id, &request.mount_type) + "\n";
        Response::raw(200, Some(&body))
    }

    // Guests do not contain `vault_core::Envelope`; a test compares the two.
    fn body(&self, request_id: &str, mount_type: &str) -> String {
        Object::text(|body| {
            body.string("request_id", request_id).string("lease_id", "");
            body.json("renewable", "false").json("lease_duration", "0");
            body.json("data", self.data.as_deref().unwrap_or("null"));
            body.json("wrap_info", "null");
            if self.warnings.is_empty() {
                body.json("warnings", "null");
            } else {
                let warnings: Vec<&str> = self.warnings.iter().map(String::as_str).collect();
                body.strings("warnings", &warnings);
            }
            body.json("auth", "null").string("mount_type", mount_type);
        })
    }

    /// Answers with a status and no body.
    pub fn status(status: u16) -> Response {
        Response::raw(status, None)
    }

    fn raw(status: u16, body: Option<&str>) -> Response {
        Response::text(Object::text(|data| {
            data.json("http_status_code", &status.to_string());
            data.string("http_content_type", "application/json");
            if let Some(body) = body {
                // As text, so that the audit log hashes it. Vault never takes it for base64, because it begins with a
                // brace.
                data.string("http_raw_body", body);
            }
        }))
    }

    /// Adds a warning.
    #[must_use]
    pub fn warning(mut self, text: impl Into<String>) -> Response {
        self.warnings.push(text.into());
        self
    }

    /// Adds a lease: Vault then sends renew and revoke at the right time. The warnings of the lease become those of the
    /// answer.
    #[must_use]
    pub fn lease(mut self, mut lease: Lease) -> Response {
        self.warnings.append(&mut lease.warnings);
        self.lease = Some(lease);
        self
    }

    /// Adds an HTTP header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Response {
        self.headers.push(Header {
            name: name.into(),
            values: vec![value.into()],
        });
        self
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("data", &self.data.as_ref().map(|_| "…"))
            .field("lease", &self.lease)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

/// A lease for the answer. See [`Secret`](crate::Secret). Its `Debug` does not show the internal data.
#[derive(Clone, PartialEq, Eq)]
pub struct Lease {
    /// The time of the lease; 0 means the mount's default.
    pub ttl: Duration,
    /// The maximum time, renewals included; 0 means the mount's maximum.
    pub max_ttl: Duration,
    /// True if it can be renewed.
    pub renewable: bool,
    pub(crate) secret_type: &'static str,
    pub(crate) internal_data: String,
    pub(crate) warnings: Vec<String>,
}

impl Lease {
    /// Sets the time of the lease and its maximum; 0 means the mount's value.
    #[must_use]
    pub fn lasting(mut self, ttl: Duration, max_ttl: Duration) -> Lease {
        self.ttl = ttl;
        self.max_ttl = max_ttl;
        self
    }

    /// Adds warnings for the caller, whether the lease is new or renewed. Vault itself warns a caller who gets less time
    /// than it asked for.
    #[must_use]
    pub fn warnings(mut self, texts: impl IntoIterator<Item = String>) -> Lease {
        self.warnings.extend(texts);
        self
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("secret_type", &self.secret_type)
            .field("ttl", &self.ttl)
            .field("max_ttl", &self.max_ttl)
            .field("renewable", &self.renewable)
            .finish_non_exhaustive()
    }
}

/// A wrapped answer, as Vault's response wrapping makes it.
#[derive(Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)] // Vault's own names.
pub struct WrapInfo {
    pub ttl: Duration,
    pub token: String,
    pub accessor: String,
    pub creation_time: Option<Timestamp>,
    pub wrapped_accessor: String,
    pub wrapped_entity_id: String,
    pub format: String,
    pub creation_path: String,
    pub seal_wrap: bool,
}

impl fmt::Debug for WrapInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WrapInfo")
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vault_core::Envelope;

    use super::*;

    #[test]
    fn only_an_object_can_be_data() {
        assert!(Response::json(&json!({ "a": 1 })).is_ok());
        assert!(matches!(Response::json(&json!([1])), Err(Error::Internal(_))));
    }

    #[test]
    fn numbers_keep_every_digit() {
        let value: serde_json::Value = serde_json::from_str(r#"{"n":12345678901234567890.10}"#).unwrap();
        assert_eq!(
            Response::json(&value).unwrap().data.unwrap(),
            r#"{"n":12345678901234567890.10}"#
        );
    }

    #[test]
    fn a_body_of_its_own_travels_in_base64() {
        let data = Response::http(404, "text/plain", "gone").data.unwrap();
        let data: serde_json::Value = serde_json::from_str(&data).unwrap();
        assert_eq!(data["http_status_code"], 404);
        assert_eq!(data["http_raw_body"], "Z29uZQ==");
    }

    #[test]
    fn a_status_keeps_data_and_warnings_in_the_body_that_vault_would_have_made() {
        let request = Request {
            id: "7".into(),
            ..Request::default()
        };
        let gone = Response::json(&json!({ "data": null })).unwrap().warning("old");
        let data = gone.with_status(&request, 404).data.unwrap();
        let data: serde_json::Value = serde_json::from_str(&data).unwrap();
        assert_eq!(data["http_status_code"], 404);
        let vaults = Envelope {
            request_id: "7",
            data: Some(&json!({ "data": null })),
            warnings: &["old".to_owned()],
            ..Envelope::default()
        };
        assert_eq!(data["http_raw_body"], vaults.to_text());
        let finished = Response::json(&json!({ "n": 1 })).unwrap().finished(&Request {
            mount_type: "kv".into(),
            ..request
        });
        let data: serde_json::Value = serde_json::from_str(&finished.data.unwrap()).unwrap();
        let vaults = Envelope {
            request_id: "7",
            data: Some(&json!({ "n": 1 })),
            mount_type: "kv",
            ..Envelope::default()
        };
        assert_eq!(data["http_raw_body"], vaults.to_text() + "\n");
        assert_eq!(data["http_status_code"], 200);
        let bare = Response::status(404).data.unwrap();
        assert_eq!(
            bare,
            r#"{"http_status_code":404,"http_content_type":"application/json"}"#
        );
    }

    #[test]
    fn debug_shows_no_data() {
        let response = Response::json(&json!({ "password": "hunter2" })).unwrap();
        assert!(!format!("{response:?}").contains("hunter2"));
    }
}

//! An engine's answer, and its parts.

use std::collections::BTreeMap;
use std::fmt;

use airlock_logical::{Json, Secret, WrapInfo};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use serde_json::json;

use crate::auth::Auth;
use crate::error::Unreadable;
use crate::json;
use crate::proto::pb;
use crate::{Error, Held};

/// An answer. `Ok(None)` in its place is 404 for read and list, and 204 for anything else.
///
/// ```
/// # use vault_plugin::{Error, Response};
/// # fn answer() -> Result<Response, Error> {
/// let answer = Response::json(&serde_json::json!({ "value": 3 }))?.with_warning("counters are not secret");
/// # Ok(answer)
/// # }
/// ```
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Response {
    /// A JSON object. Vault decodes its numbers as 64-bit floats on the way to the caller.
    pub data: Option<Json>,
    /// A secret, which makes Vault register a lease. Not for mounts of type `kv`: their callers get no lease.
    pub secret: Option<Secret>,
    /// A login's token. Vault refuses it from a secrets engine.
    pub auth: Option<Box<Auth>>,
    /// The address to which the caller is sent with 307. Empty: the caller is not redirected.
    pub redirect: String,
    /// Shown to the caller beside the data.
    pub warnings: Vec<String>,
    /// HTTP headers, which reach the caller if the mount's `allowed_response_headers` names them.
    pub headers: BTreeMap<String, Vec<String>>,
    /// The result of [`crate::SystemView::response_wrap_data`].
    pub wrap_info: Option<Box<WrapInfo>>,
    /// Filled in by Vault.
    pub mount_type: String,
    /// A value that is kept until the last byte of the answer is written to the connection, or the caller has gone away.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tokio::sync::Semaphore;
    /// use vault_plugin::{Error, Held, Response};
    ///
    /// /// Answers with at most as many large texts at a time as the semaphore has permits.
    /// async fn answer(large: Arc<Semaphore>, text: &str) -> Result<Response, Error> {
    ///     let permit = large.acquire_owned().await;
    ///     let permit = permit.map_err(|_| Error::Internal("the semaphore is closed".to_owned()))?;
    ///     let mut answer = Response::json(&serde_json::json!({ "text": text }))?;
    ///     answer.held = Some(Held::new(permit));
    ///     Ok(answer)
    /// }
    /// ```
    pub held: Option<Held>,
}

impl Response {
    /// Creates an empty answer: 204, and for a list 404.
    pub fn new() -> Response {
        Response::default()
    }

    /// Creates an answer with this data, which must be a struct or a map with text keys.
    ///
    /// # Errors
    /// [`Error::Json`] if the value cannot be written as JSON.
    pub fn json<T: Serialize + ?Sized>(data: &T) -> Result<Response, Error> {
        Ok(Response {
            data: Some(Json::encode(data)?),
            ..Response::default()
        })
    }

    /// Creates the answer to a list. Without keys Vault answers 404. Folders end in `/`.
    pub fn list<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Response {
        let keys: Vec<String> = keys.into_iter().map(K::into).collect();
        Response {
            data: Json::from_text(json!({ "keys": keys }).to_string()),
            ..Response::default()
        }
    }

    /// Creates the answer to [`crate::Operation::Help`], which `vault path-help` prints.
    pub fn help(text: &str) -> Response {
        Response {
            data: Json::from_text(json!({ "help": text }).to_string()),
            ..Response::default()
        }
    }

    /// Creates an answer that makes Vault answer 400 with this text. [`Error::User`] becomes this.
    pub(crate) fn user_error(message: &str) -> Response {
        Response {
            data: Json::from_text(json!({ "error": message }).to_string()),
            ..Response::default()
        }
    }

    /// Creates an HTTP answer of the engine's own, which Vault passes on without its usual envelope.
    pub fn raw(raw: RawHttp) -> Response {
        // The body is always encoded, because Vault decodes anything that happens to look like base64.
        let data = json!({
            "http_status_code": raw.status,
            "http_content_type": raw.content_type,
            "http_raw_body": BASE64.encode(raw.body),
        });
        Response {
            data: Json::from_text(data.to_string()),
            ..Response::default()
        }
    }

    /// Replaces the data by this JSON object.
    pub fn with_data(self, data: Json) -> Response {
        Response {
            data: Some(data),
            ..self
        }
    }

    /// Adds a lease.
    ///
    /// ```
    /// use std::time::Duration;
    /// use vault_plugin::{Json, Response, Secret};
    ///
    /// # fn main() -> Result<(), vault_plugin::Error> {
    /// // Vault hands the internal data back with renew and revoke.
    /// let internal = Json::encode(&serde_json::json!({ "user": "v-reader-1" }))?;
    /// let answer = Response::json(&serde_json::json!({ "user": "v-reader-1", "password": "…" }))?
    ///     .with_secret(Secret::new(Duration::from_secs(600), internal));
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_secret(self, secret: Secret) -> Response {
        Response {
            secret: Some(secret),
            ..self
        }
    }

    /// Adds a warning.
    pub fn with_warning(mut self, warning: impl Into<String>) -> Response {
        self.warnings.push(warning.into());
        self
    }

    /// Adds an HTTP header.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Response {
        self.headers.entry(name.into()).or_default().push(value.into());
        self
    }

    /// Sends the caller to this address.
    pub fn with_redirect(self, url: impl Into<String>) -> Response {
        Response {
            redirect: url.into(),
            ..self
        }
    }

    /// Adds a login's token.
    pub fn with_auth(self, auth: Auth) -> Response {
        Response {
            auth: Some(Box::new(auth)),
            ..self
        }
    }

    /// Adds data that Vault has wrapped.
    pub fn with_wrap_info(self, wrapped: WrapInfo) -> Response {
        Response {
            wrap_info: Some(Box::new(wrapped)),
            ..self
        }
    }
}

/// Shows nothing of what is answered.
impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("data", &self.data)
            .field("secret", &self.secret)
            .field("auth", &self.auth)
            .field("warnings", &self.warnings.len())
            .field("wrap_info", &self.wrap_info)
            .finish_non_exhaustive()
    }
}

/// An HTTP answer of the engine's own. Vault allows neither a lease nor a login beside it.
///
/// ```
/// use vault_plugin::{RawHttp, Response};
///
/// let answer = Response::raw(RawHttp {
///     status: 200,
///     content_type: "application/x-pem-file".to_owned(),
///     body: b"-----BEGIN CERTIFICATE-----\n".to_vec(),
/// });
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RawHttp {
    /// The HTTP status.
    pub status: u16,
    /// Needed unless the status is 204.
    pub content_type: String,
    /// The body's bytes.
    pub body: Vec<u8>,
}

/// Omits the body.
impl fmt::Debug for RawHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawHttp")
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}

/// The error says what Vault would refuse.
impl TryFrom<Response> for pb::Response {
    type Error = Unreadable;

    fn try_from(response: Response) -> Result<pb::Response, Unreadable> {
        let header = |(name, header)| (name, pb::Header { header });
        Ok(pb::Response {
            secret: response
                .secret
                .map(pb::Secret::try_from)
                .transpose()?
                .map(Box::new),
            auth: response
                .auth
                .map(|auth| pb::Auth::try_from(*auth))
                .transpose()?
                .map(Box::new),
            data: json::to_wire(response.data).map_err(Unreadable::Data)?,
            redirect: response.redirect,
            warnings: response.warnings,
            wrap_info: response
                .wrap_info
                .map(|info| pb::ResponseWrapInfo::try_from(*info))
                .transpose()?
                .map(Box::new),
            headers: response.headers.into_iter().map(header).collect(),
            mount_type: response.mount_type,
        })
    }
}

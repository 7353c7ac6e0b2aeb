//! Answers as Vault gives them to its callers.

use std::fmt;

use airlock_logical::{Json, Operation, Secret};
use airlock_sandbox::Usage;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use vault_plugin::{Error, Report, Response};
use vault_core::json::without_lone_surrogates;

/// The answer that a caller of Vault's API gets, and the resources that the request used.
pub struct Answer {
    status: u16,
    body: Option<Body>,
    data: Value,
    error: Option<String>,
    warnings: Vec<String>,
    lease: Option<Lease>,
    usage: Usage,
}

enum Body {
    Json(Value),
    /// The body in `http_raw_body`, which the guest wrote itself.
    Raw(String),
}

/// A lease as Vault stores it for later renewals or its revocation.
#[derive(Clone)]
pub struct Lease {
    pub(crate) path: String,
    pub(crate) secret: Secret,
    pub(crate) data: Option<Json>,
}

impl Lease {
    /// Returns the lease's times, its id and its internal data.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}

/// The facts about a request that its answer depends on.
pub(crate) struct Asked {
    pub operation: Operation,
    pub id: String,
    pub mount_type: String,
}

impl Answer {
    pub(crate) fn new(asked: &Asked, result: Result<Option<Response>, Error>, usage: Usage) -> Self {
        let answer = match result {
            Err(error) => Self::refused(&error),
            Ok(None) => Self::nothing(asked),
            Ok(Some(response)) => Self::given(asked, response),
        };
        Self { usage, ..answer }
    }

    fn bare(status: u16, body: Option<Body>) -> Self {
        Self {
            status,
            body,
            data: Value::Null,
            error: None,
            warnings: Vec::new(),
            lease: None,
            usage: Usage::default(),
        }
    }

    fn nothing(asked: &Asked) -> Self {
        match asked.operation {
            Operation::Read | Operation::List | Operation::Scan | Operation::Header => Self::missing(),
            _ => Self::bare(204, None),
        }
    }

    fn missing() -> Self {
        Self::bare(404, Some(Body::Json(json!({ "errors": [] }))))
    }

    /// Wraps an error as Vault's core does: it collects errors and says how many there are. Only the caller's own
    /// mistakes are passed on unchanged.
    fn refused(error: &Error) -> Self {
        let text = Report::new(error).to_string();
        let shown = match error {
            Error::User(_) => text.clone(),
            _ => format!("1 error occurred:\n\t* {text}\n\n"),
        };
        let body = Body::Json(json!({ "errors": [shown] }));
        Self {
            error: Some(text),
            ..Self::bare(error.status(), Some(body))
        }
    }

    fn given(asked: &Asked, response: Response) -> Self {
        // The sandbox has checked that the data is an object.
        let data = match response.data.as_deref().map(read).transpose() {
            Ok(data) => data.unwrap_or(Value::Null),
            Err(_) => return Self::unreadable(),
        };
        // Vault decodes a float and takes its integer part.
        if let Some(status) = data.get("http_status_code").and_then(Value::as_f64) {
            let raw = data
                .get("http_raw_body")
                .and_then(Value::as_str)
                .map(|text| Body::Raw(decoded(text)));
            return Self {
                data,
                ..Self::bare(status as u16, raw)
            };
        }
        if asked.operation == Operation::List && response.warnings.is_empty() && has_no_keys(&data) {
            return Self::missing();
        }
        let secret = response.secret.as_ref();
        let seconds = |nanoseconds: i64| nanoseconds / 1_000_000_000;
        let body = json!({
            "request_id": asked.id,
            "lease_id": secret.map_or("", |secret| &secret.lease_id),
            "renewable": secret.is_some_and(|secret| secret.lease.renewable),
            "lease_duration": secret.map_or(0, |secret| seconds(secret.lease.ttl)),
            "data": sorted(data.clone()),
            "wrap_info": null,
            "warnings": if response.warnings.is_empty() { Value::Null } else { json!(response.warnings) },
            "auth": null,
            "mount_type": asked.mount_type,
        });
        Self {
            data,
            warnings: response.warnings,
            ..Self::bare(200, Some(Body::Json(body)))
        }
    }

    /// Answers with an error, because the JSON is nested too deeply for this reader. Vault reads 10,000 levels.
    fn unreadable() -> Self {
        let text = "the answer cannot be shown here, where JSON of at most 127 levels is read";
        Self {
            error: Some(text.into()),
            ..Self::bare(500, Some(Body::Json(json!({ "errors": [text] }))))
        }
    }

    pub(crate) fn with_lease(self, lease: Option<Lease>) -> Self {
        Self { lease, ..self }
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns true if the status means success, that is, if it is below 400.
    pub fn is_success(&self) -> bool {
        self.status < 400
    }

    /// Returns this answer if the request succeeded.
    ///
    /// # Panics
    /// Panics with the status and the error if the request failed.
    #[track_caller]
    pub fn expect_success(self) -> Self {
        assert!(
            self.is_success(),
            "status {}: {}",
            self.status,
            self.error().unwrap_or("nothing is there")
        );
        self
    }

    /// Returns the guest's data, or null if it gave none.
    pub fn data(&self) -> &Value {
        &self.data
    }

    /// Returns the names in the answer to a list, or none if there are none.
    pub fn keys(&self) -> Vec<&str> {
        self.data["keys"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }

    /// Returns why the request was refused, in the words of the guest or the host, without the frame that Vault puts
    /// around them.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Returns the guest's warnings.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the lease, if the guest's answer has a secret.
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// Returns the resources that the request used, including its existence check.
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Returns the body that Vault sends, or an empty text for a 204. Numbers keep their digits here, whereas Vault
    /// would round them to 64-bit floats.
    pub fn body(&self) -> String {
        match &self.body {
            None => String::new(),
            Some(Body::Raw(text)) => text.clone(),
            Some(Body::Json(body)) => format!("{body:#}"),
        }
    }
}

/// Omits the data, which may be secret.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Reads a guest's data as Go's decoder does.
fn read(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(&without_lone_surrogates(text.into()))
}

/// Decodes a raw body from Base64 if that is possible, as Vault does. Otherwise returns it unchanged.
fn decoded(text: &str) -> String {
    let bytes = STANDARD.decode(text).unwrap_or_else(|_| text.as_bytes().to_vec());
    String::from_utf8_lossy(&bytes).into_owned()
}

fn has_no_keys(data: &Value) -> bool {
    let fields = data.as_object().map_or(0, Map::len);
    match data.get("keys") {
        None | Some(Value::Null) => fields == 0,
        Some(keys) => keys.as_array().is_some_and(Vec::is_empty),
    }
}

/// Returns the value with the fields of its objects sorted, as Vault sends them.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields
                .into_iter()
                .map(|(name, value)| (name, sorted(value)))
                .collect();
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(values) => values.into_iter().map(sorted).collect(),
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(operation: Operation, result: Result<Option<Response>, Error>) -> Answer {
        let asked = Asked {
            operation,
            id: "id".into(),
            mount_type: "kv".into(),
        };
        Answer::new(&asked, result, Usage::default())
    }

    fn data(text: &str) -> Result<Option<Response>, Error> {
        Ok(Some(Response::new().with_data(text.into())))
    }

    #[test]
    fn nothing_is_404_where_something_was_asked_for() {
        assert_eq!(answer(Operation::Read, Ok(None)).status(), 404);
        assert_eq!(answer(Operation::List, data(r#"{"keys":[]}"#)).status(), 404);
        assert_eq!(answer(Operation::Delete, Ok(None)).status(), 204);
        assert_eq!(answer(Operation::Delete, Ok(None)).body(), "");
    }

    #[test]
    fn errors_are_framed_as_vault_frames_them() {
        let user = answer(Operation::Read, Err(Error::User("no".into())));
        assert_eq!((user.status(), user.error()), (400, Some("no")));
        assert_eq!(
            serde_json::from_str::<Value>(&user.body()).unwrap(),
            json!({ "errors": ["no"] })
        );
        let denied = answer(Operation::Read, Err(Error::PermissionDenied));
        assert_eq!(
            (denied.status(), denied.error()),
            (403, Some("permission denied"))
        );
        assert!(
            denied
                .body()
                .contains(r"1 error occurred:\n\t* permission denied\n\n")
        );
    }

    #[test]
    fn the_body_has_vaults_fields_and_sorted_data() {
        let body = answer(
            Operation::Read,
            data(r#"{"b":12345678901234567890,"a":{"d":1,"c":2}}"#),
        )
        .body();
        let compact: String = body.split_whitespace().collect();
        assert_eq!(
            compact,
            r#"{"request_id":"id","lease_id":"","renewable":false,"lease_duration":0,"data":{"a":{"c":2,"d":1},"b":12345678901234567890},"wrap_info":null,"warnings":null,"auth":null,"mount_type":"kv"}"#
        );
    }

    #[test]
    fn an_answer_of_the_guests_own_is_passed_on() {
        let raw = answer(
            Operation::Read,
            data(r#"{"http_status_code":404,"http_raw_body":"Z29uZQ=="}"#),
        );
        assert_eq!((raw.status(), raw.body().as_str()), (404, "gone"));
        let float = answer(Operation::Read, data(r#"{"http_status_code":2.045e2}"#));
        assert_eq!((float.status(), float.body().as_str()), (204, ""));
    }

    #[test]
    fn data_is_shown_or_the_answer_is_an_error() {
        let half = answer(Operation::Read, data(r#"{"a":"x\ud800"}"#));
        assert_eq!(half.data(), &json!({"a": "x\u{fffd}"}));
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        let deep = answer(Operation::Read, data(&deep));
        assert!(deep.status() == 500 && deep.error().unwrap().contains("127 levels"));
    }
}

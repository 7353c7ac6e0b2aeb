//! Answers as Vault gives them to its callers.

use std::fmt;
use std::time::Duration;

use airlock_logical::{Operation, Secret, WrapInfo};
use airlock_sandbox::Usage;
use serde_json::Value;
use vault_core::json::{read_object, sorted};
use vault_core::{EngineAnswer, Envelope, Form, RequestKind, errors, redirect_page};
use vault_plugin::{Error, Report, Response};

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

/// A lease that Vault has given, with the times that it granted. The mount keeps it until it is revoked.
#[derive(Clone)]
pub struct Lease {
    pub(crate) secret: Secret,
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

impl Asked {
    fn kind(&self) -> RequestKind {
        RequestKind::of(self.operation.as_str())
    }
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
        match asked.kind().status_of_nothing() {
            204 => Self::bare(204, None),
            status => Self::failed(status, &[], None),
        }
    }

    fn failed(status: u16, errors: &[String], data: Option<Value>) -> Self {
        Self::bare(status, Some(Body::Json(errors::body(errors, data))))
    }

    /// Wraps an error as Vault's core does: it collects errors and says how many there are. Only the caller's own
    /// mistakes are passed on unchanged.
    fn refused(error: &Error) -> Self {
        let text = Report::new(error).to_string();
        let shown = match error {
            Error::User(_) => text.clone(),
            _ => errors::collected(&[&text]),
        };
        Self {
            error: Some(text),
            ..Self::failed(error.status(), &[shown], None)
        }
    }

    fn given(asked: &Asked, response: Response) -> Self {
        // The sandbox has checked that the data is an object.
        let data = match response.data.as_deref().map(read_object).transpose() {
            Ok(data) => data.map_or(Value::Null, Value::Object),
            Err(_) => return Self::unreadable(),
        };
        let given = EngineAnswer {
            data: data.as_object(),
            has_warnings: !response.warnings.is_empty(),
            has_secret: response.secret.is_some(),
            redirect: &response.redirect,
            wrap_ttl: response
                .wrap_info
                .as_deref()
                .map_or(Duration::ZERO, WrapInfo::ttl),
            caller_wrap_ttl: Duration::ZERO,
        };
        let answer = match given.form(asked.kind()) {
            Form::NotAList(status) => return Self::failed(status, &[], None),
            Form::Redirect(to) => {
                let page = (asked.operation == Operation::Read).then(|| Body::Raw(redirect_page(to)));
                Self::bare(307, page)
            }
            Form::Error { text, data } => Self {
                error: Some(text.to_owned()),
                ..Self::failed(400, &[text.to_owned()], data.cloned())
            },
            Form::Own(Ok(own)) => {
                let body = String::from_utf8_lossy(&own.body).into_owned();
                Self::bare(own.status, Some(Body::Raw(body)))
            }
            Form::Own(Err(why)) => Self {
                error: Some(why.to_owned()),
                ..Self::bare(500, None)
            },
            Form::Envelope if asked.kind() == RequestKind::Help => {
                Self::bare(200, Some(Body::Json(sorted(data.clone()))))
            }
            Form::Envelope => Self {
                warnings: response.warnings.clone(),
                ..Self::bare(200, Some(Body::Json(envelope(asked, &data, &response))))
            },
        };
        Self { data, ..answer }
    }

    /// Answers with an error, because the JSON is nested too deeply for this reader. Vault reads 10,000 levels.
    fn unreadable() -> Self {
        let text = "the answer cannot be shown here, where JSON of at most 127 levels is read";
        Self {
            error: Some(text.to_owned()),
            ..Self::failed(500, &[text.to_owned()], None)
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

    /// Returns the body that Vault sends, or an empty text if it sends none. Data that Vault would wrap is shown
    /// unwrapped. Numbers keep their digits here, whereas Vault would round them to 64-bit floats.
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

/// Returns Vault's envelope around the data, or around null.
fn envelope(asked: &Asked, data: &Value, response: &Response) -> Value {
    let mut envelope = Envelope {
        request_id: &asked.id,
        data: Some(data),
        warnings: &response.warnings,
        mount_type: &asked.mount_type,
        ..Envelope::default()
    };
    if let Some(secret) = &response.secret {
        envelope.lease_id = &secret.lease_id;
        envelope.renewable = secret.lease.renewable;
        envelope.lease_duration = secret.lease.ttl();
    }
    envelope.to_value()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
            data(r#"{"http_status_code":404,"http_content_type":"text/plain","http_raw_body":"Z29uZQ=="}"#),
        );
        assert_eq!((raw.status(), raw.body().as_str()), (404, "gone"));
        let float = answer(Operation::Read, data(r#"{"http_status_code":2.045e2}"#));
        assert_eq!((float.status(), float.body().as_str()), (204, ""));
    }

    #[test]
    fn an_invalid_answer_of_the_guests_own_is_500() {
        let own = answer(Operation::Read, data(r#"{"http_status_code":404}"#));
        assert_eq!((own.status(), own.error()), (500, Some("no content type given")));
        assert_eq!(own.body(), "");
    }

    #[test]
    fn an_error_in_the_data_is_a_users_mistake() {
        let failed = answer(Operation::Read, data(r#"{"error":"no","data":{"b":1,"a":2}}"#));
        assert_eq!((failed.status(), failed.error()), (400, Some("no")));
        let compact: String = failed.body().split_whitespace().collect();
        assert_eq!(compact, r#"{"errors":["no"],"data":{"a":2,"b":1}}"#);
        assert_eq!(
            answer(Operation::Read, data(r#"{"error":"no","a":1}"#)).status(),
            200
        );
    }

    #[test]
    fn a_redirect_is_307_with_a_page_for_a_read() {
        let redirect = |operation| {
            let response = Response::new().with_redirect("/elsewhere");
            answer(operation, Ok(Some(response)))
        };
        let read = redirect(Operation::Read);
        assert_eq!(read.status(), 307);
        assert!(read.body().contains("<a href=\"/elsewhere\">"));
        assert_eq!(redirect(Operation::Update).body(), "");
    }

    #[test]
    fn help_is_sent_without_an_envelope() {
        let help = answer(Operation::Help, data(r#"{"help":"Keeps values.","see_also":[]}"#));
        let compact: String = help.body().split_whitespace().collect();
        assert_eq!(compact, r#"{"help":"Keepsvalues.","see_also":[]}"#);
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

//! The form and the status of an engine's answer.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::{OwnAnswer, RequestKind};

/// The parts of an engine's answer that decide its form and its status.
#[derive(Clone, Copy, Default)]
pub struct EngineAnswer<'a> {
    /// The data, or none.
    pub data: Option<&'a Map<String, Value>>,
    /// True if the answer has warnings.
    pub has_warnings: bool,
    /// True if the answer has a secret.
    pub has_secret: bool,
    /// The location to which the caller is redirected, or an empty text.
    pub redirect: &'a str,
    /// The time for which the engine asks that its answer be wrapped, or zero. A list that is wrapped needs no keys.
    pub wrap_ttl: Duration,
    /// The time for which the caller asks that the answer be wrapped, or zero.
    pub caller_wrap_ttl: Duration,
}

/// The form in which the caller gets an engine's answer.
pub enum Form<'a> {
    /// An error with status 400, which the engine put into its data.
    Error {
        /// The error's text.
        text: &'a str,
        /// The data beside the error.
        data: Option<&'a Value>,
    },
    /// No answer but this status, because the data is not that of a list; see [`check_list`].
    NotAList(u16),
    /// A redirect to this location, with status 307.
    Redirect(&'a str),
    /// The engine's own HTTP answer; or the reason why it is invalid, for which Vault answers 500 without a body.
    Own(Result<OwnAnswer<'a>, &'static str>),
    /// Vault's envelope, with status 200.
    Envelope,
}

impl<'a> EngineAnswer<'a> {
    /// Returns the form in which the caller gets the answer.
    pub fn form(&self, kind: RequestKind) -> Form<'a> {
        if let Some((text, data)) = self.data.and_then(error) {
            return Form::Error { text, data };
        }
        if kind == RequestKind::List
            && self.wrap_ttl.is_zero()
            && self.caller_wrap_ttl.is_zero()
            && let Err(status) = check_list(self.data, self.has_warnings)
        {
            return Form::NotAList(status);
        }
        if !self.redirect.is_empty() {
            return Form::Redirect(self.redirect);
        }
        match self.data {
            Some(data) if data.contains_key("http_status_code") => {
                Form::Own(OwnAnswer::read(data, self.has_secret))
            }
            _ => Form::Envelope,
        }
    }

    /// Returns the HTTP status with which the caller gets the answer.
    pub fn status(&self, kind: RequestKind) -> u16 {
        match self.form(kind) {
            Form::Error { .. } => 400,
            Form::NotAList(status) => status,
            Form::Redirect(_) => 307,
            Form::Own(own) => own.map_or(500, |own| own.status),
            Form::Envelope => 200,
        }
    }
}

/// Returns the error in data that has only `error`, or only `error` and `data`. Other data is not an error.
fn error(fields: &Map<String, Value>) -> Option<(&str, Option<&Value>)> {
    let text = fields.get("error")?.as_str()?;
    match (fields.len(), fields.get("data")) {
        (1, _) => Some((text, None)),
        (2, Some(data)) => Some((text, Some(data))),
        _ => None,
    }
}

/// Checks the data of the answer to a list.
///
/// # Errors
/// Returns the HTTP status with which Vault refuses the answer: 404 without keys, unless it has other data or warnings,
/// and 500 if the keys are not an array of texts.
pub fn check_list(data: Option<&Map<String, Value>>, has_warnings: bool) -> Result<(), u16> {
    let Some(fields) = data.filter(|fields| !fields.is_empty()) else {
        return if has_warnings { Ok(()) } else { Err(404) };
    };
    match fields.get("keys") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(keys)) if keys.is_empty() => Err(404),
        Some(Value::Array(keys)) if keys.iter().all(Value::is_string) => Ok(()),
        Some(_) => Err(500),
    }
}

/// Returns the page that Go sends with a redirect, in answer to a GET or a HEAD.
pub fn redirect_page(to: &str) -> String {
    let shown = to
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&#34;");
    format!("<a href=\"{shown}\">Temporary Redirect</a>.\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(kind: RequestKind, data: Value) -> u16 {
        let answer = EngineAnswer {
            data: data.as_object(),
            ..EngineAnswer::default()
        };
        answer.status(kind)
    }

    #[test]
    fn only_an_error_alone_or_with_data_is_an_error() {
        let found = |data: &Value| error(data.as_object().unwrap()).map(|(text, data)| json!([text, data]));
        assert_eq!(found(&json!({"error": "no"})), Some(json!(["no", null])));
        assert_eq!(
            found(&json!({"error": "no", "data": {"a": 1}})),
            Some(json!(["no", {"a": 1}]))
        );
        assert_eq!(found(&json!({"error": "no", "other": 1})), None);
        assert_eq!(found(&json!({"errors": "no"})), None);
        assert_eq!(status(RequestKind::Read, json!({"error": "no"})), 400);
    }

    #[test]
    fn a_list_needs_keys_or_other_data_or_warnings() {
        for (data, status_of_list) in [
            (json!(null), 404),
            (json!({}), 404),
            (json!({"keys": []}), 404),
            (json!({"keys": [], "key_info": {}}), 404),
            (json!({"keys": ["a", "b/"]}), 200),
            (json!({"keys": null}), 200),
            (json!({"other": 1}), 200),
            (json!({"keys": "a"}), 500),
            (json!({"keys": ["a", 1]}), 500),
        ] {
            assert_eq!(status(RequestKind::List, data.clone()), status_of_list, "{data}");
            assert_eq!(status(RequestKind::Read, data.clone()), 200, "{data}");
        }
        assert_eq!(check_list(None, true), Ok(()));
        assert_eq!(check_list(json!({}).as_object(), true), Ok(()));
        assert_eq!(check_list(json!({"keys": []}).as_object(), true), Err(404));
    }

    #[test]
    fn an_error_wins_then_a_missing_list_then_a_redirect() {
        let redirect = |kind, data: Value| {
            let answer = EngineAnswer {
                data: data.as_object(),
                redirect: "/elsewhere",
                ..EngineAnswer::default()
            };
            answer.status(kind)
        };
        assert_eq!(redirect(RequestKind::List, json!({"error": "no"})), 400);
        assert_eq!(redirect(RequestKind::List, json!({})), 404);
        assert_eq!(redirect(RequestKind::List, json!({"keys": ["a"]})), 307);
        assert_eq!(redirect(RequestKind::Read, json!({"http_status_code": 204})), 307);
    }

    #[test]
    fn an_own_answer_has_its_status_or_500() {
        let own = |data| status(RequestKind::List, data);
        assert_eq!(own(json!({"http_status_code": 204})), 204);
        assert_eq!(own(json!({"http_status_code": 204, "keys": []})), 404);
        assert_eq!(own(json!({"http_status_code": 200})), 500);
    }

    #[test]
    fn a_wrapped_list_needs_no_keys() {
        let second = Duration::from_secs(1);
        for (wrap_ttl, caller_wrap_ttl) in [(second, Duration::ZERO), (Duration::ZERO, second)] {
            let answer = EngineAnswer {
                wrap_ttl,
                caller_wrap_ttl,
                ..EngineAnswer::default()
            };
            assert!(matches!(answer.form(RequestKind::List), Form::Envelope));
        }
        assert_eq!(EngineAnswer::default().status(RequestKind::List), 404);
    }

    #[test]
    fn the_page_of_a_redirect_is_escaped() {
        assert_eq!(
            redirect_page("/a?b=1&c=\"<d>"),
            "<a href=\"/a?b=1&amp;c=&#34;&lt;d&gt;\">Temporary Redirect</a>.\n\n"
        );
    }
}

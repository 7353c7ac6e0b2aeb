//! Shows a test the answer to a request.

use std::time::Duration;

use serde_json::Value;
use vault_core::json::read_object;
use vault_core::{EngineAnswer, Form, RequestKind};

use super::GivenLease;
use crate::{Error, Operation, Response, Result};

/// The answer to a request, as Vault's caller would see it. If a test reads something that the answer does not have, it
/// fails and shows the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "look at the status, so that a failed request fails the test"]
pub struct Reply {
    operation: Operation,
    result: Result<Option<Response>>,
    data: Value,
    lease: Option<GivenLease>,
}

impl Reply {
    pub(super) fn new(operation: Operation, result: Result<Option<Response>>) -> Reply {
        let data = result
            .as_ref()
            .ok()
            .and_then(Option::as_ref)
            .and_then(|response| response.data.as_deref());
        let data = data.and_then(|data| read_object(data).ok());
        let data = data.map_or(Value::Null, Value::Object);
        let mut reply = Reply {
            operation,
            result,
            data,
            lease: None,
        };
        // The caller of an empty list gets a 404 without the engine's data.
        let kind = RequestKind::of(reply.operation.name());
        let answer = reply.engine_answer();
        if answer.is_some_and(|answer| matches!(answer.form(kind), Form::NotAList(_))) {
            reply.data = Value::Null;
        }
        reply
    }

    /// Prints a refused request with its error. `cargo test` shows the output of a test that fails, so that an unexpected
    /// status comes with its cause.
    #[allow(clippy::print_stdout)] // the test harness captures it
    pub(super) fn shown(self, path: &str) -> Reply {
        if let Some(line) = self.refusal(path) {
            std::println!("{line}");
        }
        self
    }

    /// Returns the line about a refused request, such as `create roles/web: 500: failed to put data`.
    fn refusal(&self, path: &str) -> Option<String> {
        let error = self.result.as_ref().err()?;
        let operation = self.operation.name();
        let place = if path.is_empty() { "" } else { " " };
        Some(format!("{operation}{place}{path}: {}: {error}", error.status()))
    }

    pub(super) fn with_lease(self, lease: Option<GivenLease>) -> Reply {
        Reply { lease, ..self }
    }

    /// Returns the HTTP status of Vault's answer.
    pub fn status(&self) -> u16 {
        let kind = RequestKind::of(self.operation.name());
        match &self.result {
            Err(error) => error.status(),
            Ok(None) => kind.status_of_nothing(),
            Ok(Some(_)) => self
                .engine_answer()
                .map_or(kind.status_of_nothing(), |answer| answer.status(kind)),
        }
    }

    fn engine_answer(&self) -> Option<EngineAnswer<'_>> {
        let response = self.result.as_ref().ok()?.as_ref()?;
        Some(EngineAnswer {
            data: self.data.as_object(),
            has_warnings: !response.warnings.is_empty(),
            has_secret: response.lease.is_some(),
            redirect: response.redirect.as_deref().unwrap_or_default(),
            wrap_ttl: response
                .wrap_info
                .as_ref()
                .map_or(Duration::ZERO, |info| info.ttl),
            caller_wrap_ttl: Duration::ZERO,
        })
    }

    /// Returns the data of the response.
    ///
    /// # Panics
    /// If the answer has no data.
    #[track_caller]
    pub fn data(&self) -> &Value {
        assert!(self.data.is_object(), "no data in {:?}", self.result);
        &self.data
    }

    /// Returns the keys of a list; empty if there are none.
    ///
    /// # Panics
    /// If the request failed.
    #[track_caller]
    pub fn keys(&self) -> Vec<&str> {
        if let Err(error) = &self.result {
            panic!("the list failed: {error:?}");
        }
        let keys = self.data.get("keys").and_then(Value::as_array);
        keys.map_or_else(Vec::new, |keys| keys.iter().filter_map(Value::as_str).collect())
    }

    /// Returns the error.
    ///
    /// # Panics
    /// If the request succeeded.
    #[track_caller]
    pub fn error(&self) -> &Error {
        match &self.result {
            Err(error) => error,
            Ok(response) => panic!("no error but {response:?}"),
        }
    }

    /// Returns the engine's answer or its error, whichever it is.
    ///
    /// # Errors
    /// The error of the request.
    pub fn result(&self) -> Result<Option<&Response>, &Error> {
        self.result.as_ref().map(Option::as_ref)
    }

    /// Returns the response; `None` if the engine answered nothing.
    ///
    /// # Panics
    /// If the request failed.
    #[track_caller]
    pub fn response(&self) -> Option<&Response> {
        match &self.result {
            Ok(response) => response.as_ref(),
            Err(error) => panic!("the request failed: {error:?}"),
        }
    }

    /// Returns the warnings.
    ///
    /// # Panics
    /// If the request failed.
    #[track_caller]
    pub fn warnings(&self) -> &[String] {
        self.response().map_or(&[], |response| &response.warnings)
    }

    /// Returns the lease, with the time that Vault granted.
    ///
    /// # Panics
    /// If the answer has no lease.
    #[track_caller]
    pub fn lease(&self) -> &GivenLease {
        match &self.lease {
            Some(lease) => lease,
            None => panic!("no lease in {:?}", self.result),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(operation: Operation, data: Value, change: impl FnOnce(Response) -> Response) -> u16 {
        let response = Response::json(&data).unwrap();
        Reply::new(operation, Ok(Some(change(response)))).status()
    }

    #[test]
    fn a_refused_request_is_shown_with_its_error() {
        let line = |operation, result, path| Reply::new(operation, result).refusal(path);
        let failed = Err(Error::internal("failed to put data"));
        assert_eq!(
            line(Operation::Create, failed.clone(), "roles/web").as_deref(),
            Some("create roles/web: 500: failed to put data")
        );
        assert_eq!(
            line(Operation::Rollback, failed, "").as_deref(),
            Some("rollback: 500: failed to put data")
        );
        assert_eq!(line(Operation::Read, Ok(None), "roles/web"), None);
    }

    #[test]
    fn a_list_without_keys_is_404() {
        for (data, expected) in [
            (json!({}), 404),
            (json!({ "keys": [] }), 404),
            (json!({ "keys": [], "key_info": {} }), 404),
            (json!({ "key_info": {} }), 200),
            (json!({ "keys": ["a"] }), 200),
        ] {
            assert_eq!(
                status(Operation::List, data.clone(), |response| response),
                expected,
                "{data}"
            );
        }
        let warned = status(Operation::List, json!({}), |response| response.warning("old"));
        assert_eq!(warned, 200);
    }

    #[test]
    fn a_redirect_an_error_and_an_own_answer_have_their_status() {
        let redirected = status(Operation::Read, json!({}), |response| Response {
            redirect: Some("/elsewhere".into()),
            ..response
        });
        assert_eq!(redirected, 307);
        let unchanged = |data| status(Operation::Read, data, |response| response);
        assert_eq!(unchanged(json!({ "error": "no" })), 400);
        assert_eq!(unchanged(json!({ "http_status_code": 204 })), 204);
        assert_eq!(unchanged(json!({ "http_status_code": 404 })), 500);
        let own = Response::status(418);
        assert_eq!(Reply::new(Operation::Read, Ok(Some(own))).status(), 418);
    }
}

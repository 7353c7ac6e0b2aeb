//! Shows a test the answer to a request.

use serde_json::Value;

use crate::{Error, Lease, Operation, Response, Result};

/// The answer to a request, as Vault's caller would see it. If a test reads something that the answer does not have, it
/// fails and shows the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "look at the status, so that a failed request fails the test"]
pub struct Reply {
    operation: Operation,
    result: Result<Option<Response>>,
    data: Value,
}

impl Reply {
    pub(super) fn new(operation: Operation, result: Result<Option<Response>>) -> Reply {
        let data = result
            .as_ref()
            .ok()
            .and_then(Option::as_ref)
            .and_then(|response| response.data.as_deref());
        let data = data.map_or(Value::Null, |data| {
            serde_json::from_str(data).unwrap_or(Value::Null)
        });
        Reply {
            operation,
            result,
            data,
        }
    }

    /// Returns the HTTP status of Vault's answer.
    pub fn status(&self) -> u16 {
        let reads = matches!(
            self.operation,
            Operation::Read | Operation::List | Operation::Scan | Operation::Header
        );
        match &self.result {
            Err(error) => error.status(),
            Ok(None) if reads => 404,
            Ok(None) => 204,
            Ok(Some(response)) => match self.data.get("http_status_code").and_then(Value::as_u64) {
                Some(status) => u16::try_from(status).unwrap_or(500),
                None if self.operation == Operation::List
                    && self.keys_missing()
                    && response.warnings.is_empty() =>
                {
                    404
                }
                None => 200,
            },
        }
    }

    fn keys_missing(&self) -> bool {
        self.data
            .get("keys")
            .is_none_or(|keys| keys.as_array().is_none_or(Vec::is_empty))
            && self
                .data
                .as_object()
                .is_none_or(|data| data.keys().all(|key| key == "keys"))
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

    /// Returns the lease.
    ///
    /// # Panics
    /// If the answer has no lease.
    #[track_caller]
    pub fn lease(&self) -> &Lease {
        match self.response().and_then(|response| response.lease.as_ref()) {
            Some(lease) => lease,
            None => panic!("no lease in {:?}", self.result),
        }
    }
}

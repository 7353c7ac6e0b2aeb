//! The answer that a caller of Vault's API would get, and the resources that the request used.

use std::time::Duration;

use serde_json::Value;

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "look at the status, so that a failed request fails the test"]
pub struct Answer(Value);

impl Answer {
    pub(crate) fn new(answer: Value) -> Self {
        Answer(answer)
    }

    /// Prints a refused request with its error. `cargo test` shows the output of a test that fails, so that an unexpected
    /// status comes with its cause.
    #[allow(clippy::print_stdout)] // the test harness captures it
    pub(crate) fn shown(self, request: &str) -> Self {
        if let Some(line) = self.refusal(request) {
            println!("{line}");
        }
        self
    }

    /// Returns the line about a refused request, such as `write roles/web: 500: failed to put data`.
    fn refusal(&self, request: &str) -> Option<String> {
        let status = self.status();
        let error = self
            .error()
            .map_or_else(String::new, |error| format!(": {error}"));
        (status >= 400).then(|| format!("{request}: {status}{error}"))
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        u16::try_from(number(&self.0["status"])).unwrap_or_default()
    }

    /// Returns the guest's data, or null if it gave none.
    pub fn data(&self) -> &Value {
        &self.0["data"]
    }

    /// Returns the body that Vault sends; empty if it sends none.
    pub fn body(&self) -> &str {
        self.0["body"].as_str().unwrap_or_default()
    }

    /// Returns the names in the answer to a list; empty if there are none.
    pub fn keys(&self) -> Vec<&str> {
        texts(&self.data()["keys"])
    }

    /// Returns why the request was refused, in the words of the guest or the host.
    pub fn error(&self) -> Option<&str> {
        self.0["error"].as_str()
    }

    /// Returns the guest's warnings.
    pub fn warnings(&self) -> Vec<&str> {
        texts(&self.0["warnings"])
    }

    /// Returns the lease.
    ///
    /// # Panics
    /// If the answer has none.
    #[track_caller]
    pub fn lease(&self) -> Lease {
        let lease = &self.0["lease"];
        assert!(lease.is_object(), "no lease in {:?}", self.0);
        Lease {
            number: number(&lease["number"]),
            ttl: Duration::from_secs(number(&lease["ttl"])),
            max_ttl: Duration::from_secs(number(&lease["max_ttl"])),
            renewable: lease["renewable"] == true,
        }
    }

    /// Returns what the request used, with its existence check.
    pub fn usage(&self) -> Usage {
        let used = |name: &str| number(&self.0["usage"][name]);
        Usage {
            cpu: Duration::from_micros(used("cpu_us")),
            memory_bytes: used("memory_bytes"),
            storage_calls: used("storage_calls"),
        }
    }
}

/// The lease of an answer, as Vault keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub(crate) number: u64,
    /// The time until it ends, within the mount's limits.
    pub ttl: Duration,
    /// The time after which it is not renewed; zero is the mount's.
    pub max_ttl: Duration,
    /// True if Vault may renew it.
    pub renewable: bool,
}

/// The resources that a request used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of the guest, and of the host on its behalf.
    pub cpu: Duration,
    /// The most bytes that were held for the request at once.
    pub memory_bytes: u64,
    /// Calls of the mount's storage.
    pub storage_calls: u64,
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

pub(crate) fn texts(values: &Value) -> Vec<&str> {
    let values = values.as_array().into_iter().flatten();
    values.filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refused_request_is_shown_with_its_error() {
        let line = |answer| Answer::new(answer).refusal("write roles/web");
        let failed = json!({ "status": 500, "error": "failed to put data" });
        assert_eq!(
            line(failed).as_deref(),
            Some("write roles/web: 500: failed to put data")
        );
        assert_eq!(
            line(json!({ "status": 404 })).as_deref(),
            Some("write roles/web: 404")
        );
        assert_eq!(line(json!({ "status": 204 })), None);
    }
}

//! Vault's HTTP API.

use std::io::{Read, Write};
use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::{HeaderName, Request};

/// An answer of Vault.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body. Null stands for a missing body.
    pub body: Value,
}

impl Answer {
    /// Returns the answer's `data`.
    pub fn data(&self) -> &Value {
        &self.body["data"]
    }

    /// Returns the answer's errors as one text, which is empty if there are none.
    pub fn errors(&self) -> String {
        let errors = self.body["errors"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        errors
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join("; ")
    }

    /// Panics, with Vault's whole answer, unless the status is a success.
    #[track_caller]
    pub fn expect_success(self, what: &str) -> Self {
        assert!((200..300).contains(&self.status), "{what}: {self:?}");
        self
    }
}

/// An answer of Vault, unchanged.
#[derive(Clone, Debug)]
pub struct RawAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The headers, in the order of arrival, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, which may be empty.
    pub text: String,
}

impl RawAnswer {
    /// Returns the body as JSON. A missing body is null; one that is not JSON is a string.
    pub fn body(&self) -> Value {
        match serde_json::from_str(&self.text) {
            Ok(body) => body,
            Err(_) if self.text.is_empty() => Value::Null,
            Err(_) => json!(self.text),
        }
    }
}

/// A caller with a token. Clones share their connections.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    address: String,
    token: String,
}

impl Client {
    pub(crate) fn new(address: &str, token: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_idle_connections_per_host(64)
            .timeout_global(Some(Duration::from_secs(180))) // a hang is a failure, not a stuck test run
            .build();
        Client {
            agent: config.into(),
            address: address.to_owned(),
            token: token.to_owned(),
        }
    }

    /// Returns the same caller with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Client {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    /// Returns the server's address, such as `http://127.0.0.1:8200`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the caller's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Sends one request: any method, a path below `/v1/`, an optional JSON body. An error is always the connection's;
    /// a status is never an error.
    pub fn try_request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, ureq::Error> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let answer = self.try_send(method, path, &[], &body)?;
        Ok(Answer {
            status: answer.status,
            body: answer.body(),
        })
    }

    /// Sends one request. Its body need not be JSON and is sent unchanged. `headers` replace those of the same name.
    /// The path is sent unchanged, so it must be percent-encoded.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: &str,
    ) -> Result<RawAnswer, ureq::Error> {
        let media_type = if method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/v1/{path}", self.address))
            .header("X-Vault-Token", &self.token)
            .header("Content-Type", media_type)
            .body(body.to_owned())
            .unwrap();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let mut response = self.agent.run(request)?;
        let headers = response.headers().iter();
        Ok(RawAnswer {
            status: response.status().as_u16(),
            headers: headers
                .map(|(name, value)| {
                    (
                        name.to_string(),
                        String::from_utf8_lossy(value.as_bytes()).into_owned(),
                    )
                })
                .collect(),
            text: response
                .body_mut()
                .with_config()
                .limit(64 << 20)
                .read_to_string()?,
        })
    }

    /// Does the same as [`Client::try_request`], but panics if the connection fails.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        match self.try_request(method, path, body) {
            Ok(answer) => answer,
            Err(error) => panic!("{method} {path}: {error}"),
        }
    }

    /// Sends GET.
    #[track_caller]
    pub fn read(&self, path: &str) -> Answer {
        self.request("GET", path, None)
    }

    /// Sends PUT, which Vault treats like POST.
    #[track_caller]
    pub fn write(&self, path: &str, body: Value) -> Answer {
        self.request("PUT", path, Some(&body))
    }

    /// Sends DELETE.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path, None)
    }

    /// Sends LIST.
    #[track_caller]
    pub fn list(&self, path: &str) -> Answer {
        self.request("LIST", path, None)
    }
}

/// Sends a request without a token over a stream, and returns the whole text of the answer.
pub fn ask(stream: impl Read + Write, path: &str) -> String {
    ask_as(stream, "localhost", path)
}

/// Does the same as [`ask`], for a server of that name.
pub fn ask_as(mut stream: impl Read + Write, host: &str, path: &str) -> String {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// One mount: the requests of [`Client`], with paths relative to the mount.
#[derive(Clone)]
pub struct Mount {
    client: Client,
    path: String,
}

impl Mount {
    pub(crate) fn new(client: Client, path: &str) -> Self {
        Mount {
            client,
            path: path.to_owned(),
        }
    }

    /// Returns the full path of a path below the mount.
    pub fn path(&self, path: &str) -> String {
        format!("{}/{path}", self.path)
    }

    /// Returns the path of the mount, without a slash.
    pub fn name(&self) -> &str {
        &self.path
    }

    /// Returns the client that the mount uses.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the same mount, called with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Mount {
            client: self.client.with_token(token),
            path: self.path.clone(),
        }
    }

    /// Sends GET.
    #[track_caller]
    pub fn read(&self, path: &str) -> Answer {
        self.client.read(&self.path(path))
    }

    /// Sends PUT.
    #[track_caller]
    pub fn write(&self, path: &str, body: Value) -> Answer {
        self.client.write(&self.path(path), body)
    }

    /// Sends PATCH.
    #[track_caller]
    pub fn patch(&self, path: &str, body: Value) -> Answer {
        self.client.request("PATCH", &self.path(path), Some(&body))
    }

    /// Sends DELETE.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.client.delete(&self.path(path))
    }

    /// Sends LIST.
    #[track_caller]
    pub fn list(&self, path: &str) -> Answer {
        self.client.list(&self.path(path))
    }
}

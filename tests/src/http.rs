//! Vault's HTTP API.

use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Request;

/// What Vault answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; null where there is none.
    pub body: Value,
}

impl Answer {
    /// The answer's `data`.
    pub fn data(&self) -> &Value {
        &self.body["data"]
    }

    /// The answer's errors as one text; empty where there are none.
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

    /// Panics, with all that Vault said, unless the status is a success.
    #[track_caller]
    pub fn expect_success(self, what: &str) -> Self {
        assert!((200..300).contains(&self.status), "{what}: {self:?}");
        self
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

    /// The same caller with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Client {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    /// The server's address, such as `http://127.0.0.1:8200`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The caller's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// One request: any method, a path below `/v1/`, an optional JSON body. The error is the connection's, never a status.
    pub fn try_request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, ureq::Error> {
        let media_type = if method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/v1/{path}", self.address))
            .header("X-Vault-Token", &self.token)
            .header("Content-Type", media_type)
            .body(body.map(Value::to_string).unwrap_or_default())
            .unwrap();
        let mut response = self.agent.run(request)?;
        let status = response.status().as_u16();
        let text = response
            .body_mut()
            .with_config()
            .limit(64 << 20)
            .read_to_string()?;
        let body = serde_json::from_str(&text)
            .unwrap_or_else(|_| if text.is_empty() { Value::Null } else { json!(text) });
        Ok(Answer { status, body })
    }

    /// As [`Client::try_request`], for where the connection must hold.
    #[track_caller]
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        match self.try_request(method, path, body) {
            Ok(answer) => answer,
            Err(error) => panic!("{method} {path}: {error}"),
        }
    }

    /// GET.
    #[track_caller]
    pub fn read(&self, path: &str) -> Answer {
        self.request("GET", path, None)
    }

    /// PUT, which Vault treats as it does POST.
    #[track_caller]
    pub fn write(&self, path: &str, body: Value) -> Answer {
        self.request("PUT", path, Some(&body))
    }

    /// DELETE.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path, None)
    }

    /// LIST.
    #[track_caller]
    pub fn list(&self, path: &str) -> Answer {
        self.request("LIST", path, None)
    }
}

/// One mount: the requests of [`Client`], with paths relative to it.
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

    /// The full path of one of the mount's own.
    pub fn path(&self, path: &str) -> String {
        format!("{}/{path}", self.path)
    }

    /// The client beneath.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The same mount, called with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Mount {
            client: self.client.with_token(token),
            path: self.path.clone(),
        }
    }

    /// GET.
    #[track_caller]
    pub fn read(&self, path: &str) -> Answer {
        self.client.read(&self.path(path))
    }

    /// PUT.
    #[track_caller]
    pub fn write(&self, path: &str, body: Value) -> Answer {
        self.client.write(&self.path(path), body)
    }

    /// PATCH.
    #[track_caller]
    pub fn patch(&self, path: &str, body: Value) -> Answer {
        self.client.request("PATCH", &self.path(path), Some(&body))
    }

    /// DELETE.
    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.client.delete(&self.path(path))
    }

    /// LIST.
    #[track_caller]
    pub fn list(&self, path: &str) -> Answer {
        self.client.list(&self.path(path))
    }
}

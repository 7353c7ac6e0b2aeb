//! A client of Vault's HTTP API for the commands that an operator runs, with the operator's own address, token and
//! certificates, found as `vault` and `bao` find them.

pub mod address;
pub mod environment;
pub mod error;
pub mod redirect;
pub mod retry;
pub mod tls;
pub mod token;

use std::error::Error as _;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderValue, Method, Request, Response, header};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector as _, TcpConnector};

use address::Address;
use environment::Environment;
use error::{Failure, SetupError};
use retry::Repeat;
use tls::TlsConnector;
use token::Token;

/// The time for a connection. `vault` has 60 s for a whole request.
const CONNECT: Duration = Duration::from_secs(10);

/// The time for a request: longer than a host takes to compile the largest guest.
const REQUEST: Duration = Duration::from_secs(150);

/// Most bytes of an answer.
const MAX_ANSWER: u64 = 8 << 20;

/// A connection to one Vault, or to one cluster. It can be shared between threads.
pub struct Client {
    agent: Agent,
    address: Address,
    /// The active node, if a standby has redirected there.
    active: Mutex<Option<Address>>,
    token: Token,
    namespace: Option<HeaderValue>,
    /// True once Vault has answered.
    reached: AtomicBool,
}

impl Client {
    /// Makes a client with what the environment says. Sends nothing.
    pub fn of(environment: &Environment) -> Result<Self, SetupError> {
        let address = Address::of(environment)?;
        let token = Token::of(environment)?;
        let namespace = environment
            .get("NAMESPACE")
            .map(|variable| {
                HeaderValue::from_str(&variable.value).map_err(|_| SetupError::Variable {
                    name: variable.name,
                    reason: "is not the name of a namespace".to_owned(),
                })
            })
            .transpose()?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true) // LIST
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("airlock/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(REQUEST));
        let config = match address.is_loopback() {
            true => config.proxy(None), // as in Go
            false => config,
        };
        let connector = ().chain(ConnectProxyConnector::default()).chain(TcpConnector::default());
        let agent = if address.is_tls() {
            let connector = connector.chain(TlsConnector::of(environment)?);
            Agent::with_parts(config.build(), connector, DefaultResolver::default())
        } else {
            Agent::with_parts(config.build(), connector, DefaultResolver::default())
        };
        Ok(Self {
            agent,
            address,
            active: Mutex::default(),
            token,
            namespace,
            reached: AtomicBool::new(false),
        })
    }

    /// Returns the address that the operator gave.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Reads a path below `/v1/`, which is percent-encoded already. Returns the answer's `data`.
    pub fn read(&self, path: &str) -> Result<Value, Failure> {
        self.request(&Method::GET, path, None, Repeat::Always)
    }

    /// Lists a path.
    pub fn list(&self, path: &str) -> Result<Value, Failure> {
        let list = Method::from_bytes(b"LIST").unwrap_or(Method::GET);
        self.request(&list, path, None, Repeat::Always)
    }

    /// Deletes a path.
    pub fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.request(&Method::DELETE, path, None, Repeat::Always)
    }

    /// Writes to a path.
    pub fn write(&self, path: &str, body: &Value, repeat: Repeat) -> Result<Value, Failure> {
        self.request(&Method::PUT, path, Some(body.to_string()), repeat)
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        body: Option<String>,
        repeat: Repeat,
    ) -> Result<Value, Failure> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let failure = match self.send(method, path, body.as_deref()) {
                Ok(data) => return Ok(data),
                Err(failure) => failure,
            };
            let reached = self.reached.load(Ordering::Relaxed);
            match retry::wait(&failure, repeat, attempts, reached) {
                Some(wait) => std::thread::sleep(wait),
                None => return Err(failure),
            }
        }
    }

    /// Sends a request to the active node, or to the given address if that node is unknown, and follows one redirect.
    fn send(&self, method: &Method, path: &str, body: Option<&str>) -> Result<Value, Failure> {
        let known = self.active.lock().clone();
        let asked = known.as_ref().unwrap_or(&self.address);
        let answer = self.send_to(asked, method, path, body);
        if answer.is_err() {
            *self.active.lock() = None;
        }
        let answer = answer?;
        if answer.status() != 307 {
            return self.data(asked, path, answer);
        }
        let redirected = |source| Failure::Redirect {
            address: asked.to_string(),
            source,
        };
        let location = answer.headers().get(header::LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        let target = redirect::target(asked, path, location).map_err(redirected)?;
        let answer = self.send_to(&target, method, path, body)?;
        if answer.status() == 307 {
            return Err(redirected(redirect::RedirectError::Twice(target.to_string())));
        }
        *self.active.lock() = Some(target.clone());
        self.data(&target, path, answer)
    }

    fn send_to(
        &self,
        address: &Address,
        method: &Method,
        path: &str,
        body: Option<&str>,
    ) -> Result<Response<ureq::Body>, Failure> {
        let mut request = Request::builder()
            .method(method)
            .uri(address.url(path))
            .header("X-Vault-Token", self.token.header())
            .header("X-Vault-Request", "true");
        if let Some(namespace) = &self.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        let answer = match body {
            None => request
                .body(())
                .map_err(ureq::Error::Http)
                .and_then(|request| self.agent.run(request)),
            Some(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body)
                .map_err(ureq::Error::Http)
                .and_then(|request| self.agent.run(request)),
        };
        answer.map_err(|error| unreachable(address, &error))
    }

    /// Returns an answer's `data`, or the failure that the answer is.
    fn data(
        &self,
        address: &Address,
        path: &str,
        mut answer: Response<ureq::Body>,
    ) -> Result<Value, Failure> {
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after
            .and_then(|seconds| seconds.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let body = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec();
        let body = body.map_err(|error| unreachable(address, &error))?;
        self.reached.store(true, Ordering::Relaxed);
        parse(address, path, status, retry_after, &body)
    }
}

fn parse(
    address: &Address,
    path: &str,
    status: u16,
    retry_after: Option<Duration>,
    body: &[u8],
) -> Result<Value, Failure> {
    let is_success = (200..300).contains(&status);
    if is_success && body.is_empty() {
        return Ok(Value::Null);
    }
    let not_vault = |what: &str| Failure::NotVault {
        address: address.to_string(),
        what: format!("status {status}, {what}"),
    };
    let answer = match serde_json::from_slice(body) {
        Ok(Value::Object(answer)) => answer,
        // A proxy in front of Vault, and Go's server, answer errors in words of their own.
        _ if matches!(status, 400 | 429 | 500..) => {
            let text = String::from_utf8_lossy(body)
                .chars()
                .take(300)
                .collect::<String>();
            return Err(Failure::Answered {
                status,
                texts: Some(text)
                    .filter(|text| !text.trim().is_empty())
                    .into_iter()
                    .collect(),
                retry_after,
                path: path.to_owned(),
            });
        }
        _ => return Err(not_vault("no JSON object")),
    };
    if is_success {
        return Ok(answer.get("data").cloned().unwrap_or(Value::Null));
    }
    let texts = match answer.get("errors") {
        Some(Value::Array(texts)) => texts
            .iter()
            .filter_map(|text| Some(text.as_str()?.to_owned()))
            .collect(),
        // Vault answers a missing entry with warnings instead.
        None if status == 404 => Vec::new(),
        _ => return Err(not_vault("no errors of Vault's")),
    };
    Err(Failure::Answered {
        status,
        texts,
        retry_after,
        path: path.to_owned(),
    })
}

fn unreachable(address: &Address, error: &ureq::Error) -> Failure {
    let in_tls = rustls_error(error).map(tls::advice);
    let reason = match error {
        _ if in_tls.is_some() => String::new(),
        ureq::Error::HostNotFound => "no such host: check VAULT_ADDR".to_owned(),
        ureq::Error::ConnectionFailed => {
            "no connection: check VAULT_ADDR, and whether the server runs".to_owned()
        }
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            "connection refused: check VAULT_ADDR, and whether the server runs".to_owned()
        }
        // The resolver's error has no kind of its own.
        ureq::Error::Io(error)
            if error
                .to_string()
                .starts_with("failed to lookup address information") =>
        {
            "no such host: check VAULT_ADDR".to_owned()
        }
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        error => error.to_string(),
    };
    Failure::Unreachable {
        address: address.to_string(),
        in_tls: in_tls.is_some(),
        reason: in_tls.unwrap_or(reason),
    }
}

/// Returns the error of TLS that is the cause of another.
fn rustls_error(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        ureq::Error::Other(error) => error.downcast_ref(),
        error => error.source()?.downcast_ref(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(status: u16, body: &str) -> Result<Value, Failure> {
        let address = Address::parse("http://127.0.0.1:8200").unwrap();
        parse(&address, "demo/x", status, None, body.as_bytes())
    }

    #[test]
    fn returns_the_data_of_an_answer() {
        assert_eq!(parsed(200, r#"{"data": {"a": 1}}"#).unwrap(), json!({"a": 1}));
        assert_eq!(parsed(204, "").unwrap(), Value::Null);
        assert_eq!(parsed(200, "{}").unwrap(), Value::Null);
    }

    #[test]
    fn tells_vaults_errors_from_those_of_another_server() {
        let failure = parsed(403, r#"{"errors": ["permission denied"]}"#).unwrap_err();
        assert!(failure.says("permission denied"), "{failure}");
        assert_eq!(
            parsed(404, r#"{"data": null, "warnings": []}"#)
                .unwrap_err()
                .status(),
            Some(404)
        );
        assert_eq!(parsed(502, "<html>").unwrap_err().status(), Some(502));
        for (status, body) in [(200, "<html>"), (404, "not here"), (403, "{}"), (302, "")] {
            let failure = parsed(status, body).unwrap_err();
            assert!(matches!(failure, Failure::NotVault { .. }), "{status}: {failure}");
        }
    }

    #[test]
    fn a_server_that_does_not_answer_is_named_with_the_cause() {
        let variables = |name: &str| match name {
            "VAULT_ADDR" => Some("http://127.0.0.1:1".to_owned()),
            "VAULT_TOKEN" => Some("hvs.s3cret".to_owned()),
            _ => None,
        };
        let client = Client::of(&Environment::new(variables)).unwrap();
        let failure = client.read("demo/.airlock/status").unwrap_err();
        let shown = format!("{failure} {failure:?}");
        assert!(
            failure
                .to_string()
                .starts_with("cannot reach Vault at http://127.0.0.1:1: connection refused"),
            "{shown}"
        );
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}

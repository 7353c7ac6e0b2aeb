//! Shared code of the tests: a development server with the probe engine, and a caller that returns whole answers.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

pub mod probe;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use airlock_dev_server::{
    Clock, Cost, DevServer, EngineFactory, EngineInfo, MountSetup, Observer, Settings, Store, Unobserved,
    report_cost,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use ureq::Agent;
use vault_plugin::{Backend, Error, Operation, Request, Response, async_trait};

pub const TOKEN: &str = "a-root-token";

/// Makes probe engines. Refuses to make `broken`, and any engine for a mount with the option `break`.
pub struct Probes;

#[async_trait]
impl EngineFactory for Probes {
    fn engines(&self) -> Vec<EngineInfo> {
        ["probe", "kv", "broken"]
            .map(|name| EngineInfo {
                name: name.to_owned(),
                sha256: "00".repeat(32),
                ..EngineInfo::default()
            })
            .into()
    }

    async fn mount(&self, engine: &str, mount: MountSetup) -> Result<Arc<dyn Backend>, Error> {
        match engine {
            "broken" => Err(Error::Internal("the guest is broken".to_owned())),
            _ if mount.config.contains_key("break") => Err(Error::Internal("the guest is broken".to_owned())),
            _ => Ok(Arc::new(Costly(probe::Probe {
                storage: mount.storage,
                config: mount.config,
            }))),
        }
    }
}

/// The probe engine, which also reports a cost.
struct Costly(probe::Probe);

#[async_trait]
impl Backend for Costly {
    fn special_paths(&self) -> vault_plugin::SpecialPaths {
        self.0.special_paths()
    }
    async fn check_existence(&self, request: Request) -> Result<Option<bool>, Error> {
        self.0.check_existence(request).await
    }
    async fn handle_request(&self, request: Request) -> Result<Option<Response>, Error> {
        if request.operation != Operation::Rollback {
            report_cost(Cost {
                cpu: Duration::from_micros(10),
                reads: 1,
                ..Cost::default()
            });
        }
        self.0.handle_request(request).await
    }
}

/// A server on a runtime of its own.
pub struct Dev {
    pub runtime: Runtime,
    pub server: Option<DevServer>,
    pub caller: Caller,
}

impl Dev {
    pub fn memory() -> Dev {
        Dev::start(Store::memory().unwrap(), Clock::running())
    }

    pub fn start(store: Store, clock: Clock) -> Dev {
        Dev::observed(store, clock, Box::new(Unobserved))
    }

    pub fn observed(store: Store, clock: Clock, observer: Box<dyn Observer>) -> Dev {
        let runtime = Runtime::new().unwrap();
        let settings = Settings {
            listen: "127.0.0.1:0".parse().unwrap(),
            token: TOKEN.to_owned(),
            store,
            clock,
            observer,
            factory: Box::new(Probes),
        };
        let server = runtime.block_on(DevServer::start(settings)).unwrap();
        let caller = Caller::new(&format!("http://{}", server.address()), TOKEN);
        Dev {
            runtime,
            server: Some(server),
            caller,
        }
    }

    pub fn server(&self) -> &DevServer {
        self.server.as_ref().unwrap()
    }

    pub fn stop(mut self) {
        self.runtime.block_on(self.server.take().unwrap().stop());
    }
}

/// A caller with a token.
#[derive(Clone)]
pub struct Caller {
    agent: Agent,
    pub address: String,
    pub token: String,
}

/// Everything in an answer that a caller can see.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub text: String,
    pub body: Value,
}

impl Answer {
    pub fn data(&self) -> &Value {
        &self.body["data"]
    }

    #[track_caller]
    pub fn ok(self) -> Answer {
        assert!((200..300).contains(&self.status), "{self:?}");
        self
    }
}

impl Caller {
    pub fn new(address: &str, token: &str) -> Caller {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Caller {
            agent: config.into(),
            address: address.to_owned(),
            token: token.to_owned(),
        }
    }

    pub fn with_token(&self, token: &str) -> Caller {
        Caller {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    /// Sends one request below `/v1/`, with the body unchanged.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}/v1/{path}", self.address));
        if !self.token.is_empty() {
            request = request.header("X-Vault-Token", &self.token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = self.agent.run(request.body(body.to_owned()).unwrap()).unwrap();
        let shown = |(name, value): (&ureq::http::HeaderName, &ureq::http::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap_or("?").to_owned())
        };
        let headers = response.headers().iter().map(shown).collect();
        let status = response.status().as_u16();
        let text = response
            .body_mut()
            .with_config()
            .limit(64 << 20)
            .read_to_string()
            .unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer {
            status,
            headers,
            text,
            body,
        }
    }

    #[track_caller]
    pub fn read(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    #[track_caller]
    pub fn list(&self, path: &str) -> Answer {
        self.send("LIST", path, &[], "")
    }

    #[track_caller]
    pub fn write(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, &[], &body.to_string())
    }

    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], "")
    }

    #[track_caller]
    pub fn enable(&self, path: &str, engine: &str) {
        self.write(&format!("sys/mounts/{path}"), json!({ "type": engine }))
            .ok();
    }
}

//! An engine that does what the request's path says.

use std::sync::Arc;

use airlock_logical::SpecialPaths;
use async_trait::async_trait;
use serde_json::json;
use tokio::sync::Notify;

use crate::backend::{BackendType, Factory, Setup};
use crate::{Backend, Error, Json, Operation, Request, Response, ServerError, StorageEntry};

/// The signals between the tests and the engine.
#[derive(Default)]
pub(super) struct Signals {
    pub(super) started: Notify,
    pub(super) go_on: Notify,
    pub(super) done: Notify,
    /// The engine was told that its mount ends.
    pub(super) cleaned: Notify,
}

#[derive(Default)]
pub(super) struct TestFactory {
    pub(super) signals: Arc<Signals>,
}

#[async_trait]
impl Factory for TestFactory {
    async fn version(&self) -> String {
        "v1.2.3".to_owned()
    }

    fn backend_type(&self) -> BackendType {
        BackendType::Logical
    }

    async fn setup(&self, mount: Setup) -> Result<Arc<dyn Backend>, Error> {
        match mount.config.get("setup").map(String::as_str) {
            Some("fails") => Err(Error::User("the option setup is wrong".to_owned())),
            Some("panics") => panic!("in setup"),
            setup => {
                if setup == Some("slow") {
                    self.signals.started.notify_one();
                    self.signals.go_on.notified().await;
                }
                Ok(Arc::new(Engine {
                    mount,
                    signals: self.signals.clone(),
                }))
            }
        }
    }
}

pub(super) struct Engine {
    mount: Setup,
    signals: Arc<Signals>,
}

#[async_trait]
impl Backend for Engine {
    fn special_paths(&self) -> SpecialPaths {
        SpecialPaths {
            unauthenticated: vec!["open/*".to_owned()],
            ..SpecialPaths::default()
        }
    }

    async fn initialize(&self) -> Result<(), Error> {
        match self.mount.config.get("initialize").map(String::as_str) {
            Some("fails") => Err(Error::Internal("no key".to_owned())),
            _ => Ok(()),
        }
    }

    async fn handle_request(&self, request: Request) -> Result<Option<Response>, Error> {
        if request.operation == Operation::Help {
            return match request.path.as_str() {
                "" => Err(Error::Internal("no help".to_owned())),
                _ => Ok(None),
            };
        }
        match request.path.as_str() {
            "nothing" => Ok(None),
            "echo" => {
                Ok(Some(request.data.map_or_else(Response::new, |data| {
                    Response::new().with_data(data)
                })))
            }
            "mount" => {
                let data = json!({ "uuid": self.mount.backend_uuid, "name": self.mount.config.get("name") });
                Ok(Some(Response::json(&data)?))
            }
            "user" => Err(Error::User("no such role".to_owned())),
            "coded" => Err(Error::Coded {
                status: 418,
                message: "short and stout".to_owned(),
            }),
            "not-an-object" => Ok(Json::from_text("[1]").map(|data| Response::new().with_data(data))),
            "panic" => panic!("in a request"),
            "store" => {
                self.mount.storage.put(StorageEntry::new("key", "value")).await?;
                Ok(None)
            }
            "slow" => {
                self.signals.started.notify_one();
                self.signals.go_on.notified().await;
                self.mount.storage.put(StorageEntry::new("slow", "done")).await?;
                self.signals.done.notify_one();
                Ok(None)
            }
            "wait-for-hang-up" => {
                self.signals.started.notify_one();
                request.caller.gone().await;
                self.signals.done.notify_one();
                Ok(None)
            }
            "after-the-end" => {
                let storage = self.mount.storage.clone();
                let signals = self.signals.clone();
                tokio::spawn(async move {
                    signals.go_on.notified().await;
                    let refused = matches!(storage.get("key").await, Err(ServerError::Closed));
                    if refused {
                        signals.done.notify_one();
                    }
                });
                Ok(None)
            }
            "event" => {
                self.mount
                    .events
                    .send("test/happened", crate::Event::default())
                    .await?;
                Ok(None)
            }
            "observation" => {
                let data = Json::encode(&json!({ "seen": 1 }))?;
                self.mount.observations.record("test/seen", &data).await?;
                Ok(None)
            }
            _ => Err(Error::UnsupportedPath),
        }
    }

    async fn check_existence(&self, request: Request) -> Result<Option<bool>, Error> {
        match request.path.as_str() {
            "there" => Ok(Some(true)),
            "not-there" => Ok(Some(false)),
            "user" => Err(Error::User("no such role".to_owned())),
            _ => Ok(None),
        }
    }

    async fn invalidate_key(&self, key: &str) {
        assert_eq!(key, "policy/metadata");
        self.signals.done.notify_one();
    }

    async fn cleanup(&self) {
        self.signals.cleaned.notify_one();
    }
}

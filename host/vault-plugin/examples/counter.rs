//! A secrets engine in Rust alone: named counters, and seats that are lent and come back.
//!
//! ```text
//! vault secrets enable -path=count counter
//! vault write count/counters/visits by=2     # 2, then 4, then 6
//! vault list  count/counters
//! vault read  count/seat                     # a seat number, free again when its lease ends
//! ```
//!
//! Build it, put it into Vault's plugin directory, and register it with its sha256:
//! `vault plugin register -sha256=… secret counter`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use vault_plugin::{
    Backend, Error, Factory, Json, Lease, Operation, Report, Request, Response, Secret, Setup, Storage,
    StorageEntry, async_trait,
};

const HELP: &str = "counters/<name> counts up by `by` (default 1); seat lends a seat for `ttl` seconds.";

struct Plugin;

#[async_trait]
impl Factory for Plugin {
    async fn version(&self) -> String {
        concat!("v", env!("CARGO_PKG_VERSION")).to_owned()
    }

    async fn setup(&self, mount: Setup) -> Result<Arc<dyn Backend>, Error> {
        let seats = mount.config.get("seats").map_or(Ok(8), |seats| seats.parse());
        let seats = seats.map_err(|_| Error::User("the option seats must be a whole number".to_owned()))?;
        Ok(Arc::new(Counter {
            storage: mount.storage,
            seats,
            lock: Mutex::new(()),
        }))
    }
}

struct Counter {
    storage: Storage,
    seats: u32,
    /// Locked from reading a value until it is written back, because requests run concurrently.
    lock: Mutex<()>,
}

#[async_trait]
impl Backend for Counter {
    async fn handle_request(&self, request: Request) -> Result<Option<Response>, Error> {
        let lock = self.lock.lock().await;
        let answer = match (request.path.split_once('/'), &request.operation) {
            (_, Operation::Help) => Some(Response::help(HELP)),
            (_, Operation::Rollback) => None,
            (_, Operation::Renew) => Some(renew(&request)?),
            (_, Operation::Revoke) => self.give_back(&request).await?,
            (Some(("counters", "")), Operation::List) => {
                Some(Response::list(self.storage.list("counters/").await?))
            }
            (Some(("counters", name)), operation) if !name.is_empty() => match operation {
                Operation::Read => self.value(&request.path).await?.map(value_of).transpose()?,
                Operation::Create | Operation::Update => Some(self.count(&request).await?),
                Operation::Delete => self.forget(&request.path).await?,
                _ => return Err(Error::UnsupportedOperation),
            },
            (None, Operation::Read) if request.path == "seat" => Some(self.lend(&request).await?),
            (None, _) if request.path == "seat" => return Err(Error::UnsupportedOperation),
            _ => return Err(Error::UnsupportedPath),
        };
        drop(lock);
        Ok(answer)
    }

    async fn check_existence(&self, request: Request) -> Result<Option<bool>, Error> {
        match request.path.split_once('/') {
            Some(("counters", _)) => Ok(Some(self.value(&request.path).await?.is_some())),
            _ => Ok(None),
        }
    }
}

impl Counter {
    async fn value(&self, key: &str) -> Result<Option<i64>, Error> {
        let Some(entry) = self.storage.get(key).await? else {
            return Ok(None);
        };
        serde_json::from_slice(&entry.value)
            .map(Some)
            .map_err(|_| Error::Internal("a stored counter is damaged".into()))
    }

    async fn count(&self, request: &Request) -> Result<Response, Error> {
        #[derive(Deserialize)]
        struct Body {
            by: Option<Value>,
        }
        // The vault command sends numbers as text.
        let by = match request.decode::<Body>()?.by {
            None => Some(1),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        let by = by.ok_or_else(|| Error::User("by must be a whole number".to_owned()))?;
        let value = self.value(&request.path).await?.unwrap_or_default();
        let value = value
            .checked_add(by)
            .ok_or_else(|| Error::User("the counter is full".to_owned()))?;
        self.storage
            .put(StorageEntry::new(&request.path, value.to_string()))
            .await?;
        value_of(value)
    }

    async fn forget(&self, key: &str) -> Result<Option<Response>, Error> {
        self.storage.delete(key).await?;
        Ok(None)
    }

    /// Lends a free seat, as a leased secret: Vault says when it comes back.
    async fn lend(&self, request: &Request) -> Result<Response, Error> {
        #[derive(Deserialize)]
        struct Query {
            ttl: Option<String>,
        }
        let ttl = match request.decode::<Query>()?.ttl {
            Some(ttl) => ttl
                .parse()
                .map_err(|_| Error::User("ttl must be a number of seconds".to_owned()))?,
            None => 0,
        };
        let taken: BTreeSet<String> = self.storage.list("seats/").await?.into_iter().collect();
        let seat = (1..=self.seats).find(|seat| !taken.contains(&seat.to_string()));
        let seat = seat.ok_or(Error::Coded {
            status: 409,
            message: "no seat is free".to_owned(),
        })?;
        self.storage
            .put(StorageEntry::new(format!("seats/{seat}"), ""))
            .await?;
        let held = Secret::new(Duration::from_secs(ttl), Json::encode(&json!({ "seat": seat }))?);
        Ok(Response::json(&json!({ "seat": seat }))?.with_secret(held))
    }

    async fn give_back(&self, request: &Request) -> Result<Option<Response>, Error> {
        #[derive(Deserialize)]
        struct Held {
            seat: u32,
        }
        let held = request
            .secret
            .as_ref()
            .and_then(|secret| secret.internal_data.as_ref());
        let held: Held = held.ok_or(Error::InvalidRequest)?.decode()?;
        self.forget(&format!("seats/{}", held.seat)).await
    }
}

/// Renews the same secret, for as long as the caller asks.
fn renew(request: &Request) -> Result<Response, Error> {
    let secret = request.secret.clone().ok_or(Error::InvalidRequest)?;
    let lease = Lease {
        ttl: secret.lease.increment,
        ..secret.lease
    };
    Ok(Response::new().with_secret(Secret { lease, ..secret }))
}

fn value_of(value: i64) -> Result<Response, Error> {
    Response::json(&json!({ "value": value }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Vault writes these lines to its log at their levels; nothing else may be printed.
    tracing_subscriber::registry()
        .with(go_plugin::hclog::layer(["counter", "vault_plugin", "go_plugin"]))
        .init();
    if let Err(error) = vault_plugin::serve(Plugin).await {
        eprintln!("{}", Report::new(&error));
        std::process::exit(1);
    }
}

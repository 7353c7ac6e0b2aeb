//! An engine that does what a request tells it. It is mounted here and, as an external plugin, on the real Vault, so
//! that the two servers can be compared.

use airlock_logical::time::nanoseconds;
use std::sync::Arc;
use std::time::Duration;

use airlock_storage::{Storage, StorageEntry};
use serde_json::{Map, Value, json};
use vault_plugin::{
    Backend, Error, Json, Lease, Operation, Request, Response, Secret, ServerError, SpecialPaths, WrapInfo,
    async_trait,
};

pub struct Probe {
    pub storage: Arc<dyn Storage>,
    pub config: std::collections::BTreeMap<String, String>,
}

#[async_trait]
impl Backend for Probe {
    fn special_paths(&self) -> SpecialPaths {
        SpecialPaths {
            unauthenticated: vec!["open/*".to_owned()],
            ..SpecialPaths::default()
        }
    }

    async fn handle_request(&self, request: Request) -> Result<Option<Response>, Error> {
        match request.operation {
            Operation::Help => return Ok(Some(help(&request)?)),
            Operation::Rollback => return self.count("ticks").await.map(|()| None),
            Operation::Renew => return Ok(Some(renew(&request)?)),
            Operation::Revoke => return self.count("revoked").await.map(|()| None),
            _ => {}
        }
        let (head, rest) = request.path.split_once('/').unwrap_or((&request.path, ""));
        match head {
            "kv" => self.kv(&request, rest).await,
            "echo" | "open" => echo(&request).map(Some),
            "answer" => answer(&request.decode()?),
            "error" => Err(error(rest)),
            "exists" => Ok(None),
            "lease" => lease(&request).map(Some),
            "config" => Ok(Some(Response::json(&self.config)?)),
            "counted" => {
                let count = self
                    .storage
                    .get(&format!("count/{rest}"))
                    .await
                    .map_err(storage_error)?;
                let count = count.map_or(0, |entry| entry.value.len());
                Ok(Some(Response::json(&json!({ "count": count }))?))
            }
            _ => Err(Error::UnsupportedPath),
        }
    }

    async fn check_existence(&self, request: Request) -> Result<Option<bool>, Error> {
        match request.path.split_once('/') {
            Some(("kv", _)) => Ok(Some(
                self.storage
                    .get(&request.path)
                    .await
                    .map_err(storage_error)?
                    .is_some(),
            )),
            Some(("exists", kind)) => Err(error(kind)),
            Some(("echo", rest)) => Ok(rest.strip_prefix("exists-").map(|exists| exists == "true")),
            _ => Ok(None),
        }
    }
}

impl Probe {
    async fn kv(&self, request: &Request, name: &str) -> Result<Option<Response>, Error> {
        if name.is_empty() && request.operation != Operation::List {
            return Err(Error::UnsupportedPath);
        }
        let key = format!("kv/{name}");
        match request.operation {
            Operation::Create | Operation::Update => {
                let value = request
                    .data
                    .clone()
                    .ok_or_else(|| Error::User("no data provided".to_owned()))?;
                self.storage
                    .put(StorageEntry::new(key, value.into_string()))
                    .await
                    .map_err(storage_error)?;
                let message = format!("key {}d", request.operation);
                Ok(Some(Response::json(&json!({ "message": message }))?))
            }
            Operation::Read => {
                let Some(entry) = self.storage.get(&key).await.map_err(storage_error)? else {
                    return Ok(None);
                };
                let text = String::from_utf8_lossy(&entry.value).into_owned();
                Ok(Json::from_text(text).map(|data| Response::new().with_data(data)))
            }
            Operation::Delete => {
                self.storage.delete(&key).await.map_err(storage_error)?;
                Ok(None)
            }
            Operation::List => Ok(Some(Response::list(
                self.storage.list(&key).await.map_err(storage_error)?,
            ))),
            _ => Err(Error::UnsupportedOperation),
        }
    }

    async fn count(&self, what: &str) -> Result<(), Error> {
        let key = format!("count/{what}");
        let before = self.storage.get(&key).await.map_err(storage_error)?;
        let after = vec![b'x'; before.map_or(0, |entry| entry.value.len()) + 1];
        self.storage
            .put(StorageEntry::new(key, after))
            .await
            .map_err(storage_error)
    }
}

fn storage_error(error: airlock_storage::Error) -> Error {
    match error.to_string() {
        text if text.contains("relative paths") => ServerError::RelativePath.into(),
        text => Error::Internal(text),
    }
}

/// Returns every part of the request that an engine sees.
fn echo(request: &Request) -> Result<Response, Error> {
    let data: Value = request.data.as_ref().map_or(Ok(Value::Null), Json::decode)?;
    Response::json(&json!({
        "operation": request.operation.as_str(),
        "path": request.path,
        "data": data,
        "digits": data["b"].to_string(),
        "mount_point": request.mount_point,
        "mount_type": request.mount_type,
        "mount_accessor": !request.mount_accessor.is_empty(),
        "id": !request.id.is_empty(),
        "client_token": !request.client_token.is_empty(),
        "client_token_accessor": !request.client_token_accessor.is_empty(),
        "display_name": request.display_name,
        "entity_id": request.entity_id,
        "headers": request.headers,
        "remote": request.connection.as_ref().map(|connection| connection.remote_addr.clone()),
        "unauthenticated": request.unauthenticated,
        "wrap": request.wrap.as_ref().map(|wrap| wrap.ttl().as_secs()),
    }))
}

/// Returns the answer that the request's data describes, or the JSON in its parameter `json`.
fn answer(asked: &Map<String, Value>) -> Result<Option<Response>, Error> {
    if let Some(json) = asked.get("json").and_then(Value::as_str) {
        let asked = serde_json::from_str(json).map_err(|error| Error::User(error.to_string()))?;
        return answer(&asked);
    }
    if asked.contains_key("nothing") {
        return Ok(None);
    }
    let mut response = Response::new();
    response.data = asked
        .get("data")
        .and_then(|data| Json::from_text(data.to_string()));
    for warning in asked
        .get("warnings")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        response = response.with_warning(warning.as_str().unwrap_or_default());
    }
    for (name, value) in asked
        .get("headers")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        response = response.with_header(name, value.as_str().unwrap_or_default());
    }
    if let Some(url) = asked.get("redirect").and_then(Value::as_str) {
        response = response.with_redirect(url);
    }
    if let Some(ttl) = asked.get("wrap").and_then(Value::as_u64) {
        response = response.with_wrap_info(WrapInfo {
            ttl: nanoseconds(Duration::from_secs(ttl)),
            ..WrapInfo::default()
        });
    }
    Ok(Some(response))
}

fn error(kind: &str) -> Error {
    match kind {
        "user" => Error::User("a mistake of <yours>".to_owned()),
        "internal" => Error::Internal("a mistake of mine".to_owned()),
        "invalid-request" => Error::InvalidRequest,
        "permission-denied" => Error::PermissionDenied,
        "unsupported-path" => Error::UnsupportedPath,
        "path-removed" => Error::PathRemoved,
        "unsupported-operation" => Error::UnsupportedOperation,
        "missing-state" => Error::MissingState,
        "rate-limited" => Error::RateLimited,
        "too-many-leases" => Error::TooManyLeases,
        "upstream" => Error::UpstreamRateLimited,
        "unrecoverable" => Error::Unrecoverable,
        "read-only" => ServerError::ReadOnly.into(),
        "relative-path" => ServerError::RelativePath.into(),
        "coded-418" => Error::Coded {
            status: 418,
            message: "a teapot".to_owned(),
        },
        "coded-503" => Error::Coded {
            status: 503,
            message: "not now".to_owned(),
        },
        other => Error::Internal(format!("no error is called {other}")),
    }
}

fn lease(request: &Request) -> Result<Response, Error> {
    let asked: Map<String, Value> = request.decode()?;
    let seconds = |name: &str| {
        let text = asked.get(name).and_then(Value::as_str).unwrap_or_default();
        Duration::from_secs(text.parse().unwrap_or_default())
    };
    let mut secret = Secret::new(seconds("ttl"), Json::encode(&json!({ "secret_type": "probe" }))?);
    secret.lease.max_ttl = nanoseconds(seconds("max_ttl"));
    secret.lease.renewable = asked.get("renewable").is_none();
    Ok(Response::json(&json!({ "user": "probe" }))?.with_secret(secret))
}

fn renew(request: &Request) -> Result<Response, Error> {
    let secret = request.secret.clone().ok_or(Error::InvalidRequest)?;
    let lease = Lease {
        ttl: secret.lease.increment,
        ..secret.lease
    };
    Ok(Response::new().with_secret(Secret { lease, ..secret }))
}

fn help(request: &Request) -> Result<Response, Error> {
    let item = json!({ "description": "Echo", "get": { "operationId": "echo" } });
    Response::json(&json!({
        "help": format!("The help of <{}>", request.path),
        "see_also": ["kv"],
        "openapi": { "openapi": "3.0.2", "paths": { "/echo/{path}": item }, "components": { "schemas": {} } },
    }))
}

//! A secrets engine that shows what a server tells its plugins, and what the server makes of their answers.
//!
//! ```text
//! vault secrets enable -path=probe probe
//! vault read  probe/system                  # the system view's plain facts
//! vault read  probe/entity id=…             # who an entity is, and its groups
//! vault read  probe/password policy=…
//! vault write probe/wrap secret=…           # a wrapping token
//! vault read  probe/request                 # what reached the engine of this very request
//! vault read  probe/storage                 # what storage can do, and what it said during setup
//! vault write probe/event note=…            # an event of type probe/happened
//! vault read  probe/error/unsupported-path  # what the server makes of an error
//! ```

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use vault_plugin::{
    Backend, Error, Event, Factory, Json, Operation, RawHttp, Report, Request, Response, RotationJob,
    ServerError, Setup, SpecialPaths, StorageEntry, async_trait,
};

struct Plugin;

#[async_trait]
impl Factory for Plugin {
    async fn setup(&self, mount: Setup) -> Result<Arc<dyn Backend>, Error> {
        // Servers refuse this: storage is read-only until `initialize`.
        let write = mount.storage.put(StorageEntry::new("setup", "")).await;
        let write_during_setup = write.map_or_else(|error| error.to_string(), |()| "was stored".to_owned());
        Ok(Arc::new(Probe {
            mount,
            write_during_setup,
        }))
    }
}

struct Probe {
    mount: Setup,
    write_during_setup: String,
}

#[async_trait]
impl Backend for Probe {
    fn special_paths(&self) -> SpecialPaths {
        SpecialPaths {
            unauthenticated: vec!["open".to_owned()],
            root: vec!["guarded".to_owned()],
            ..SpecialPaths::default()
        }
    }

    async fn initialize(&self) -> Result<(), Error> {
        Ok(self
            .mount
            .storage
            .put(StorageEntry::new("initialized", ""))
            .await?)
    }

    async fn handle_request(&self, request: Request) -> Result<Option<Response>, Error> {
        if matches!(request.operation, Operation::Rollback) {
            return Ok(None);
        }
        let answer = match request.path.as_str() {
            "open" | "guarded" => json!({ "reached": true }),
            "system" => self.system().await?,
            "entity" => self.entity(&request).await?,
            "password" => self.password(&request).await?,
            "enterprise" => self.enterprise(&request).await,
            "storage" => self.storage().await?,
            "request" => what_is_seen(&request),
            "wrap" => return self.wrap(request).await.map(Some),
            "event" => return self.event(request).await,
            "raw" => return Ok(Some(raw())),
            "headers" => return Ok(Some(Response::json(&json!({}))?.with_header("X-Probe", "seen"))),
            "warning" => {
                return Ok(Some(
                    Response::json(&json!({ "a": 1 }))?.with_warning("mind the gap"),
                ));
            }
            "no-object" => return Ok(Json::from_text("[1]").map(|data| Response::new().with_data(data))),
            "echo" => return Ok(request.data.map(|data| Response::new().with_data(data))),
            "panic" => panic!("on purpose"),
            path => match path.strip_prefix("error/") {
                Some(name) => return Err(error(name)),
                None => return Err(Error::UnsupportedPath),
            },
        };
        Response::json(&answer).map(Some)
    }
}

impl Probe {
    async fn system(&self) -> Result<serde_json::Value, Error> {
        let system = &self.mount.system;
        let environment = system.plugin_env().await?;
        Ok(json!({
            "default_lease_ttl": system.default_lease_ttl().await?.as_secs(),
            "max_lease_ttl": system.max_lease_ttl().await?.as_secs(),
            "tainted": system.tainted().await?,
            "caching_disabled": system.caching_disabled().await?,
            "replication_state": system.replication_state().await?.0,
            "mlock_enabled": system.mlock_enabled().await?,
            "local_mount": system.local_mount().await?,
            "version": environment.version,
            "build_date_known": environment.build_date.is_some(),
            "cluster_id": system.cluster_info().await?.id,
        }))
    }

    async fn entity(&self, request: &Request) -> Result<serde_json::Value, Error> {
        #[derive(Deserialize)]
        struct Query {
            id: String,
        }
        let Query { id } = request.decode()?;
        let entity = self.mount.system.entity_info(&id).await?;
        let groups = self.mount.system.groups_for_entity(&id).await?;
        Ok(json!({
            "name": entity.as_ref().map(|entity| &entity.name),
            "metadata": entity.as_ref().map(|entity| &entity.metadata),
            "aliases": entity.iter().flat_map(|entity| &entity.aliases).map(|alias| &alias.name).collect::<Vec<_>>(),
            "groups": groups.iter().map(|group| &group.name).collect::<Vec<_>>(),
        }))
    }

    async fn password(&self, request: &Request) -> Result<serde_json::Value, Error> {
        #[derive(Deserialize)]
        struct Query {
            policy: String,
        }
        let Query { policy } = request.decode()?;
        Ok(json!({ "password": self.mount.system.generate_password_from_policy(&policy).await? }))
    }

    /// Reports what the server says to the calls that only Vault Enterprise offers.
    async fn enterprise(&self, request: &Request) -> serde_json::Value {
        fn said<T>(result: Result<T, ServerError>) -> String {
            result.map_or_else(|error| Report::new(&error).to_string(), |_| "granted".to_owned())
        }
        let system = &self.mount.system;
        let job = || RotationJob {
            mount_point: request.mount_point.clone(),
            ..RotationJob::default()
        };
        json!({
            "identity_token": said(system.generate_identity_token("probe", Duration::from_secs(60)).await),
            "rotation_information": said(system.rotation_information("probe").await),
            "register": said(system.register_rotation_job(job()).await),
            "register_with_response": said(system.register_rotation_job_with_response(job()).await),
            "deregister": said(system.deregister_rotation_job(&request.mount_point, "probe").await),
        })
    }

    async fn storage(&self) -> Result<serde_json::Value, Error> {
        let storage = &self.mount.storage;
        let relative = storage.get("../other").await;
        Ok(json!({
            "keys": storage.list("").await?,
            "page": storage.list_page("", "", 1).await?,
            "transactional": storage.is_transactional().await?,
            "write_during_setup": self.write_during_setup,
            "relative": relative.map_or_else(|error| error.to_string(), |_| "was read".to_owned()),
        }))
    }

    async fn wrap(&self, request: Request) -> Result<Response, Error> {
        let data = request
            .data
            .ok_or_else(|| Error::User("nothing to wrap".to_owned()))?;
        let wrapped = self
            .mount
            .system
            .response_wrap_data(data, Duration::from_secs(60))
            .await?;
        Response::json(&json!({ "token": wrapped.token, "ttl": wrapped.ttl().as_secs() }))
    }

    async fn event(&self, request: Request) -> Result<Option<Response>, Error> {
        let event = Event {
            metadata: request.data,
            note: "seen by the probe".to_owned(),
            ..Event::default()
        };
        self.mount.events.send("probe/happened", event).await?;
        let seen = Json::encode(&json!({ "path": request.path }))?;
        self.mount.observations.record("probe/happened", &seen).await?;
        Ok(None)
    }
}

fn what_is_seen(request: &Request) -> serde_json::Value {
    json!({
        "id": !request.id.is_empty(),
        "operation": request.operation.as_str(),
        "data": request.data.as_ref().map(Json::as_str),
        "mount_point": request.mount_point,
        "mount_type": request.mount_type,
        "entity_id": request.entity_id,
        "display_name": request.display_name,
        "client_token": request.client_token.len(),
        "headers": request.headers,
        "remote_addr": request.connection.as_ref().map(|connection| &connection.remote_addr),
        "wrap_ttl": request.wrap.as_ref().map(|wrap| wrap.ttl().as_secs()),
    })
}

fn raw() -> Response {
    Response::raw(RawHttp {
        status: 418,
        content_type: "text/plain".to_owned(),
        body: b"short and stout".to_vec(),
    })
}

fn error(name: &str) -> Error {
    match name {
        "user" => Error::User("no such role".to_owned()),
        "invalid-request" => Error::InvalidRequest,
        "invalid-credentials" => Error::InvalidCredentials,
        "permission-denied" => Error::PermissionDenied,
        "unsupported-path" => Error::UnsupportedPath,
        "path-removed" => Error::PathRemoved,
        "unsupported-operation" => Error::UnsupportedOperation,
        "missing-state" => Error::MissingState,
        "rate-limited" => Error::RateLimited,
        "too-many-leases" => Error::TooManyLeases,
        "upstream-rate-limited" => Error::UpstreamRateLimited,
        "unrecoverable" => Error::Unrecoverable,
        "approval-pending" => Error::ApprovalPending,
        "coded" => Error::Coded {
            status: 409,
            message: "taken".to_owned(),
        },
        "impossible-status" => Error::Coded {
            status: 200,
            message: "fine".to_owned(),
        },
        "internal" => Error::Internal("lost the key".to_owned()),
        "read-only" => ServerError::ReadOnly.into(),
        "relative-path" => ServerError::RelativePath.into(),
        "too-large" => ServerError::TooLarge("a value of 2 MiB".to_owned()).into(),
        _ => Error::UnsupportedPath,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    tracing_subscriber::registry()
        .with(go_plugin::hclog::layer(["probe", "vault_plugin", "go_plugin"]))
        .init();
    if let Err(error) = vault_plugin::serve(Plugin).await {
        eprintln!("{}", Report::new(&error));
        std::process::exit(1);
    }
}

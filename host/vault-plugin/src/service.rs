//! Vault's calls, each passed to the mount that it is for.

mod ending;
mod methods;
mod mounts;
mod reply;

use std::sync::Arc;

use async_trait::async_trait;
use go_plugin::{Channel, DialError};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Response, Status};
use tracing::Instrument as _;

use crate::backend::{BackendType, Factory, Setup};
use crate::caller::Caller;
use crate::link::Link;
use crate::proto::logical;
use crate::proto::logical::plugin_version_server::PluginVersion;
use crate::proto::pb;
use crate::proto::pluginutil::multiplexing::plugin_multiplexing_server::PluginMultiplexing;
use crate::proto::pluginutil::multiplexing::{MultiplexingSupportRequest, MultiplexingSupportResponse};
use crate::{Error, Events, Observations, Report, ServerError, Storage, SystemView};
use airlock_logical::SpecialPaths;
use airlock_logical::trace::TARGET;

pub(crate) use ending::Ending;
pub(crate) use methods::BackendServer;
pub(crate) use mounts::Mounts;
use mounts::{Mount, about_mount, multiplex_id, run};
pub(crate) use reply::{Reader, reply};

/// The way in which a mount reaches the server.
#[async_trait]
pub(crate) trait Dial: Send + Sync + 'static {
    async fn dial(&self, broker_id: u32) -> Result<Channel, DialError>;

    /// Returns a token that is cancelled once the server has closed all dialled connections and will not open them
    /// again.
    fn closed(&self) -> CancellationToken;
}

#[async_trait]
impl Dial for go_plugin::Broker {
    async fn dial(&self, broker_id: u32) -> Result<Channel, DialError> {
        go_plugin::Broker::dial(self, broker_id).await
    }

    fn closed(&self) -> CancellationToken {
        go_plugin::Broker::closed(self)
    }
}

/// Serves `pb.Backend` for all mounts of the process.
pub(crate) struct BackendService {
    pub(crate) factory: Arc<dyn Factory>,
    pub(crate) server: Arc<dyn Dial>,
    pub(crate) mounts: Arc<Mounts>,
}

impl BackendService {
    async fn setup(&self, request: Request<pb::SetupArgs>) -> Result<Response<pb::SetupReply>, Status> {
        let id = multiplex_id(&request)?.to_owned();
        let args = request.into_inner();
        // This is a registration: Vault only wants to know the version, offers neither storage nor system view, and may
        // leave the process running without ever calling Cleanup. There is nothing to set up.
        if args.backend_uuid.is_empty() {
            return Ok(Response::new(pb::SetupReply::default()));
        }
        let (factory, server, mounts) = (self.factory.clone(), self.server.clone(), self.mounts.clone());
        let (place, before) = mounts.reserve(&id);
        let span = about_mount(&args.backend_uuid);
        let result = run(tokio::spawn({
            let (id, place) = (id.clone(), place.clone());
            let set_up = async move {
                // Two mounts must not use the same storage, so the old one first finishes what it has begun to write.
                if let Some(before) = before {
                    before.take_down().await;
                }
                let mount = set_up(&*factory, &*server, args).await?;
                match mounts.insert(&id, &place, mount) {
                    Ok(()) => Ok(()),
                    Err(mount) => {
                        mount.take_down().await;
                        Err(Error::Internal(
                            "the mount was taken down while it was set up".to_owned(),
                        ))
                    }
                }
            };
            set_up.instrument(span.clone())
        }));
        let result = result.await.flatten();
        if result.is_err() {
            self.mounts.release(&id, &place);
        }
        let err = match result {
            Ok(()) => String::new(),
            Err(error) => {
                let error = Report::new(&error).to_string();
                tracing::error!(parent: &span, error, "the mount was not set up");
                match error {
                    // Vault would take an empty text as success.
                    text if text.is_empty() => "setup failed".to_owned(),
                    text => text,
                }
            }
        };
        Ok(Response::new(pb::SetupReply { err }))
    }

    async fn initialize(
        &self,
        request: Request<pb::InitializeArgs>,
    ) -> Result<Response<pb::InitializeReply>, Status> {
        let mount = self.mounts.of(&request)?;
        let result = mount
            .call(mount.span(), async |backend| backend.initialize().await)
            .await
            .flatten();
        Ok(Response::new(pb::InitializeReply {
            err: result.err().map(pb::ProtoError::from),
        }))
    }

    async fn handle_request(
        &self,
        request: Request<Box<pb::HandleRequestArgs>>,
    ) -> Result<Response<pb::HandleRequestReply>, Status> {
        let ending = &self.mounts.ending;
        ending.admit().await;
        let mount = match self.mounts.of(&request) {
            Err(_) if request.get_ref().request.as_ref().is_some_and(asks_for_its_path) => {
                return Ok(Response::new(pb::HandleRequestReply {
                    err: Some(Error::UnsupportedOperation.into()),
                    ..pb::HandleRequestReply::default()
                }));
            }
            mount => mount?,
        };
        let (request, _waits) = inner_request(request.into_inner().request, ending)?;
        let reader = Reader::of(&request);
        let span = mount.span_of(&request, request.operation.known().unwrap_or("other"));
        let result = mount
            .call(span, async move |backend| {
                traced(backend.handle_request(*request).await)
            })
            .await;
        let mut result = result.flatten();
        ending.release(result.is_ok(), &mount.link).await;
        let held = result.as_mut().ok().and_then(Option::as_mut);
        let held = held.and_then(|answer| answer.held.take());
        let mut reply = Response::new(reply(reader, result));
        if let Some(held) = held {
            reply.extensions_mut().insert(held);
        }
        Ok(reply)
    }

    async fn handle_existence_check(
        &self,
        request: Request<Box<pb::HandleExistenceCheckArgs>>,
    ) -> Result<Response<pb::HandleExistenceCheckReply>, Status> {
        let ending = &self.mounts.ending;
        ending.admit().await;
        let mount = self.mounts.of(&request)?;
        let (request, _waits) = inner_request(request.into_inner().request, ending)?;
        let span = mount.span_of(&request, "existence check");
        let result = mount
            .call(span, async move |backend| {
                traced(backend.check_existence(*request).await)
            })
            .await;
        // A check stores nothing, so there is nothing to report: the next process can answer it too.
        ending.release(false, &mount.link).await;
        let (answer, err) = match result.flatten() {
            Ok(answer) => (answer, None),
            Err(error) => (None, Some(error.into())),
        };
        let (check_found, exists) = (answer.is_some(), answer.unwrap_or_default());
        Ok(Response::new(pb::HandleExistenceCheckReply {
            check_found,
            exists,
            err,
        }))
    }

    async fn invalidate_key(
        &self,
        request: Request<pb::InvalidateKeyArgs>,
    ) -> Result<Response<pb::Empty>, Status> {
        let mount = self.mounts.of(&request)?;
        let key = request.into_inner().key;
        mount
            .call(mount.span(), async move |backend| {
                backend.invalidate_key(&key).await
            })
            .await
            .map_err(status)?;
        Ok(Response::new(pb::Empty {}))
    }

    async fn special_paths(
        &self,
        request: Request<pb::Empty>,
    ) -> Result<Response<pb::SpecialPathsReply>, Status> {
        // An error here would interrupt the server's unseal. A mount that could not be set up has no special paths.
        multiplex_id(&request)?;
        let paths = match self.mounts.of(&request) {
            Ok(mount) => mount.special_paths(),
            Err(_) => SpecialPaths::default(),
        };
        Ok(Response::new(pb::SpecialPathsReply {
            paths: Some(paths.into()),
        }))
    }

    async fn r#type(&self, _: Request<pb::Empty>) -> Result<Response<pb::TypeReply>, Status> {
        // The type is the same for all mounts, and Vault asks for it at registration too.
        let r#type = match self.factory.backend_type() {
            BackendType::Logical => 1,
            BackendType::Credential => 2,
        };
        Ok(Response::new(pb::TypeReply { r#type }))
    }

    async fn cleanup(&self, request: Request<pb::Empty>) -> Result<Response<pb::Empty>, Status> {
        // A registration has no mount, nor has a mount that could not be set up: there is nothing to do.
        if let Some(mount) = self.mounts.remove(multiplex_id(&request)?) {
            let span = mount.span();
            run(tokio::spawn(
                async move { mount.take_down().await }.instrument(span),
            ))
            .await
            .map_err(status)?;
        }
        Ok(Response::new(pb::Empty {}))
    }
}

/// Says in the request's trace how it ended, unless the engine has said more of that.
fn traced<T>(answer: Result<T, Error>) -> Result<T, Error> {
    let outcome = || match &answer {
        Ok(_) => "ok",
        Err(Error::Server(ServerError::ReadOnly)) => "read_only",
        Err(error) if error.status() < 500 => "refused",
        Err(_) => "failed",
    };
    tracing::trace!(target: TARGET, outcome = outcome());
    answer
}

fn status(error: Error) -> Status {
    Status::internal(Report::new(&error).to_string())
}

async fn set_up(factory: &dyn Factory, server: &dyn Dial, args: pb::SetupArgs) -> Result<Mount, Error> {
    // The mount dials now and not at the first call, so that the operator sees why the server cannot be reached. Vault
    // tells the broker where to dial while it waits for the answer to Setup.
    let channel = server.dial(args.broker_id).await;
    let channel = channel.map_err(|error| Error::Internal(Report::new(&error).to_string()))?;
    let link = Arc::new(Link::new(channel, server.closed()));
    let backend = factory.setup(Setup {
        config: args.config,
        backend_uuid: args.backend_uuid.clone(),
        storage: Storage::new(link.clone()),
        system: SystemView::new(link.clone()),
        events: Events::new(link.clone()),
        observations: Observations::new(link.clone()),
    });
    match backend.await {
        Ok(backend) => Ok(Mount::new(args.backend_uuid, backend, link)),
        Err(error) => {
            link.close();
            Err(error)
        }
    }
}

/// Returns true if OpenBao asks under which path its policies look for a request, as it does before each read and write. At a
/// reload, this question also comes for the mount that was taken down, and an error would reach the caller. So without a mount
/// the answer is "unsupported operation", and OpenBao takes the path that was sent. A mount answers for itself: if it cannot
/// serve yet, its error lets a standby forward the request.
fn asks_for_its_path(request: &pb::Request) -> bool {
    request.operation == "resolve-path"
}

/// Returns the request, boxed so that each layer moves a pointer, and a guard to keep for as long as its caller waits: the
/// connection drops a handler whose caller hangs up.
fn inner_request(
    request: Option<pb::Request>,
    ending: &Ending,
) -> Result<(Box<crate::Request>, DropGuard), Status> {
    let wire = request.ok_or_else(|| Status::invalid_argument("the call holds no request"))?;
    let (caller, waits) = Caller::new(ending.token());
    let mut request = Box::new(crate::Request::from(wire));
    request.caller = caller;
    Ok((request, waits))
}

impl From<SpecialPaths> for pb::Paths {
    fn from(paths: SpecialPaths) -> pb::Paths {
        pb::Paths {
            root: paths.root,
            unauthenticated: paths.unauthenticated,
            local_storage: paths.local_storage,
            seal_wrap_storage: paths.seal_wrap_storage,
            write_forwarded_storage: paths.write_forwarded_storage,
            binary: paths.binary,
            limited: paths.limited,
            allow_snapshot_read: paths.allow_snapshot_read,
        }
    }
}

/// Serves `logical.PluginVersion`. It never fails, because Vault does not survive that at registration.
pub(crate) struct VersionService {
    pub(crate) factory: Arc<dyn Factory>,
}

#[async_trait]
impl PluginVersion for VersionService {
    async fn version(&self, _: Request<logical::Empty>) -> Result<Response<logical::VersionReply>, Status> {
        Ok(Response::new(logical::VersionReply {
            plugin_version: self.factory.version().await,
        }))
    }
}

/// Serves `pluginutil.multiplexing.PluginMultiplexing`: one process may serve several mounts.
pub(crate) struct MultiplexingService;

#[async_trait]
impl PluginMultiplexing for MultiplexingService {
    async fn multiplexing_support(
        &self,
        _: Request<MultiplexingSupportRequest>,
    ) -> Result<Response<MultiplexingSupportResponse>, Status> {
        Ok(Response::new(MultiplexingSupportResponse { supported: true }))
    }
}

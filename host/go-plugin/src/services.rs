//! The services of every plugin beside its own: health, the controller and stdio.

use std::time::Duration;

use futures_util::stream::{Pending, pending};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use crate::Services;
use crate::broker::Post;
use crate::proto::grpc_broker_server::GrpcBrokerServer;
use crate::proto::grpc_controller_server::{GrpcController, GrpcControllerServer};
use crate::proto::grpc_stdio_server::{GrpcStdio, GrpcStdioServer};
use crate::proto::{Empty, StdioData};

/// The name of the service whose health the host asks for.
const HEALTH_OF: &str = "plugin";

/// This is far longer than the process takes to end.
const OVERDUE: Duration = Duration::from_secs(10);

/// Adds the plugin's services to the application's. `requested` is cancelled when the host asks for the end.
pub(crate) async fn add_to(services: Services, post: Post, requested: CancellationToken) -> Services {
    let health = HealthReporter::new();
    health.set_service_status(HEALTH_OF, ServingStatus::Serving).await;
    services
        .with(HealthServer::new(HealthService::from_health_reporter(health)))
        .with(GrpcBrokerServer::new(post))
        .with(GrpcControllerServer::new(Controller { requested }))
        .with(GrpcStdioServer::new(Stdio))
}

struct Controller {
    requested: CancellationToken,
}

#[tonic::async_trait]
impl GrpcController for Controller {
    /// Answers by ending the process. A host closes its connection as soon as it has an answer, and every call that is
    /// in flight then fails; Vault sends such calls again only if it already knows that the process is gone.
    async fn shutdown(&self, _request: Request<Empty>) -> Result<Response<Empty>, Status> {
        self.requested.cancel();
        // If the process hangs instead, this answer lets the host kill it.
        tokio::time::sleep(OVERDUE).await;
        Ok(Response::new(Empty {}))
    }
}

struct Stdio;

#[tonic::async_trait]
impl GrpcStdio for Stdio {
    /// A stream that lasts as long as the process and carries nothing: a plugin's output goes to its log.
    type StreamStdioStream = Pending<Result<StdioData, Status>>;

    async fn stream_stdio(&self, _request: Request<()>) -> Result<Response<Self::StreamStdioStream>, Status> {
        Ok(Response::new(pending()))
    }
}

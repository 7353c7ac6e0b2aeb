//! What every plugin serves beside its own services: health, the controller and stdio.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio_stream::Stream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use crate::broker::Post;
use crate::proto::grpc_broker_server::GrpcBrokerServer;
use crate::proto::grpc_controller_server::{GrpcController, GrpcControllerServer};
use crate::proto::grpc_stdio_server::{GrpcStdio, GrpcStdioServer};
use crate::proto::{Empty, StdioData};

/// The service whose health the host asks for.
const HEALTH_OF: &str = "plugin";

/// Adds the plugin's services to the application's. `requested` is cancelled when the host asks for the end, and
/// `ending` ends the streams that would otherwise last for ever.
pub(crate) async fn add_to(
    routes: Routes,
    post: Post,
    requested: CancellationToken,
    ending: CancellationToken,
) -> Routes {
    let health = HealthReporter::new();
    health.set_service_status(HEALTH_OF, ServingStatus::Serving).await;
    routes
        .add_service(HealthServer::new(HealthService::from_health_reporter(health)))
        .add_service(GrpcBrokerServer::new(post))
        .add_service(GrpcControllerServer::new(Controller { requested }))
        .add_service(GrpcStdioServer::new(Stdio { ending }))
}

struct Controller {
    requested: CancellationToken,
}

#[tonic::async_trait]
impl GrpcController for Controller {
    /// Answers at once; the end comes after.
    async fn shutdown(&self, _request: Request<Empty>) -> Result<Response<Empty>, Status> {
        self.requested.cancel();
        Ok(Response::new(Empty {}))
    }
}

struct Stdio {
    ending: CancellationToken,
}

#[tonic::async_trait]
impl GrpcStdio for Stdio {
    type StreamStdioStream = Silence;

    async fn stream_stdio(&self, _request: Request<()>) -> Result<Response<Silence>, Status> {
        Ok(Response::new(Silence(Box::pin(
            self.ending.clone().cancelled_owned(),
        ))))
    }
}

/// A stream without items that ends with the process: a plugin's output goes to its log.
struct Silence(Pin<Box<WaitForCancellationFutureOwned>>);

impl Stream for Silence {
    type Item = Result<StdioData, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll(cx).map(|()| None)
    }
}

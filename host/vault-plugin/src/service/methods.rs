//! Finds the method of each call of `pb.Backend`.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll};

use go_plugin::unary;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::NamedService;

use super::BackendService;

/// Serves `pb.Backend`, as `proto/backend.proto` defines it.
#[derive(Clone)]
pub(crate) struct BackendServer(Arc<BackendService>);

impl BackendServer {
    pub(crate) fn new(service: BackendService) -> Self {
        Self(Arc::new(service))
    }
}

impl NamedService for BackendServer {
    const NAME: &'static str = "pb.Backend";
}

impl Service<http::Request<Body>> for BackendServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<http::Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: http::Request<Body>) -> Self::Future {
        let service = self.0.clone();
        let method = call.uri().path().strip_prefix("/pb.Backend/");
        match method.unwrap_or_default() {
            "HandleRequest" => unary(call, async move |request| service.handle_request(request).await),
            "HandleExistenceCheck" => unary(call, async move |request| {
                service.handle_existence_check(request).await
            }),
            "Setup" => unary(call, async move |request| service.setup(request).await),
            "Initialize" => unary(call, async move |request| service.initialize(request).await),
            "SpecialPaths" => unary(call, async move |request| service.special_paths(request).await),
            "InvalidateKey" => unary(call, async move |request| service.invalidate_key(request).await),
            "Type" => unary(call, async move |request| service.r#type(request).await),
            "Cleanup" => unary(call, async move |request| service.cleanup(request).await),
            _ => Box::pin(ready(Ok(Status::unimplemented("unknown method").into_http()))),
        }
    }
}

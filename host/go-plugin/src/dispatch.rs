//! The gRPC services that a connection serves, and the choice of the service for each call.
//!
//! Add the servers that tonic generates to a [`Services`]. A call goes to the service that the first segment of its path
//! names. The connections themselves are in the module `http2`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::NamedService;

use crate::http2;

/// gRPC services, by name. Cheap to clone; adding to a clone leaves the others as they are.
///
/// ```
/// use go_plugin::Services;
/// use tonic_health::pb::health_server::HealthServer;
/// use tonic_health::server::{HealthReporter, HealthService};
///
/// let health = HealthService::from_health_reporter(HealthReporter::new());
/// let services = Services::new().with(HealthServer::new(health));
/// ```
///
/// A call of a service that was not added is answered with the status `UNIMPLEMENTED`.
#[derive(Clone, Default)]
pub struct Services(Arc<BTreeMap<&'static str, Arc<Call>>>);

/// Passes a call to a service.
type Call = dyn Fn(http::Request<Body>) -> BoxFuture<http::Response<Body>, Infallible> + Send + Sync;

impl Services {
    /// Creates a set without services.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a server that tonic generated, or a service of the same shape. It replaces a service of the same name.
    ///
    /// The service must always be ready, as all generated servers are: its `poll_ready` is not called.
    #[must_use]
    pub fn with<S>(mut self, service: S) -> Self
    where
        S: Service<
                http::Request<Body>,
                Response = http::Response<Body>,
                Error = Infallible,
                Future = BoxFuture<http::Response<Body>, Infallible>,
            > + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
    {
        // A generated server is a few reference counts and numbers, and its future is boxed already.
        let call = move |request| service.clone().call(request);
        Arc::make_mut(&mut self.0).insert(S::NAME, Arc::new(call));
        self
    }

    /// Passes a call to its service.
    pub fn call(&self, request: http::Request<Body>) -> BoxFuture<http::Response<Body>, Infallible> {
        let path = request.uri().path();
        let name = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        match name.and_then(|(name, _)| self.0.get(name)) {
            Some(call) => call(request),
            None => Box::pin(ready(Ok(Status::unimplemented("unknown service").into_http()))),
        }
    }

    /// Serves one connection until it closes. `io` carries plain HTTP/2 from its first byte; with TLS, it is
    /// the stream inside TLS.
    ///
    /// [`Server`](crate::Server) does this for the host's connections, so a plugin does not call it. It is for tests
    /// that serve in memory, for example over [`tokio::io::duplex`].
    ///
    /// Each call runs in a task of its own. Its handler is dropped when the caller gives up or the connection breaks.
    pub async fn serve(self, io: impl AsyncRead + AsyncWrite + Unpin) {
        http2::serve(io, self, crate::MAX_RESETS).await;
    }
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

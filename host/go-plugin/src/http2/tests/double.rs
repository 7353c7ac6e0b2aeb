//! A service for the tests, and ways to call it over connections in memory.

use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::{Barrier, watch};
use tokio_util::task::AbortOnDropHandle;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc as ServerGrpc, NamedService};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::service_fn;

use crate::{Held, Services};

/// The number of calls of `Meet` that wait for each other.
pub(super) const CROWD: usize = 500;

/// The size of the answer of `Keep`.
pub(super) const KEPT: usize = 1 << 20;

type Answers = Pin<Box<dyn Stream<Item = Result<Vec<u8>, Status>> + Send>>;

/// The service `test.Double`. Clones are the same service.
#[derive(Clone)]
pub(super) struct Double(Arc<State>);

struct State {
    /// The number of handlers that run.
    running: watch::Sender<usize>,
    crowd: Barrier,
    kept: Arc<()>,
}

impl Double {
    pub(super) fn new() -> Self {
        Self(Arc::new(State {
            running: watch::Sender::new(0),
            crowd: Barrier::new(CROWD),
            kept: Arc::default(),
        }))
    }

    pub(super) fn services(&self) -> Services {
        Services::new().with(self.clone())
    }

    /// Waits until this many handlers run.
    pub(super) async fn runs(&self, handlers: usize) {
        let mut running = self.0.running.subscribe();
        soon(running.wait_for(|running| *running == handlers))
            .await
            .unwrap();
    }

    /// Returns true if an answer of `Keep` is not sent yet.
    pub(super) fn keeps(&self) -> bool {
        Arc::strong_count(&self.0.kept) > 1
    }

    /// Waits until no answer of `Keep` is left.
    pub(super) async fn lets_go(&self) {
        soon(async {
            while self.keeps() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }

    fn enter(&self) -> Running {
        self.0.running.send_modify(|running| *running += 1);
        Running(self.clone())
    }

    async fn unary(self, method: String, message: Vec<u8>) -> Result<Response<Vec<u8>>, Status> {
        let _running = self.enter();
        match method.as_str() {
            "Echo" => Ok(Response::new(message)),
            "Fail" => Err(Status::failed_precondition("not today")),
            "Panic" => panic!("a handler panics"),
            "Wait" => pending().await,
            "Meet" => {
                self.0.crowd.wait().await;
                Ok(Response::new(message))
            }
            "Keep" => {
                let mut answer = Response::new(vec![7; KEPT]);
                answer.extensions_mut().insert(Held::new(self.0.kept.clone()));
                Ok(answer)
            }
            _ => Err(Status::unimplemented("unknown method")),
        }
    }

    async fn streaming(self, messages: Streaming<Vec<u8>>) -> Result<Response<Answers>, Status> {
        let running = self.enter();
        let answers = messages.inspect(move |_| {
            let _ = &running;
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

impl NamedService for Double {
    const NAME: &'static str = "test.Double";
}

impl Service<http::Request<Body>> for Double {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let double = self.clone();
        let method = request.uri().path().rsplit('/').next().unwrap().to_owned();
        Box::pin(async move {
            let codec = ProstCodec::<Vec<u8>, Vec<u8>>::default();
            let mut grpc = ServerGrpc::new(codec).max_decoding_message_size(usize::MAX);
            Ok(match method.as_str() {
                "Chat" => {
                    let handler = service_fn(move |request: Request<Streaming<Vec<u8>>>| {
                        double.clone().streaming(request.into_inner())
                    });
                    grpc.streaming(handler, request).await
                }
                _ => {
                    let handler = service_fn(move |request: Request<Vec<u8>>| {
                        double.clone().unary(method.clone(), request.into_inner())
                    });
                    grpc.unary(handler, request).await
                }
            })
        })
    }
}

/// A handler's place in the number of handlers that run.
struct Running(Double);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.running.send_modify(|running| *running -= 1);
    }
}

/// A tonic client.
pub(super) struct Client {
    pub(super) channel: Channel,
    /// Aborting it breaks the connection.
    wire: AbortOnDropHandle<()>,
}

impl Client {
    pub(super) async fn of(double: &Double) -> Self {
        let (ours, mut near) = tokio::io::duplex(1 << 16);
        let (mut far, theirs) = tokio::io::duplex(1 << 16);
        let wire = tokio::spawn(async move {
            let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        });
        tokio::spawn(double.services().serve(theirs));
        Self {
            channel: channel(ours).await,
            wire: AbortOnDropHandle::new(wire),
        }
    }

    pub(super) fn break_connection(&self) {
        self.wire.abort();
    }

    pub(super) async fn call(&self, path: &'static str, message: Vec<u8>) -> Result<Vec<u8>, Status> {
        call(self.channel.clone(), path, message).await
    }
}

async fn channel(io: DuplexStream) -> Channel {
    let mut io = Some(TokioIo::new(io));
    let connector = service_fn(move |_| {
        let io = io.take().ok_or_else(|| std::io::Error::other("it connects once"));
        async move { io }
    });
    let endpoint = Endpoint::from_static("http://double");
    endpoint.connect_with_connector(connector).await.unwrap()
}

fn grpc(channel: Channel) -> Grpc<Channel> {
    Grpc::new(channel).max_decoding_message_size(usize::MAX)
}

/// Makes a call with one message and one answer.
pub(super) async fn call(channel: Channel, path: &'static str, message: Vec<u8>) -> Result<Vec<u8>, Status> {
    let mut grpc = grpc(channel);
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<Vec<u8>, Vec<u8>>::default();
    let path = PathAndQuery::from_static(path);
    let answer = soon(grpc.unary(Request::new(message), path, codec)).await;
    answer.map(Response::into_inner)
}

/// Makes a call with streams in both directions.
pub(super) async fn chat(
    channel: Channel,
    path: &'static str,
    messages: impl Stream<Item = Vec<u8>> + Send + 'static,
) -> Result<Streaming<Vec<u8>>, Status> {
    let mut grpc = grpc(channel);
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<Vec<u8>, Vec<u8>>::default();
    let path = PathAndQuery::from_static(path);
    let answers = grpc.streaming(Request::new(messages), path, codec).await;
    answers.map(Response::into_inner)
}

/// Waits for a future that ends soon. Panics if it takes too long, so that a test cannot hang.
pub(super) async fn soon<F: Future>(future: F) -> F::Output {
    let patience = Duration::from_secs(60);
    let result = tokio::time::timeout(patience, future).await;
    result.expect("this takes too long")
}

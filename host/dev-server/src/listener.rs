//! HTTP/1.1 on the socket: reads requests, finds out whom they are for, writes answers.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::answer::{Answer, Refusal};
use crate::call::{Call, Head, MAX_BODY, cleaned};
use crate::core::Core;
use crate::{sys, ui};

/// Serves until it is told to stop; then each connection finishes the request that it is at.
pub(crate) async fn serve(socket: TcpListener, core: Arc<Core>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                connections.spawn(connection(stream, peer.ip(), Arc::clone(&core), stop.clone()));
            }
            // Out of file descriptors, mostly: the connections that end give some back.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    drop(socket);
    connections.close();
    connections.wait().await;
}

async fn connection(stream: TcpStream, remote: IpAddr, core: Arc<Core>, stop: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let core = Arc::clone(&core);
        async move { Ok::<_, Infallible>(into_response(answer(request, remote, core).await)) }
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(30))
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    drop(ended); // a caller that hung up is no concern of anybody
}

async fn answer(request: Request<Incoming>, remote: IpAddr, core: Arc<Core>) -> Answer {
    let began = Instant::now();
    let path = request.uri().path();
    if let Some(clean) = cleaned(request.method(), path) {
        let query = request
            .uri()
            .query()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        return Answer::redirect(&format!("{clean}{query}"), request.method() == Method::GET);
    }
    if !path.starts_with("/v1/") {
        return ui::answer(request, &core).await;
    }
    match read(request, remote, began, &core).await {
        Ok(Ready::Call(call)) => core.answer(*call).await,
        Ok(Ready::Answered(answer)) => answer,
        Err(refusal) => refusal.into_answer(),
    }
}

enum Ready {
    Call(Box<Call>),
    Answered(Answer),
}

async fn read(
    request: Request<Incoming>,
    remote: IpAddr,
    began: Instant,
    core: &Core,
) -> Result<Ready, Refusal> {
    let (parts, body) = request.into_parts();
    let head = Head::read(parts, began)?;
    if let Some(answer) = sys::unauthenticated(core, &head.path, &head.operation) {
        return Ok(Ready::Answered(answer));
    }
    let body = if head.has_body() {
        read_body(body).await?
    } else {
        Bytes::new()
    };
    Ok(Ready::Call(Box::new(head.with_body(&body, remote)?)))
}

async fn read_body(body: Incoming) -> Result<Bytes, Refusal> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::new(
            413,
            "error reading JSON token: http: request body too large",
        )),
        Err(_) => Err(Refusal::new(400, "error reading data")),
    }
}

fn into_response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

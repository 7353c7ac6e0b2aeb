//! Serves HTTP/1.1 on the socket: reads requests, routes them, writes answers.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderName, Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::answer::{Answer, Refusal};
use crate::call::{Call, Head, MAX_BODY, cleaned, is_percent_encoded};
use crate::core::Core;
use crate::effects::Effects;
use crate::journal::{NUMBER, RequestRecord};
use crate::{host, sys, ui};

const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
/// The number of bytes that are read of a body that is then ignored.
const IGNORED_BODY: usize = 256 << 10;

/// Serves until `stop` is cancelled. Each connection then finishes its current request.
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
            // Usually the process has no file descriptors left; connections that end free some.
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
    drop(ended); // nobody needs to know that a caller hung up
}

async fn answer(request: Request<Incoming>, remote: IpAddr, core: Arc<Core>) -> Answer {
    let began = Instant::now();
    if let Err(refusal) = host::check(request.uri(), request.headers()) {
        return refusal.into_answer().sandboxed();
    }
    let path = request.uri().path();
    if !is_percent_encoded(path.as_bytes()) {
        return Answer::bad_request();
    }
    if let Some(clean) = cleaned(request.method(), path) {
        let query = request
            .uri()
            .query()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        return Answer::redirect(&format!("{clean}{query}"), request.method());
    }
    if !path.starts_with("/v1/") {
        return ui::answer(request, &core).await;
    }
    let (method, path) = (request.method().as_str().to_ascii_lowercase(), path.to_owned());
    let namespace = request.headers().get(NAMESPACE).cloned();
    let namespace = namespace.filter(|name| !name.is_empty());
    let mut answer = match read(request, remote, began, &core).await {
        Ok(Ready::Call(call)) => core.answer(*call).await,
        Ok(Ready::Answered(answer)) => answer,
        Err(refusal) => {
            let record = RequestRecord {
                number: 0,
                at: core.clock.now(),
                operation: method,
                path: path.strip_prefix("/v1/").unwrap_or(&path).to_owned(),
                status: refusal.status,
                took: began.elapsed(),
                cost: None,
            };
            let number = core.journal.request(record, Effects::default());
            refusal.into_answer().with_header(NUMBER, &number.to_string())
        }
    };
    // Vault's open edition has no namespaces either, but it returns the header that names one.
    answer.headers.extend(namespace.map(|name| (NAMESPACE, name)));
    answer.sandboxed()
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
        // The body is read, so that the connection can be used again.
        let _ = Limited::new(body, IGNORED_BODY).collect().await;
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

//! One call: a request, an answer, and at most one retry of a request that was not processed.

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version, header, uri};
use tonic::Status;

use super::connection::{Connection, Connections};
use super::status;
use crate::message::Incoming;

/// Sends the message that `frame` makes and returns the message of the answer. `frame` is called again for a retry,
/// because keeping the first one would cost every call an allocation.
pub(super) async fn exchange(
    connections: &Connections,
    path: &'static str,
    frame: &(dyn Fn() -> Result<Bytes, Status> + Sync),
) -> Result<Bytes, Status> {
    let mut broken = None;
    loop {
        let (request, frame) = (request(path)?, frame()?);
        let connection = connections.current(broken).await.map_err(status::not_connected)?;
        let number = connection.number;
        match send(connection, request, frame).await {
            Ok(response) => return receive(response).await,
            Err(error) if broken.is_none() && error.was_not_processed => broken = Some(number),
            Err(error) => return Err(status::unanswered(error.cause)),
        }
    }
}

fn request(path: &'static str) -> Result<Request<()>, Status> {
    let invalid = |_| Status::internal(format!("{path:?} is not a valid path of a method"));
    let mut parts = uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(Authority::from_static("localhost"));
    let path_and_query = PathAndQuery::from_maybe_shared(Bytes::from_static(path.as_bytes()));
    parts.path_and_query = Some(path_and_query.map_err(|error| invalid(error.into()))?);
    let uri = Uri::from_parts(parts).map_err(|error| invalid(http::Error::from(error)))?;

    let mut headers = HeaderMap::with_capacity(2);
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    let kind = HeaderValue::from_static("application/grpc");
    headers.insert(header::CONTENT_TYPE, kind);

    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() = headers;
    Ok(request)
}

/// The reason why no answer began.
struct NoResponse {
    cause: h2::Error,
    /// True if the host has certainly not begun to process the request.
    was_not_processed: bool,
}

/// Sends a request and waits until its answer begins.
async fn send(
    connection: Connection,
    request: Request<()>,
    frame: Bytes,
) -> Result<Response<RecvStream>, NoResponse> {
    let response = {
        let mut sender = connection.sender;
        let sent = sender.send_request(request, false);
        let (response, mut body) = sent.map_err(|cause| NoResponse {
            cause,
            was_not_processed: true,
        })?;
        // h2 keeps the message until the peer's windows and its limit of streams admit it. The call fails only if the
        // stream is closed already; then the response tells why.
        let _ = body.send_data(frame, true);
        response
    };
    response.await.map_err(|cause| NoResponse {
        // h2 reports GOAWAY only to the streams that are younger than the last one that the peer processes.
        was_not_processed: cause.is_remote()
            && (cause.is_go_away() || cause.reason() == Some(Reason::REFUSED_STREAM)),
        cause,
    })
}

/// Reads an answer to its end. Returns its message.
async fn receive(response: Response<RecvStream>) -> Result<Bytes, Status> {
    let (head, mut body) = response.into_parts();
    status::check_head(&head)?;
    let mut incoming = Incoming::new("answer");
    while let Some(chunk) = body.data().await {
        let chunk = chunk.map_err(status::unanswered)?;
        incoming.add(&chunk)?;
        // The call fails only if more is released than was received.
        let _ = body.flow_control().release_capacity(chunk.len());
    }
    let trailers = body.trailers().await.map_err(status::unanswered)?;
    status::check_end(trailers.as_ref().unwrap_or(&head.headers))?;
    incoming.finish()
}

//! One call: a request, an answer, and at most one retry of a request that was not processed.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::{Reason, RecvStream};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version, header, uri};
use prost::Message;
use tonic::Status;

use super::connection::{Connection, Connections};
use super::status;
use crate::{MAX_MESSAGE_SIZE, WINDOW};

/// The length of the prefix of a message: a flag, set if the message is compressed, and the message's length.
const PREFIX: usize = 5;

/// Encodes a message with its prefix.
pub(super) fn frame(message: &impl Message) -> Result<Bytes, Status> {
    let length = message.encoded_len();
    let prefixed = u32::try_from(length)
        .ok()
        .filter(|_| length <= MAX_MESSAGE_SIZE - PREFIX);
    let prefixed = prefixed.ok_or_else(|| status::too_large("request", length))?;
    let mut frame = BytesMut::with_capacity(PREFIX + length);
    frame.put_u8(0);
    frame.put_u32(prefixed);
    message
        .encode(&mut frame)
        .map_err(|error| Status::internal(format!("cannot encode the request: {error}")))?;
    Ok(frame.freeze())
}

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
    let mut incoming = Incoming::default();
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

/// The one message of an answer, as it arrives. It is copied out of the frames, because a part of it that is kept would
/// keep the connection's whole read buffer.
#[derive(Default)]
struct Incoming {
    buffer: BytesMut,
    /// The length with the prefix, once it has arrived.
    length: Option<usize>,
}

impl Incoming {
    fn add(&mut self, chunk: &[u8]) -> Result<(), Status> {
        self.buffer.extend_from_slice(chunk);
        let length = match (self.length, self.buffer.first_chunk::<PREFIX>()) {
            (Some(length), _) => length,
            (None, None) => return Ok(()),
            (None, Some(&[compressed, length @ ..])) => {
                let length = read_prefix(compressed, length)?;
                // More is reserved only once the peer has sent as much, because its word alone must not take memory.
                let likely = length.min(WINDOW as usize);
                self.buffer.reserve(likely.saturating_sub(self.buffer.len()));
                *self.length.insert(length)
            }
        };
        if self.buffer.len() > length {
            return Err(Status::internal("the answer has more than one message"));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Bytes, Status> {
        match self.length {
            Some(length) if self.buffer.len() == length => {
                self.buffer.advance(PREFIX);
                Ok(self.buffer.freeze())
            }
            None if self.buffer.is_empty() => Err(Status::internal("the answer has no message")),
            _ => Err(Status::internal("the answer ends within its message")),
        }
    }
}

/// Returns the length of a message with its prefix.
fn read_prefix(compressed: u8, length: [u8; 4]) -> Result<usize, Status> {
    if compressed != 0 {
        return Err(Status::internal(
            "the answer is compressed, which was not asked for",
        ));
    }
    match usize::try_from(u32::from_be_bytes(length)) {
        Ok(length) if length <= MAX_MESSAGE_SIZE => Ok(length + PREFIX),
        _ => Err(status::too_large("answer", u32::from_be_bytes(length))),
    }
}

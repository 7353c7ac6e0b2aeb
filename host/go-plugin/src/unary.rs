//! Answers calls with one message in each direction, which are nearly all calls.
//!
//! A service passes each call to [`unary`] with the function that handles its method. This does what the servers that tonic
//! generates do, without their streams and their buffers of 8 KiB in each direction.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame};
use prost::Message;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, http};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use crate::message::{self, Incoming};

/// Answers one call: reads its message, lets `handle` answer it, and makes the answer for the wire. Messages have at most
/// [`MAX_MESSAGE_SIZE`](crate::MAX_MESSAGE_SIZE) bytes.
///
/// ```
/// use go_plugin::unary;
/// use tonic::body::Body;
/// use tonic::codegen::{BoxFuture, http};
/// use tonic::{Response, Status};
/// use std::convert::Infallible;
///
/// #[derive(Clone, PartialEq, prost::Message)]
/// struct Text {
///     #[prost(string, tag = "1")]
///     text: String,
/// }
///
/// /// What the service's `call` of `tower::Service` does.
/// fn call(request: http::Request<Body>) -> BoxFuture<http::Response<Body>, Infallible> {
///     match request.uri().path() {
///         "/greeter.Greeter/Greet" => unary(request, async |name: tonic::Request<Text>| {
///             let text = format!("Hello, {}!", name.into_inner().text);
///             Ok(Response::new(Text { text }))
///         }),
///         _ => Box::pin(async { Ok(Status::unimplemented("unknown method").into_http()) }),
///     }
/// }
/// ```
pub fn unary<Q, A, F>(
    request: http::Request<Body>,
    handle: impl FnOnce(Request<Q>) -> F + Send + 'static,
) -> BoxFuture<http::Response<Body>, Infallible>
where
    Q: Message + Default + 'static,
    A: Message,
    F: Future<Output = Result<Response<A>, Status>> + Send,
{
    Box::pin(async move {
        let request = match read(request).await {
            Ok(request) => request,
            Err(status) => return Ok(status.into_http()),
        };
        let answer = handle(request).await.and_then(write);
        Ok(answer.unwrap_or_else(Status::into_http))
    })
}

/// Reads a request with its one message.
async fn read<Q: Message + Default>(request: http::Request<Body>) -> Result<Request<Q>, Status> {
    let (head, mut body) = request.into_parts();
    let mut incoming = Incoming::new("request");
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(piece) = frame?.into_data() {
            incoming.add(&piece)?;
            if body.is_end_stream() {
                break;
            }
        }
    }
    let message = Q::decode(incoming.finish()?)
        .map_err(|error| Status::internal(format!("cannot decode the request: {error}")))?;
    let metadata = MetadataMap::from_headers(head.headers);
    Ok(Request::from_parts(metadata, head.extensions, message))
}

fn write<A: Message>(answer: Response<A>) -> Result<http::Response<Body>, Status> {
    let (metadata, message, extensions) = answer.into_parts();
    let body = Answer::Message(message::frame(&message, "answer")?);
    let mut answer = http::Response::new(Body::new(body));
    *answer.headers_mut() = metadata.into_headers();
    *answer.extensions_mut() = extensions;
    let kind = HeaderValue::from_static("application/grpc");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(answer)
}

/// The body of an answer: its message, and then the status.
enum Answer {
    Message(Bytes),
    Status,
    Sent,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Poll::Ready(match std::mem::replace(&mut *self, Self::Sent) {
            Self::Message(message) => {
                *self = Self::Status;
                Some(Ok(Frame::data(message)))
            }
            Self::Status => {
                let mut trailers = HeaderMap::with_capacity(1);
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                Some(Ok(Frame::trailers(trailers)))
            }
            Self::Sent => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Sent)
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    /// Answers a call with these bytes as its body. Returns the code of the answer's status.
    async fn code(body: impl Into<Bytes>) -> Code {
        let call = http::Request::new(Body::new(Answer::Message(body.into())));
        let mut answer = unary(call, async |request: Request<String>| {
            Ok(Response::new(request.into_inner()))
        })
        .await
        .unwrap_or_else(|never| match never {});
        match Status::from_header_map(answer.headers()) {
            Some(status) => status.code(),
            None => {
                let mut last = None;
                while let Some(frame) =
                    poll_fn(|context| Pin::new(answer.body_mut()).poll_frame(context)).await
                {
                    last = frame.unwrap().into_trailers().ok();
                }
                Status::from_header_map(&last.unwrap()).unwrap().code()
            }
        }
    }

    #[tokio::test]
    async fn only_one_readable_message_is_passed_on() {
        let message = message::frame(&"text".to_owned(), "request").unwrap();
        assert_eq!(code(message.clone()).await, Code::Ok);
        assert_eq!(code([message.clone(), message].concat()).await, Code::Internal);
        assert_eq!(code(&b"\x00\x00\x00\x00\x02\x0a"[..]).await, Code::Internal);
        assert_eq!(code(&b"\x00\x00\x00\x00\x02\x0a\x05"[..]).await, Code::Internal);
        assert_eq!(code(&b"\x01\x00\x00\x00\x00"[..]).await, Code::Internal);
        assert_eq!(code(&b"\x00\xff\xff\xff\xff"[..]).await, Code::OutOfRange);
        assert_eq!(code(Bytes::new()).await, Code::Internal);
    }
}

//! The server that the tests play.

use std::future::{Future, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{BufMut, Bytes, BytesMut};
use h2::RecvStream;
use h2::server::{Builder, SendResponse};
use http::{HeaderMap, Request, Response};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::sync::mpsc;
use tonic::Status;

use super::soon;
use crate::Channel;

pub(super) const PATH: &str = "/test.Service/Echo";

/// The only message of the tests.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Blob {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) data: Bytes,
}

pub(super) fn blob(data: impl Into<Bytes>) -> Blob {
    Blob { data: data.into() }
}

pub(super) async fn echo(channel: &Channel, data: impl Into<Bytes>) -> Result<Bytes, Status> {
    let reply: Blob = soon(channel.unary(PATH, &blob(data))).await?;
    Ok(reply.data)
}

/// The server's ends of the connections that a channel opens.
pub(super) type Connections = mpsc::UnboundedReceiver<DuplexStream>;

/// Returns a channel and its connections, which nobody serves yet.
pub(super) fn channel() -> (Channel, Connections) {
    let (opened, connections) = mpsc::unbounded_channel();
    let channel = Channel::new(move || {
        let (near, far) = tokio::io::duplex(1 << 16);
        ready(opened.send(far).map(|()| near).map_err(|_| "nobody serves"))
    });
    (channel, connections)
}

/// Returns a channel whose every connection is served alike, and the number of requests that arrived.
pub(super) fn served<F, C>(answer: F) -> (Channel, Arc<AtomicUsize>)
where
    F: Fn(usize, Request<RecvStream>, SendResponse<Bytes>) -> C + Clone + Send + 'static,
    C: Future<Output = ()> + Send + 'static,
{
    let (channel, mut connections) = channel();
    let requests = Arc::new(AtomicUsize::new(0));
    let count = requests.clone();
    tokio::spawn(async move {
        while let Some(io) = connections.recv().await {
            let (answer, count) = (answer.clone(), count.clone());
            let answer =
                move |request, respond| answer(count.fetch_add(1, Ordering::SeqCst), request, respond);
            tokio::spawn(serve(Builder::new(), io, answer));
        }
    });
    (channel, requests)
}

/// Serves one connection until the channel closes it.
pub(super) async fn serve<T, F, C>(builder: Builder, io: T, answer: F)
where
    T: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Request<RecvStream>, SendResponse<Bytes>) -> C,
    C: Future<Output = ()> + Send + 'static,
{
    let mut connection = builder.handshake(io).await.unwrap();
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(answer(request, respond));
    }
}

/// Reads the body of a request to its end.
pub(super) async fn body(request: Request<RecvStream>) -> Bytes {
    let mut stream = request.into_body();
    let mut body = BytesMut::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk.unwrap();
        stream.flow_control().release_capacity(chunk.len()).unwrap();
        body.extend_from_slice(&chunk);
    }
    body.freeze()
}

/// Answers a request with its own message.
pub(super) async fn answer_echo(request: Request<RecvStream>, respond: SendResponse<Bytes>) {
    answer(respond, body(request).await, &[("grpc-status", "0")]);
}

/// Sends headers, a body and trailers.
pub(super) fn answer(mut respond: SendResponse<Bytes>, body: Bytes, trailers: &[(&'static str, &str)]) {
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    stream.send_data(body, false).unwrap();
    stream.send_trailers(fields(trailers)).unwrap();
}

/// Sends headers alone.
pub(super) fn answer_without_body(
    mut respond: SendResponse<Bytes>,
    status: u16,
    headers: &[(&'static str, &str)],
) {
    let mut head = Response::builder().status(status).body(()).unwrap();
    *head.headers_mut() = fields(headers);
    respond.send_response(head, true).unwrap();
}

fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
    let fields = fields.iter();
    fields
        .map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect()
}

/// Puts the prefix before a message.
pub(super) fn prefixed(compressed: u8, length: usize, message: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(compressed);
    frame.put_u32(length.try_into().unwrap());
    frame.put_slice(message);
    frame.freeze()
}

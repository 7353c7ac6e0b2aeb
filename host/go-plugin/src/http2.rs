//! One connection of a gRPC server: calls come in over HTTP/2, and each is answered in a task of its own.
//!
//! [`serve`] takes an authenticated connection and the services. It replaces tonic's transport, which passes each
//! request through several layers that a plugin does not need.
//!
//! The task of a call drops the handler as soon as the caller resets the stream or the connection breaks. A handler that
//! panics ends its own task, and HTTP/2 then cancels that stream alone.

mod request;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Poll, ready};
use std::time::Duration;

use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http_body::Body as _;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http;

use crate::held::{Held, Piece};
use crate::{CONNECTION_WINDOW, Services, WINDOW};

use request::RequestBody;

/// The largest size of a call's headers, in bytes. Hosts send a few hundred.
const MAX_HEADERS: u32 = 16 << 10;

/// Serves a connection until it closes. It is closed after `max_resets` resets of calls that were not yet looked at.
///
/// The number of concurrent calls has no limit: grpc-go would let the calls beyond a limit wait without a word, and the application
/// knows better how many requests it can run. The send buffer has its default size, because an answer is one piece and
/// a piece is handed over whole.
pub(crate) async fn serve(io: impl AsyncRead + AsyncWrite + Unpin, services: Services, max_resets: usize) {
    let handshake = h2::server::Builder::new()
        .initial_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADERS)
        .max_pending_accept_reset_streams(max_resets)
        .max_local_error_reset_streams(Some(max_resets))
        .handshake(io);
    let mut connection = match handshake.await {
        Ok(connection) => connection,
        Err(error) => {
            tracing::debug!(%error, "a connection does not speak HTTP/2");
            return;
        }
    };
    while let Some(accepted) = connection.accept().await {
        match accepted {
            Ok((request, reply)) => {
                // Boxed, because tokio copies the future of a task several times.
                tokio::spawn(Box::pin(answer(services.clone(), request, reply)));
            }
            Err(error) => {
                tracing::debug!(%error, "a connection broke");
                return;
            }
        }
    }
}

/// Answers one call. Drops the call's handler, or the rest of the answer, once the caller has gone away.
async fn answer(services: Services, request: http::Request<RecvStream>, mut reply: SendResponse<Piece>) {
    let time = request::timeout(request.headers());
    let call = services.call(request.map(|stream| Body::new(RequestBody::new(stream))));
    let answer = tokio::select! {
        biased;
        answer = within(time, call) => answer,
        _ = poll_fn(|context| reply.poll_reset(context)) => return,
    };

    let (mut head, body) = answer.into_parts();
    let held = head.extensions.remove::<Held>();
    let is_whole = body.is_end_stream();
    let sent = match reply.send_response(http::Response::from_parts(head, ()), is_whole) {
        Ok(_) if is_whole => return,
        Ok(mut stream) => send(&mut stream, body, held).await,
        Err(error) => Err(error),
    };
    if let Err(error) = sent {
        tracing::debug!(%error, "an answer was not sent");
        // This does nothing if the stream is closed already.
        reply.send_reset(Reason::INTERNAL_ERROR);
    }
}

/// Returns the answer, or an error instead if it takes longer than the caller waits.
async fn within(
    time: Option<Duration>,
    call: impl Future<Output = Result<http::Response<Body>, Infallible>>,
) -> http::Response<Body> {
    let answer = match time {
        None => Ok(call.await),
        Some(time) => tokio::time::timeout(time, call).await,
    };
    match answer {
        Ok(Ok(answer)) => answer,
        Err(_) => Status::deadline_exceeded("the call took longer than its caller waits").into_http(),
    }
}

/// Sends the body of an answer. Ends early, without an error, if the caller has gone away.
///
/// The first piece is handed over without waiting for the caller's flow control, because it exists already: the usual
/// answer is one message and its status, which then leave together. Each further piece is handed over only when all before
/// it may be sent.
async fn send(stream: &mut SendStream<Piece>, body: Body, held: Option<Held>) -> Result<(), h2::Error> {
    let mut body = pin!(body);
    let mut is_first = true;
    loop {
        let frame = tokio::select! {
            biased;
            frame = poll_fn(|context| body.as_mut().poll_frame(context)) => frame,
            _ = poll_fn(|context| stream.poll_reset(context)) => return Ok(()),
        };
        let frame = match frame {
            None => return stream.send_data(Piece::default(), true),
            Some(Err(status)) => {
                tracing::debug!(code = ?status.code(), "an answer's body failed");
                return Err(Reason::INTERNAL_ERROR.into());
            }
            Some(Ok(frame)) => frame,
        };
        match frame.into_data() {
            Ok(bytes) => {
                // Only data is subject to flow control.
                if !is_first && !has_room(stream).await {
                    return Ok(());
                }
                is_first = false;
                let is_last = body.is_end_stream();
                stream.send_data(Piece::new(bytes, held.clone()), is_last)?;
                if is_last {
                    return Ok(());
                }
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    return stream.send_trailers(trailers);
                }
            }
        }
    }
}

/// Waits until flow control lets everything pass that was handed over before. Returns false if the caller has gone away.
async fn has_room(stream: &mut SendStream<Piece>) -> bool {
    stream.reserve_capacity(1);
    poll_fn(|context| {
        while stream.capacity() == 0 {
            match ready!(stream.poll_capacity(context)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(false),
            }
        }
        Poll::Ready(true)
    })
    .await
}

#[cfg(test)]
mod tests;

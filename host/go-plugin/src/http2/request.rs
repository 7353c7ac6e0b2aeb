//! A call's request: its body as tonic reads it, and the time that the caller waits.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http_body::Frame;
use tonic::Status;
use tonic::codegen::http::HeaderMap;

/// The body of a request.
///
/// The caller may send more as soon as a piece is read, because tonic copies pieces and bounds the message by the
/// service's decoding limit.
pub(super) struct RequestBody {
    stream: RecvStream,
    data_is_read: bool,
}

impl RequestBody {
    pub(super) fn new(stream: RecvStream) -> Self {
        Self {
            stream,
            data_is_read: false,
        }
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if !self.data_is_read {
            match ready!(self.stream.poll_data(context)) {
                Some(Ok(bytes)) => {
                    // The call fails only if more is released than was received.
                    let _ = self.stream.flow_control().release_capacity(bytes.len());
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(status(&error)))),
                None => self.data_is_read = true,
            }
        }
        let trailers = ready!(self.stream.poll_trailers(context));
        Poll::Ready(match trailers {
            Ok(trailers) => trailers.map(|trailers| Ok(Frame::trailers(trailers))),
            Err(error) => Some(Err(status(&error))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }
}

/// Returns the status of a request that ended early.
fn status(error: &h2::Error) -> Status {
    match error.reason() {
        Some(Reason::CANCEL) => Status::cancelled("the caller gave the call up"),
        Some(_) if error.is_reset() => Status::internal(format!("the caller reset the call: {error}")),
        _ => Status::unavailable(format!("the connection broke: {error}")),
    }
}

/// Returns the time that the caller waits, from the header `grpc-timeout`: at most eight digits and a unit. Ignores a
/// value that is not valid, as tonic does.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if number.len() > 8 || !number.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http_body::Body as _;
    use tokio::io::duplex;
    use tonic::Code;
    use tonic::codegen::http::Request;

    use super::*;

    /// Returns the code of a request whose caller sends a piece and then goes away as told, or breaks the connection.
    async fn code_after(reset: Option<Reason>) -> Code {
        let (near, far) = duplex(1 << 16);
        let (client, server) = tokio::join!(h2::client::handshake(near), h2::server::handshake(far));
        let ((mut client, wire), mut server) = (client.unwrap(), server.unwrap());
        let wire = tokio::spawn(wire);
        let (_answer, mut stream) = client.send_request(Request::new(()), false).unwrap();
        stream.send_data(Bytes::from_static(b"piece"), false).unwrap();
        let (request, _reply) = server.accept().await.unwrap().unwrap();
        tokio::spawn(async move { while server.accept().await.is_some() {} });
        let mut body = RequestBody::new(request.into_body());
        let mut next = async || {
            poll_fn(|context| Pin::new(&mut body).poll_frame(context))
                .await
                .unwrap()
        };
        assert_eq!(next().await.unwrap().into_data().unwrap(), "piece");
        match reset {
            Some(reason) => stream.send_reset(reason),
            None => wire.abort(),
        }
        next().await.unwrap_err().code()
    }

    #[tokio::test]
    async fn a_request_that_ends_early_has_the_status_of_its_end() {
        assert_eq!(code_after(Some(Reason::CANCEL)).await, Code::Cancelled);
        assert_eq!(code_after(Some(Reason::PROTOCOL_ERROR)).await, Code::Internal);
        assert_eq!(code_after(None).await, Code::Unavailable);
    }

    #[test]
    fn reads_every_unit_of_a_timeout_and_ignores_the_rest() {
        let read = |text: &str| {
            timeout(&HeaderMap::from_iter([(
                "grpc-timeout".parse().unwrap(),
                text.parse().unwrap(),
            )]))
        };
        assert_eq!(timeout(&HeaderMap::new()), None);
        for (text, nanoseconds) in [
            ("2H", 7200e9),
            ("3M", 180e9),
            ("99999999S", 99_999_999e9),
            ("5m", 5e6),
            ("7u", 7e3),
            ("9n", 9.0),
        ] {
            assert_eq!(
                read(text),
                Some(Duration::from_secs_f64(nanoseconds / 1e9)),
                "{text}"
            );
        }
        for text in ["", "S", "5", "+5S", "-5S", "123456789S", "5s", "5 S"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}

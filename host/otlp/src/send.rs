//! Sends one message to the collector: OTLP over HTTP/1.1, in protobuf.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use prost::Message as _;
use tokio::net::TcpStream;

use crate::endpoint::Endpoint;
use crate::proto::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};

/// The longest time that the collector may take for one message.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most bytes of a collector's answer.
const LARGEST_ANSWER: usize = 64 << 10;

/// The reason why a message did not reach the collector's store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSent {
    /// Another attempt may succeed.
    #[error("{0}")]
    ForNow(String),
    /// The collector will not take it.
    #[error("it refuses them with status {0}")]
    Refused(StatusCode),
}

/// A connection to the collector, made when it is first needed.
pub(crate) struct Connection {
    endpoint: Endpoint,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    pub fn to(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            sender: None,
        }
    }

    /// Sends a message, and returns how many of its spans the collector rejected.
    pub async fn send(&mut self, message: &ExportTraceServiceRequest) -> Result<u64, NotSent> {
        let body = Bytes::from(message.encode_to_vec());
        let sent = tokio::time::timeout(PATIENCE, self.try_send(body)).await;
        let sent = sent.unwrap_or_else(|_| Err(NotSent::ForNow("it does not answer in time".to_owned())));
        if sent.is_err() {
            self.sender = None;
        }
        sent
    }

    async fn try_send(&mut self, body: Bytes) -> Result<u64, NotSent> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.endpoint.path)
            .header(HOST, self.endpoint.authority())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(USER_AGENT, concat!("airlock/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .map_err(|error| NotSent::ForNow(error.to_string()))?;
        let sender = self.connected().await?;
        let response = sender.send_request(request).await.map_err(for_now)?;
        let status = response.status();
        let answer = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await;
        match status {
            _ if status.is_success() => {
                let answer = answer.map(|answer| answer.to_bytes()).unwrap_or_default();
                let answer = ExportTraceServiceResponse::decode(answer).unwrap_or_default();
                let rejected = answer.partial_success.map_or(0, |partial| partial.rejected_spans);
                Ok(u64::try_from(rejected).unwrap_or_default())
            }
            // Those that OTLP lists, and no others.
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Err(NotSent::ForNow(format!("it answers with status {status}"))),
            _ => Err(NotSent::Refused(status)),
        }
    }

    async fn connected(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, NotSent> {
        let is_open = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !is_open {
            self.sender = None;
            let address = self.endpoint.authority();
            let stream = TcpStream::connect(address).await.map_err(for_now)?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(for_now)?;
            tokio::spawn(connection);
            return Ok(self.sender.insert(sender));
        }
        match &mut self.sender {
            Some(sender) => Ok(sender),
            None => Err(NotSent::ForNow("the connection ended".to_owned())),
        }
    }
}

fn for_now(error: impl std::fmt::Display) -> NotSent {
    NotSent::ForNow(error.to_string())
}

//! An OpenTelemetry collector for one test: takes OTLP over HTTP and keeps it.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use airlock_otlp::proto::collector::trace::v1::ExportTraceServiceRequest;
use airlock_otlp::proto::common::v1::KeyValue;
use airlock_otlp::proto::common::v1::any_value::Value;
use airlock_otlp::proto::trace::v1::Span;
use prost::Message as _;

/// The longest wait for spans; at the end of this time the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A collector that listens until the test ends.
pub struct Collector {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The requests as they came, headers included.
    received: Mutex<Vec<Received>>,
    changed: Condvar,
}

struct Received {
    headers: String,
    body: Vec<u8>,
}

impl Collector {
    /// Starts a collector on a free port.
    pub fn start() -> Self {
        Self::listen(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), "200 OK")
    }

    /// Starts a collector on a port.
    pub fn start_on(port: u16) -> Self {
        Self::listen(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap(), "200 OK")
    }

    /// Starts a collector that answers everything with this status.
    pub fn answering(status: &'static str) -> Self {
        Self::listen(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), status)
    }

    /// Starts a collector that takes connections and never answers.
    pub fn hanging() -> Self {
        Self::listen(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), "")
    }

    fn listen(listener: TcpListener, status: &'static str) -> Self {
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let collector = Self {
            port,
            shared: shared.clone(),
        };
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let shared = shared.clone();
                thread::spawn(move || shared.serve(connection, status));
            }
        });
        collector
    }

    /// Returns the flag that sends traces here.
    pub fn flag(&self) -> String {
        format!("--otlp=http://127.0.0.1:{}", self.port)
    }

    /// Waits until a message has come, whether it is answered or not.
    pub fn wait_for_message(&self) {
        self.wait_for("message", |spans| !spans.is_empty());
    }

    /// Waits until the spans so far are what the test waits for, and returns them. `what` describes it in the failure.
    #[track_caller]
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let deadline = Instant::now() + PATIENCE;
        let mut received = self.shared.received.lock().unwrap();
        loop {
            let spans: Vec<Span> = received.iter().flat_map(|message| spans(&message.body)).collect();
            if wanted(&spans) {
                return spans;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {what}: {spans:#?}");
            received = self.shared.changed.wait_timeout(received, left).unwrap().0;
        }
    }

    /// Returns the attributes of the process that sent the first message.
    pub fn resource(&self) -> Vec<KeyValue> {
        let received = self.shared.received.lock().unwrap();
        let message = ExportTraceServiceRequest::decode(&received[0].body[..]).unwrap();
        message.resource_spans[0].resource.clone().unwrap().attributes
    }

    /// Returns true if a text is anywhere in what came.
    pub fn holds(&self, text: &str) -> bool {
        let received = self.shared.received.lock().unwrap();
        received.iter().any(|message| {
            message.headers.contains(text)
                || message
                    .body
                    .windows(text.len())
                    .any(|bytes| bytes == text.as_bytes())
        })
    }
}

impl Shared {
    fn serve(&self, connection: TcpStream, status: &str) {
        let mut answers = connection.try_clone().unwrap();
        let mut reader = BufReader::new(connection);
        while let Some(received) = read(&mut reader) {
            self.received.lock().unwrap().push(received);
            self.changed.notify_all();
            if !status.is_empty() {
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                if answers.write_all(answer.as_bytes()).is_err() {
                    return;
                }
            }
        }
    }
}

/// Reads one request, or returns `None` at the end of the connection.
fn read(reader: &mut impl BufRead) -> Option<Received> {
    let mut headers = String::new();
    while !headers.ends_with("\r\n\r\n") {
        if reader.read_line(&mut headers).ok()? == 0 {
            return None;
        }
    }
    assert!(headers.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{headers}");
    let lower = headers.to_lowercase();
    assert!(
        lower.contains("content-type: application/x-protobuf\r\n"),
        "{headers}"
    );
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    Some(Received { headers, body })
}

fn spans(body: &[u8]) -> Vec<Span> {
    let message = ExportTraceServiceRequest::decode(body).unwrap();
    let scopes = message
        .resource_spans
        .into_iter()
        .flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

/// Returns an attribute as text, or an empty text if no attribute has this name.
pub fn attribute(attributes: &[KeyValue], name: &str) -> String {
    let value = attributes
        .iter()
        .find(|attribute| attribute.key == name)
        .and_then(|attribute| attribute.value.clone())
        .and_then(|value| value.value);
    match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(value)) => value.to_string(),
        _ => String::new(),
    }
}

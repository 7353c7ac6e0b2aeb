//! Sends the spans of requests to an OpenTelemetry collector, as OTLP over HTTP.
//!
//! ```no_run
//! use tracing_subscriber::layer::SubscriberExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (layer, traces) = airlock_otlp::traces("http://127.0.0.1:4318".parse()?, "0.1".parse()?);
//! tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))?;
//! let exporter = traces.start();
//! // Serve.
//! exporter.end().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What is exported
//! One span a request, and within it the steps of the request: `queue`, `attempt`, `instance`, `guest`, `commit`, and one for each
//! call of storage. `allowed.rs` lists them with their fields; nothing else leaves the process. A request belongs to the
//! caller's trace if its headers name one, otherwise to the trace that has the request's own id.
//!
//! # What to watch
//! - Nobody waits for the collector. Up to 4,096 spans wait for it; others are dropped, and the log says how many.
//! - The exporter runs on the runtime that [`Traces::start`] is called on.
//! - OpenTelemetry's own crates were not taken: they bring a second version of `rand_core` and a third of `getrandom`, copy every
//!   field of a span, the text of events too, and tell nobody what they drop.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod allowed;
mod context;
mod endpoint;
mod export;
#[doc(hidden)]
pub mod fuzz;
mod layer;
#[allow(missing_docs)]
pub mod proto;
mod queue;
mod sample;
mod send;

use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::registry::LookupSpan;

pub use endpoint::{Endpoint, NotAnEndpoint};
pub use export::Exporter;
pub use sample::{NotARatio, Ratio};

use proto::common::v1::any_value::Value;
use proto::common::v1::{AnyValue, KeyValue};
use proto::resource::v1::Resource;

/// The spans that a [layer](traces) collects, until a runtime can export them.
pub struct Traces(export::Export);

impl std::fmt::Debug for Traces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Traces")
    }
}

/// Returns a layer that collects the spans of this part of all requests, and what exports them to a collector.
///
/// A request whose caller has decided, by W3C's `traceparent`, is exported or not as the caller decided.
pub fn traces<S>(endpoint: Endpoint, ratio: Ratio) -> (impl Layer<S>, Traces)
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let (sender, receiver) = queue::queue();
    let layer = traces_to(sender, ratio);
    let export = export::Export {
        receiver,
        endpoint,
        resource: resource(),
    };
    (layer, Traces(export))
}

fn traces_to<S>(queue: queue::Sender, ratio: Ratio) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    // This is decided once for each place that makes a span or an event.
    let wanted = |metadata: &Metadata<'_>| allowed::is_wanted(metadata);
    layer::Traces { ratio, queue }.with_filter(filter_fn(wanted).with_max_level_hint(LevelFilter::TRACE))
}

impl Traces {
    /// Starts to export, in a task of the current runtime.
    pub fn start(self) -> Exporter {
        Exporter::start(self.0)
    }
}

/// Returns what tells this process from others.
fn resource() -> Resource {
    let text = |key: &str, text: String| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(text)),
        }),
        ..KeyValue::default()
    };
    let mut attributes = vec![
        text("service.name", "airlock".to_owned()),
        text("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        layer::number("process.pid", std::process::id().into()),
    ];
    // Linux only; elsewhere, and where it cannot be read, the collector has to know.
    if let Ok(host) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
        attributes.push(text("host.name", host.trim().to_owned()));
    }
    Resource {
        attributes,
        ..Resource::default()
    }
}

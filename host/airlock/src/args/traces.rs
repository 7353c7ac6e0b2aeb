//! Defines the flags of traces.

use airlock_otlp::{Endpoint, Ratio};
use clap::Args;

/// The flags of `serve` about traces.
#[derive(Debug, Clone, Args)]
pub struct TraceArgs {
    /// Send OpenTelemetry traces of the requests to this collector, by OTLP over HTTP: http://127.0.0.1:4318 or the like. A trace
    /// says which steps a request took and for how long, and never a path below the mount, a key, a value or a token [default:
    /// no traces]
    #[arg(long, value_name = "URL")]
    pub otlp: Option<Endpoint>,

    /// Trace this part of the requests, from 0 to 1. It does not count for a request whose `traceparent` header reaches the
    /// mount: its caller has decided
    #[arg(long, value_name = "PART", default_value = "1", requires = "otlp")]
    pub otlp_sample: Ratio,
}

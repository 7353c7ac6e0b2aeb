//! Defines the arguments that several commands share.

mod breaker;
mod limits;
mod metrics;
mod option;
mod serve;
mod traces;
mod trust;

pub use limits::LimitArgs;
pub use metrics::MetricsAddress;
pub use option::OptionArgs;
pub use serve::ServeArgs;
pub use traces::TraceArgs;
pub use trust::{KeyArgs, TrustArgs};

//! The decoder of a caller's headers, for the target in `tests/fuzz`. Not a public interface: it changes without notice.

use crate::Ratio;
use crate::context::Context;

/// Returns the ids of the trace and of the caller's span, and the state, if the headers name a trace.
pub fn caller(traceparent: &str, tracestate: &str) -> Option<([u8; 16], [u8; 8], String)> {
    let context = Context::of(traceparent, tracestate, "", Ratio::ALL)?;
    Some((context.trace_id, context.parent?, context.state))
}

//! Collects the spans of requests, and queues those that ended.
//!
//! 1. The span of a request begins without a trace. The event that follows it at once says the operation and the caller's
//!    headers; then the request belongs to a trace, or is not sampled.
//! 2. Spans within it belong to the same trace. Beyond [`MOST_SPANS`] of one request they are dropped and counted.
//! 3. A span ends when its work was last polled, because what a request leaves to be done after its answer keeps its spans open.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context as Scope;
use tracing_subscriber::registry::LookupSpan;

use crate::allowed::{self, Allowed, Fields, OPERATION, OUTCOME, Taking};
use crate::context::{Context, random};
use crate::proto::common::v1::any_value::Value;
use crate::proto::common::v1::{AnyValue, KeyValue};
use crate::proto::trace::v1::span::SpanKind;
use crate::proto::trace::v1::status::StatusCode;
use crate::proto::trace::v1::{Span, Status};
use crate::queue::Sender;
use crate::sample::Ratio;

/// Most spans of one request, itself included. A guest may make thousands of storage calls.
const MOST_SPANS: u32 = 256;

/// Outcomes that are not a failure of the engine or of what is below it.
const FINE: [&str; 5] = ["ok", "refused", "read_only", "existence_changed", "hung_up"];

/// W3C's flag of a sampled trace.
const SAMPLED: u32 = 1;
/// OpenTelemetry's flags: it is known whether the parent is in another process, and it is.
const KNOWS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

pub(crate) struct Traces {
    pub ratio: Ratio,
    pub queue: Sender,
}

/// A request's part of a trace.
struct Trace {
    context: Context,
    spans: AtomicU32,
}

/// A span that has not ended.
struct Open {
    allowed: &'static Allowed,
    name: &'static str,
    id: [u8; 8],
    parent: Option<[u8; 8]>,
    /// `None` for a request whose headers are not known yet.
    trace: Option<Arc<Trace>>,
    begun: SystemTime,
    since: Instant,
    polled: Option<Instant>,
    fields: Fields,
}

impl<S> Layer<S> for Traces
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, scope: Scope<'_, S>) {
        let Some(span) = scope.span(id) else { return };
        let Some(allowed) = allowed::of(span.metadata()) else {
            return;
        };
        let (parent, trace) = if allowed::is_request(span.metadata()) {
            (None, None)
        } else {
            let Some(parent) = span.parent() else { return };
            let extensions = parent.extensions();
            let Some(open) = extensions.get::<Open>() else {
                return;
            };
            let Some(trace) = &open.trace else { return };
            if trace.spans.fetch_add(1, Relaxed) >= MOST_SPANS {
                return;
            }
            (Some(open.id), Some(trace.clone()))
        };
        let Some(id) = random().filter(|id| *id != [0; 8]) else {
            return;
        };
        let mut open = Open {
            allowed,
            name: span.metadata().name(),
            id,
            parent,
            trace,
            begun: SystemTime::now(),
            since: Instant::now(),
            polled: None,
            fields: Fields::default(),
        };
        attributes.record(&mut open.taking());
        span.extensions_mut().insert(open);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, scope: Scope<'_, S>) {
        let Some(span) = scope.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            values.record(&mut open.taking());
        }
    }

    fn on_event(&self, event: &Event<'_>, scope: Scope<'_, S>) {
        let request = scope
            .event_scope(event)
            .and_then(|mut spans| spans.find(|span| allowed::is_request(span.metadata())));
        let Some(request) = request else { return };
        let mut extensions = request.extensions_mut();
        let Some(open) = extensions.get_mut::<Open>() else {
            return;
        };
        event.record(&mut open.taking());
        if open.trace.is_none() {
            let mut headers = Headers::default();
            event.record(&mut headers);
            let id = open.fields.text("request_id").unwrap_or_default();
            let context = Context::of(&headers.traceparent, &headers.tracestate, id, self.ratio);
            match context.filter(|context| context.is_sampled) {
                Some(context) => {
                    open.parent = context.parent;
                    open.trace = Some(Arc::new(Trace {
                        context,
                        spans: AtomicU32::new(1),
                    }));
                }
                None => {
                    extensions.remove::<Open>();
                }
            }
        }
    }

    fn on_exit(&self, id: &Id, scope: Scope<'_, S>) {
        let Some(span) = scope.span(id) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            open.polled = Some(Instant::now());
        }
    }

    fn on_close(&self, id: Id, scope: Scope<'_, S>) {
        let Some(span) = scope.span(&id) else { return };
        let open = span.extensions_mut().remove::<Open>();
        if let Some(span) = open.and_then(Open::end) {
            self.queue.push(span);
        }
    }
}

impl Open {
    fn taking(&mut self) -> Taking<'_> {
        Taking {
            allowed: self.allowed,
            fields: &mut self.fields,
        }
    }

    fn end(self) -> Option<Span> {
        let trace = self.trace?;
        let is_request = self.allowed.kind == SpanKind::Server;
        let lasted = self
            .polled
            .unwrap_or_else(Instant::now)
            .saturating_duration_since(self.since);
        let begun = self
            .begun
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let name = self.fields.text(OPERATION).unwrap_or(self.name).to_owned();
        let status = match self.fields.text(OUTCOME) {
            // Its work ended without an answer.
            None if is_request => Some("no_answer".to_owned()),
            // The attempt is followed by another one, or the request's own span is the one that failed.
            Some("conflict") if !is_request => None,
            Some(outcome) if !FINE.contains(&outcome) => Some(outcome.to_owned()),
            _ => None,
        };
        let kind = self.allowed.kind;
        let mut attributes = self.fields.into_attributes();
        let made = trace.spans.load(Relaxed);
        if is_request && made > MOST_SPANS {
            attributes.push(number("airlock.spans_dropped", (made - MOST_SPANS).into()));
        }
        let remote = if is_request && self.parent.is_some() {
            IS_REMOTE
        } else {
            0
        };
        Some(Span {
            trace_id: trace.context.trace_id.to_vec(),
            span_id: self.id.to_vec(),
            parent_span_id: self.parent.map(Vec::from).unwrap_or_default(),
            trace_state: trace.context.state.clone(),
            flags: SAMPLED | KNOWS_REMOTE | remote,
            name,
            kind: kind.into(),
            start_time_unix_nano: nanoseconds(begun),
            end_time_unix_nano: nanoseconds(begun + lasted),
            attributes,
            status: status.map(|message| Status {
                message,
                code: StatusCode::Error.into(),
            }),
            ..Span::default()
        })
    }
}

pub(crate) fn number(name: &str, number: i64) -> KeyValue {
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue {
            value: Some(Value::IntValue(number)),
        }),
        ..KeyValue::default()
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The headers with the caller's trace, which the first event of a request has.
#[derive(Default)]
struct Headers {
    traceparent: String,
    tracestate: String,
}

impl Visit for Headers {
    fn record_str(&mut self, field: &Field, text: &str) {
        match field.name() {
            "traceparent" => text.clone_into(&mut self.traceparent),
            "tracestate" => text.clone_into(&mut self.tracestate),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

#[cfg(test)]
mod tests;

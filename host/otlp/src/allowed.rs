//! Lists the spans that may leave the process, and the fields that may leave with each.
//!
//! This matters for security. Anything else of a span is dropped, and so is a value that is recorded by `Debug` or `Display`. Of
//! an event that belongs to a request, only the fields of the request's span are kept. No message leaves the process.

use airlock_logical::trace::TARGET;
use tracing::Metadata;
use tracing::field::{Field, Visit};

use crate::proto::common::v1::any_value::Value;
use crate::proto::common::v1::{AnyValue, KeyValue};
use crate::proto::trace::v1::span::SpanKind;

/// The longest text of a field, in bytes.
const LONGEST_TEXT: usize = 256;

/// A span that is exported.
pub(crate) struct Allowed {
    name: &'static str,
    pub kind: SpanKind,
    fields: &'static [&'static str],
}

/// The field that says how a span ended.
pub(crate) const OUTCOME: &str = "outcome";

/// The field with the operation, which names the span of a request.
pub(crate) const OPERATION: &str = "operation";

/// The span of a request.
pub(crate) static REQUEST: Allowed = Allowed {
    name: "request",
    kind: SpanKind::Server,
    fields: &[
        "mount",
        "backend_uuid",
        "request_id",
        "guest",
        "guest_version",
        "guest_sha256",
        OPERATION,
        OUTCOME,
        "attempts",
        "cpu_us",
        "memory_bytes",
        "storage_calls",
        "storage_cached",
    ],
};

/// The module whose span of this name is that of a request.
const REQUESTS: &str = "vault_plugin";

static STEPS: [Allowed; 6] = [
    step("queue", &[OUTCOME]),
    step("initialize", &[]),
    step("attempt", &["number", OUTCOME]),
    step("instance", &[]),
    step("guest", &["reused"]),
    step("commit", &[OUTCOME]),
];

static STORAGE: [Allowed; 7] = [
    call("storage.get"),
    call("storage.put"),
    call("storage.delete"),
    call("storage.list"),
    call("storage.begin"),
    call("storage.commit"),
    call("storage.rollback"),
];

const fn step(name: &'static str, fields: &'static [&'static str]) -> Allowed {
    Allowed {
        name,
        kind: SpanKind::Internal,
        fields,
    }
}

const fn call(name: &'static str) -> Allowed {
    Allowed {
        name,
        kind: SpanKind::Client,
        fields: &[OUTCOME, "size"],
    }
}

/// Returns what may be exported of a span, or `None` if the span is not exported.
pub(crate) fn of(span: &Metadata<'_>) -> Option<&'static Allowed> {
    if is_request(span) {
        return Some(&REQUEST);
    }
    if span.target() != TARGET {
        return None;
    }
    STEPS
        .iter()
        .chain(&STORAGE)
        .find(|allowed| allowed.name == span.name())
}

/// Returns true for the span of a request.
pub(crate) fn is_request(span: &Metadata<'_>) -> bool {
    let target = span.target();
    span.name() == REQUEST.name
        && target
            .strip_prefix(REQUESTS)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Returns true for the spans and events that an exporter has to see.
pub(crate) fn is_wanted(metadata: &Metadata<'_>) -> bool {
    match metadata.is_span() {
        true => of(metadata).is_some(),
        false => metadata.target() == TARGET,
    }
}

/// The fields of a span so far.
#[derive(Default)]
pub(crate) struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    /// Returns a field's text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|(field, value)| match value {
            Value::StringValue(text) if *field == name => Some(&**text),
            _ => None,
        })
    }

    /// Returns the fields as attributes, under Airlock's own prefix.
    pub fn into_attributes(self) -> Vec<KeyValue> {
        let attribute = |(name, value)| KeyValue {
            key: format!("airlock.{name}"),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        };
        self.0.into_iter().map(attribute).collect()
    }
}

/// Takes the allowed fields. The first value of a field counts: who knows more about an outcome says it first.
pub(crate) struct Taking<'a> {
    pub allowed: &'static Allowed,
    pub fields: &'a mut Fields,
}

impl Taking<'_> {
    fn take(&mut self, field: &Field, value: impl FnOnce() -> Value) {
        let name = field.name();
        let Some(name) = self.allowed.fields.iter().find(|allowed| **allowed == name) else {
            return;
        };
        if self.fields.0.iter().all(|(taken, _)| taken != name) {
            self.fields.0.push((name, value()));
        }
    }
}

impl Visit for Taking<'_> {
    fn record_str(&mut self, field: &Field, text: &str) {
        let end = text.floor_char_boundary(LONGEST_TEXT);
        self.take(field, || Value::StringValue(text[..end].to_owned()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, || Value::BoolValue(value));
    }

    fn record_u64(&mut self, field: &Field, number: u64) {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        self.take(field, || Value::IntValue(number));
    }

    fn record_i64(&mut self, field: &Field, number: i64) {
        self.take(field, || Value::IntValue(number));
    }

    /// Drops the value: nobody knows what it prints.
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

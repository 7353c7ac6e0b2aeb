//! Writes one event as one line.

use std::error::Error;
use std::fmt::{self, Debug, Write};
use std::time::SystemTime;

use printable::Escaping;
use serde_json::Value;
use time::OffsetDateTime;
use tracing::field::{Field, Visit};
use tracing::{Level, Metadata};

use super::span::{SpanFields, SpanValue};

/// The host reads lines into a buffer of 64 KiB, the end of the line included.
const LINE_LIMIT: usize = 64 << 10;

/// The longest text in a line, in bytes. JSON's escapes can double it, and the result must still fit into a line.
pub(super) const TEXT_LIMIT: usize = 8 << 10;

/// Marks the end of a text that was cut.
const CUT: &str = "…";

/// The field that says that other fields are missing.
const INCOMPLETE: &str = ",\"_incomplete\":true";

/// Returns an event's JSON object and its line end. The line is shorter than the host's limit, and the three reserved
/// names are always present and always text, because the host panics on anything else.
pub(super) fn render(metadata: &Metadata<'_>, collected: Collected, at: SystemTime) -> String {
    let mut line = String::with_capacity(256);
    line.push('{');
    push(&mut line, "@level", level(*metadata.level()).into());
    line.push(',');
    push(&mut line, "@message", collected.message.into());
    line.push(',');
    push(&mut line, "@timestamp", timestamp(at).into());
    line.push(',');
    // The name is not `@module`: in a JSON log that would replace the name by which the host knows this plugin.
    push(&mut line, "module", metadata.target().replace("::", ".").into());
    for (name, value) in collected.fields {
        let end = line.len();
        line.push(',');
        push(&mut line, &free_name(name), value);
        if line.len() + INCOMPLETE.len() + "}\n".len() >= LINE_LIMIT {
            line.truncate(end);
            line.push_str(INCOMPLETE);
            break;
        }
    }
    line.push_str("}\n");
    line
}

/// Returns the line that replaces lines that were dropped because the host read too slowly.
pub(super) fn lost(lines: u64, at: SystemTime) -> String {
    let message = "log lines were dropped here: the host did not read them in time";
    own("warn", message, at, ("lines", lines.into()))
}

/// Returns the line that says that no further line is written, and why.
pub(super) fn unwritten(reason: &impl fmt::Display, at: SystemTime) -> String {
    let message = "nothing is logged: there is no thread that writes the log; raise the limit on processes and threads \
                   (`ulimit -u`, or TasksMax= of the service)";
    own("error", message, at, ("reason", reason.to_string().into()))
}

/// Returns a line of the log's own.
fn own(level: &str, message: &str, at: SystemTime, (name, value): (&str, Value)) -> String {
    let mut line = String::from("{");
    push(&mut line, "@level", level.into());
    line.push(',');
    push(&mut line, "@message", message.into());
    line.push(',');
    push(&mut line, "@timestamp", timestamp(at).into());
    line.push(',');
    push(&mut line, "module", "go_plugin.hclog".into());
    line.push(',');
    push(&mut line, name, value);
    line.push_str("}\n");
    line
}

fn push(line: &mut String, name: &str, value: Value) {
    // Writing to a string cannot fail.
    let _ = write!(line, "{}:{value}", Value::from(name));
}

/// Renames a field that begins with `@`, because such names belong to hclog.
fn free_name(name: &str) -> String {
    match name.strip_prefix('@') {
        Some(rest) => format!("_{rest}"),
        None => name.to_owned(),
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// Formats a time as UTC with exactly six digits of a second: the host takes a line with any other layout for plain
/// text.
fn timestamp(at: SystemTime) -> String {
    let at = OffsetDateTime::from(at);
    let (date, time) = (at.date(), at.time());
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.microsecond()
    )
}

/// An event's message and its other fields.
#[derive(Default)]
pub(super) struct Collected {
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl Collected {
    /// Takes the fields that `record` shows a visitor.
    pub fn from(record: impl FnOnce(&mut dyn Visit)) -> Self {
        let mut collected = Self::default();
        record(&mut collected);
        collected
    }

    /// Adds the fields of a span around this, except those that are here already.
    pub fn add_outer(&mut self, outer: &SpanFields) {
        for (name, value) in outer.iter() {
            if self.fields.iter().any(|(taken, _)| *taken == name) {
                continue;
            }
            let value = match value {
                SpanValue::Text(text) => Text::of(format_args!("{text}")).0.into(),
                SpanValue::Other(value) => value.clone(),
            };
            self.fields.push((name, value));
        }
    }

    fn set(&mut self, name: &'static str, value: Value) {
        match self.fields.iter_mut().find(|(taken, _)| *taken == name) {
            Some((_, earlier)) => *earlier = value,
            None => self.fields.push((name, value)),
        }
    }

    fn text(&mut self, field: &Field, text: Text) {
        match field.name() {
            "message" => self.message = text.0,
            name => self.set(name, text.0.into()),
        }
    }

    /// Adds a value that has a JSON type.
    fn value(&mut self, field: &Field, value: Value) {
        match field.name() {
            "message" => self.message = value.to_string(),
            name => self.set(name, value),
        }
    }
}

impl Visit for Collected {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field, Text::of(format_args!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, Text::of(format_args!("{value}")));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.text(field, Text::of(format_args!("{value}")));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.value(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.value(field, value.into());
    }

    /// Adds a number. One that JSON does not have becomes null.
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.value(field, value.into());
    }
}

/// A text on one line that stops growing at [`TEXT_LIMIT`], so that a huge value is never written out in memory either.
///
/// JSON's own escapes protect only the host's parser: the host shows the characters for which they stand, on a terminal
/// too. So each character that could forge a line or drive a terminal is escaped first.
#[derive(Default)]
struct Text(String);

impl Text {
    fn of(arguments: std::fmt::Arguments<'_>) -> Text {
        let mut text = String::new();
        let mut bounded = Bounded {
            text: &mut text,
            most: TEXT_LIMIT,
        };
        if Escaping(&mut bounded).write_fmt(arguments).is_err() {
            text.push_str(CUT);
        }
        Text(text)
    }
}

/// A text that stops growing at a length, in bytes.
pub(super) struct Bounded<'a> {
    pub text: &'a mut String,
    pub most: usize,
}

impl Write for Bounded<'_> {
    fn write_str(&mut self, piece: &str) -> std::fmt::Result {
        let room = self.most.saturating_sub(self.text.len());
        if piece.len() <= room {
            self.text.push_str(piece);
            return Ok(());
        }
        self.text.push_str(&piece[..piece.floor_char_boundary(room)]);
        Err(std::fmt::Error)
    }
}

//! The fields of a span, until an event within it has a line.
//!
//! Each request has a span, and few requests have a line. So the texts lie unescaped in one buffer, one behind the other, and
//! a span costs two allocations.

use std::fmt::{Debug, Display, Write};
use std::ops::Range;

use serde_json::Value;
use tracing::field::{Field, Visit};

use super::line::{Bounded, TEXT_LIMIT};

/// Bytes of text, and fields, for which a span has room from the beginning.
const USUAL_TEXT: usize = 256;
const USUAL_FIELDS: usize = 8;

/// The fields of a span.
pub(super) struct SpanFields {
    texts: String,
    fields: Vec<(&'static str, Kept)>,
}

/// A value: the place of a text in the buffer, or another value, which needs no allocation.
enum Kept {
    Text(Range<usize>),
    Other(Value),
}

/// A field's value as the span has it.
pub(super) enum SpanValue<'a> {
    /// A text, without escapes.
    Text(&'a str),
    /// A number, a truth value or null.
    Other(&'a Value),
}

impl SpanFields {
    /// Takes the fields that `record` shows a visitor.
    pub fn from(record: impl FnOnce(&mut dyn Visit)) -> Self {
        let mut fields = Self {
            texts: String::with_capacity(USUAL_TEXT),
            fields: Vec::with_capacity(USUAL_FIELDS),
        };
        record(&mut fields);
        fields
    }

    /// Returns the fields in the order in which they were first recorded.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, SpanValue<'_>)> {
        self.fields.iter().map(|(name, kept)| {
            let value = match kept {
                Kept::Text(range) => SpanValue::Text(&self.texts[range.clone()]),
                Kept::Other(value) => SpanValue::Other(value),
            };
            (*name, value)
        })
    }

    fn set(&mut self, field: &Field, kept: Kept) {
        let name = field.name();
        match self.fields.iter_mut().find(|(taken, _)| *taken == name) {
            Some((_, earlier)) => *earlier = kept,
            None => self.fields.push((name, kept)),
        }
    }

    fn text(&mut self, field: &Field, text: impl Display) {
        let start = self.texts.len();
        let mut bounded = Bounded {
            text: &mut self.texts,
            // A character more than a line has room for, so that the line says that the text was cut.
            most: start + TEXT_LIMIT + char::MAX.len_utf8(),
        };
        let _ = write!(bounded, "{text}");
        let range = start..self.texts.len();
        self.set(field, Kept::Text(range));
    }
}

impl Visit for SpanFields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Kept::Other(value.into()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Kept::Other(value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Kept::Other(value.into()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, Kept::Other(value.into()));
    }
}

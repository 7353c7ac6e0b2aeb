//! Logging in the host's own format: one JSON object a line on standard error, as Go's hclog writes it.
//!
//! ```no_run
//! use tracing_subscriber::layer::SubscriberExt;
//! use tracing_subscriber::util::SubscriberInitExt;
//!
//! tracing_subscriber::registry().with(go_plugin::hclog::layer(["greeter", "go_plugin"])).init();
//! tracing::info!(language = "Rust", "ready");
//! ```
//!
//! The host shows each line at its level, with the event's fields as keys and values. It applies its own rules of what
//! is shown, so log at every level and leave the choice to it.
//!
//! # What to watch
//! - Only events whose target is one of the given module paths, or lies within one, are written. This matters for
//!   security: the libraries below log what passes through them, and so would put secrets into the host's log.
//! - An event has the fields of the spans around it too, but no span has a line of its own. Of fields with the same name
//!   the innermost counts. Spans of other targets are ignored.
//! - Long values are cut, because the host takes a line of 64 KiB or more for several lines of plain text.
//! - Logging never waits for the host to read: a thread writes the lines, and up to 4 MiB of them may wait for it.
//!   Lines that do not fit are dropped, and one line in their place says how many. At the end of the process the
//!   waiting lines are written, if the host reads them within a second. Call [`flush`] before an end that runs no exit
//!   handlers, such as an abort.

mod line;
mod queue;
mod span;

use std::fmt;
use std::io::{self, Write};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use line::{Collected, render};
use queue::Queue;
use span::SpanFields;

/// The number of bytes that may wait for a host that does not read.
const ROOM: usize = 4 << 20;

/// The time that [`flush`] waits for such a host.
const PATIENCE: Duration = Duration::from_secs(1);

/// The queue to standard error, for the whole process.
static STANDARD_ERROR: LazyLock<Queue> = LazyLock::new(|| {
    flush_at_exit();
    Queue::new(io::stderr(), ROOM)
});

#[allow(unsafe_code)]
fn flush_at_exit() {
    extern "C" fn at_exit() {
        flush();
    }
    // SAFETY: the handler is a function of this program and cannot panic.
    unsafe { libc::atexit(at_exit) };
}

/// Waits until what was logged is written to standard error, for at most a second. Blocks the thread.
///
/// The end of `main` and [`std::process::exit`] do this by themselves.
pub fn flush() {
    STANDARD_ERROR.flush(PATIENCE);
}

/// A layer that writes the events of these targets to standard error.
///
/// A target is a module path such as `greeter` or `greeter::storage`, and includes all modules within it.
pub fn layer<S>(targets: impl IntoIterator<Item = impl Into<String>>) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    layer_to(Queued, targets)
}

/// Works like [`layer`], but writes to another destination, and at once. Each line is one call of `write_all`.
///
/// ```
/// use tracing_subscriber::layer::SubscriberExt;
///
/// # fn main() -> std::io::Result<()> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("plugin.log");
/// let file = std::fs::File::create(path)?;
/// let subscriber = tracing_subscriber::registry().with(go_plugin::hclog::layer_to(file, ["greeter"]));
/// tracing::subscriber::with_default(subscriber, || tracing::info!(target: "greeter", "ready"));
/// # Ok(())
/// # }
/// ```
pub fn layer_to<S, W>(out: W, targets: impl IntoIterator<Item = impl Into<String>>) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: Write + Send + 'static,
{
    let targets: Vec<String> = targets.into_iter().map(Into::into).collect();
    // This is decided once for each place that logs; places that are not wanted cost nothing afterwards.
    let wanted =
        move |metadata: &Metadata<'_>| targets.iter().any(|target| is_within(metadata.target(), target));
    Hclog { out: Mutex::new(out) }.with_filter(filter_fn(wanted).with_max_level_hint(LevelFilter::TRACE))
}

/// Returns true if a module is `parent` or lies within it.
fn is_within(module: &str, parent: &str) -> bool {
    module
        .strip_prefix(parent)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Standard error behind its queue. Each call of `write` gets a whole line.
struct Queued;

impl Write for Queued {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        STANDARD_ERROR.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Hclog<W> {
    out: Mutex<W>,
}

impl<W> fmt::Debug for Hclog<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hclog")
    }
}

impl<S, W> Layer<S> for Hclog<W>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: Write + Send + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            span.extensions_mut()
                .insert(SpanFields::from(|visitor| attributes.record(visitor)));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<SpanFields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut collected = Collected::from(|visitor| event.record(visitor));
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<SpanFields>() {
                collected.add_outer(outer);
            }
        }
        let line = render(event.metadata(), collected, SystemTime::now());
        // Without a host nobody reads, and nothing else is available to report it.
        let _ = self.out.lock().write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests;

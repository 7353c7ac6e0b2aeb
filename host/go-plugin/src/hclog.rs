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
//! The host shows each line at its level, with the event's fields as key and value, and under its own rules of what is
//! shown: log at every level and leave the choice to it.
//!
//! # What to watch
//! - Only events whose target starts with one of the given module paths are written. This is not a matter of taste:
//!   the libraries below log what passes through them, and so would put secrets into the host's log.
//! - Spans are not written, nor are their fields.
//! - Long values are cut, because the host takes a line of 64 KiB or more for several lines of plain text.
//! - Nobody who logs waits for the host to read: a thread writes what is logged, and up to 4 MiB may wait for it. Lines
//!   that do not fit are dropped, and one line in their place says how many. At the process's end what waits is written,
//!   if the host reads it within a second; call [`flush`] before an end that runs no exit handlers, such as an abort.

mod line;
mod queue;

use std::fmt;
use std::io::{self, Write};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use line::render;
use queue::Queue;

/// How many bytes may wait for a host that does not read.
const ROOM: usize = 4 << 20;

/// How long [`flush`] waits for such a host.
const PATIENCE: Duration = Duration::from_secs(1);

/// The way to standard error, for the whole process.
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
/// The end of `main` and [`std::process::exit`] do it by themselves.
pub fn flush() {
    STANDARD_ERROR.flush(PATIENCE);
}

/// A layer that writes the events of these targets to standard error.
///
/// A target is a module path such as `greeter` or `greeter::storage`, and stands for all modules within.
pub fn layer<S>(targets: impl IntoIterator<Item = impl Into<String>>) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    layer_to(Queued, targets)
}

/// Like [`layer`], but writes to somewhere else, and at once. Each line is one call of `write_all`.
pub fn layer_to<S, W>(out: W, targets: impl IntoIterator<Item = impl Into<String>>) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: Write + Send + 'static,
{
    let targets: Vec<String> = targets.into_iter().map(Into::into).collect();
    // Decided once for each place that logs; the others cost nothing afterwards.
    let wanted = move |metadata: &Metadata<'_>| {
        metadata.is_event() && targets.iter().any(|target| is_within(metadata.target(), target))
    };
    Hclog { out: Mutex::new(out) }.with_filter(filter_fn(wanted).with_max_level_hint(LevelFilter::TRACE))
}

/// Whether a module is another or lies within it.
fn is_within(module: &str, parent: &str) -> bool {
    module
        .strip_prefix(parent)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Standard error behind its queue. Gets each line whole.
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

impl<S: Subscriber, W: Write + Send + 'static> Layer<S> for Hclog<W> {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let line = render(event, SystemTime::now());
        // Without a host nobody reads, and there is nowhere else to say so.
        let _ = self.out.lock().write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests;

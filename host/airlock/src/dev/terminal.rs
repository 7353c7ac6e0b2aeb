//! Shows in the terminal how to use `airlock dev`, and each request when it comes. Never shows a value.
//!
//! Lines contain text of guests and of callers. [`note`] escapes it, and everything but the banner goes through
//! [`note`].

use std::fmt::Write as _;
use std::path::Path;

use airlock_dev_server::{DevServer, Observer, RequestRecord};
use airlock_sandbox::{Level, LogLine, LogSink};
use printable::Printable;

/// Prints requests, events, and what guests log.
pub struct Terminal;

/// Prints what to do next.
pub fn banner(server: &DevServer, token: &str, storage: Option<&Path>) {
    let address = server.address();
    let mut text = format!(
        "airlock dev: a development server, not a Vault: one token that may do everything, no encryption, loopback only.\n\
         \n  export VAULT_ADDR=http://{address} VAULT_TOKEN={token}\n\n"
    );
    let mounts = server.mounts();
    if mounts.is_empty() {
        text.push_str("  nothing is mounted: start it with --mount demo=guest.wasm\n");
    }
    for (path, engine) in mounts {
        let _ = writeln!(text, "  {}", Printable(format_args!("{path:<20} {engine}")));
    }
    let kept = storage.map_or("in memory, gone at the end".into(), |directory| {
        format!("in {}", directory.display())
    });
    let clock = match server.clock().is_frozen() {
        true => "frozen; `vault write sys/clock advance=1h` moves it",
        false => "running; `vault write sys/clock advance=1h` moves it, frozen=true freezes it",
    };
    let _ = writeln!(
        text,
        "\n  stored    {kept}\n  clock     {clock}\n  page      http://{address}/ui\n  Ctrl-C ends it\n"
    );
    write(&text);
}

/// Prints something that went well.
pub fn note(line: &str) {
    write(&format!("{}\n", Printable(line)));
}

/// Prints something that went wrong.
pub fn trouble(line: &str) {
    note(&format!("trouble: {line}"));
}

/// Ignores errors: the server goes on without its terminal.
fn write(text: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stdout().lock(), text.as_bytes());
}

impl Observer for Terminal {
    fn request(&self, record: &RequestRecord) {
        let mut line = format!(
            "{:<8} {:<40} {} {:>7.2} ms",
            record.operation,
            record.path,
            record.status,
            record.took.as_secs_f64() * 1e3
        );
        if let Some(cost) = record.cost {
            let _ = write!(
                line,
                "  guest {:>4} µs  storage {} read {} written {} listed",
                cost.cpu.as_micros(),
                cost.reads,
                cost.writes,
                cost.lists
            );
        }
        note(&line);
    }

    fn event(&self, mount: &str, event_type: &str, _: &vault_plugin::Event) {
        note(&format!("event    {mount} {event_type}"));
    }

    fn trouble(&self, line: &str) {
        trouble(line);
    }
}

impl LogSink for Terminal {
    fn log(&self, line: LogLine<'_>) {
        let level = match line.level {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        let mut text = format!("{level:<8} {}: {}", line.guest, line.message);
        for (name, value) in line.fields {
            let _ = write!(text, " {name}={value:?}");
        }
        note(&text);
    }
}

//! The names that spans of a trace share between those who make them and the exporter (`host/otlp`).
//!
//! A span or event with the [`TARGET`] is for the exporter alone: the log does not take it, so it costs nothing while nothing is
//! exported. It never carries a path below the mount, a key, a value, a token, or words of a guest or a caller.

/// The target of spans and events that only the exporter takes.
pub const TARGET: &str = "airlock-trace";

/// Returns the word for a number of bytes. A trace says no more about a size, because a secret's length tells something of it.
pub fn size_class(bytes: u64) -> &'static str {
    match bytes {
        0..=1024 => "up to 1 KiB",
        1025..=16_384 => "up to 16 KiB",
        16_385..=262_144 => "up to 256 KiB",
        _ => "over 256 KiB",
    }
}

//! Keeps the lines of the log, with the host's bounds for a request.

use vault_core::guest_log::{MOST_LINES, shorten};

use super::World;
use crate::records::Level;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The level.
    pub level: Level,
    /// The message. As in the host, it has at most 16 KiB together with the fields; the rest is cut off.
    pub message: String,
    /// The fields.
    pub fields: Vec<(String, String)>,
}

impl World {
    /// Adds a line. As in the host, only so many lines of a request are kept, and one more that says so.
    pub(crate) fn log(&self, level: Level, message: &str, fields: &[(String, String)]) {
        let before = self.lines.get();
        self.lines.set(before.saturating_add(1));
        let mut line = LogLine {
            level,
            message: message.into(),
            fields: fields.to_vec(),
        };
        if before > MOST_LINES {
            return;
        }
        if before == MOST_LINES {
            line = LogLine {
                level: Level::Warn,
                message: format!(
                    "further log lines of this request are dropped: over the limit of {MOST_LINES} log lines (--log-lines)"
                ),
                fields: Vec::new(),
            };
        }
        shorten(&mut line.message, &mut line.fields);
        self.logs.borrow_mut().push(line);
    }

    pub(crate) fn logs(&self) -> Vec<LogLine> {
        self.logs.borrow().clone()
    }
}

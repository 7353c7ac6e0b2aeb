//! Writes a guest's log lines to the host's log.

use std::fmt;

use airlock_sandbox::{Level, LogLine, LogSink};

/// Passes lines on to this process's log, tagged with the guest and the attempt. Vault decides by level what it shows.
pub struct HostLog;

impl LogSink for HostLog {
    fn log(&self, line: LogLine<'_>) {
        let LogLine {
            guest,
            attempt,
            level,
            message,
            fields,
        } = line;
        let fields = (!fields.is_empty()).then(|| tracing::field::display(Fields(fields)));
        // The level is part of a call site, so there is one for each.
        macro_rules! emit {
            ($level:ident) => {
                tracing::$level!(target: "airlock::guest", guest, attempt, fields, "{message}")
            };
        }
        match level {
            Level::Trace => emit!(trace),
            Level::Debug => emit!(debug),
            Level::Info => emit!(info),
            Level::Warn => emit!(warn),
            Level::Error => emit!(error),
        }
    }
}

/// A line's fields, written as one field: their names are the guest's, and so not known to the call site.
struct Fields<'a>(&'a [(String, String)]);

impl fmt::Display for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{name}={value:?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_names_and_quote_their_values() {
        let fields = [("user".into(), "a b".into()), ("n".into(), "1".into())];
        assert_eq!(Fields(&fields).to_string(), r#"user="a b" n="1""#);
    }
}

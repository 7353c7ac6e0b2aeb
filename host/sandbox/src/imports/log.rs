//! `log`: a guest's log lines. They go out at once.

use crate::bindings::airlock::engine::log::{Host, Level};
use crate::mount::LogLine;
use crate::run::account::LogLine as Charged;
use crate::run::instance::State;

/// Most bytes of a line and its fields. Vault's own log reader gives up at 64 KiB, of which escaping may take most.
const LONGEST: usize = 16 << 10;

impl Host for State {
    async fn log(
        &mut self,
        level: Level,
        mut message: String,
        mut fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        let bytes = message.len()
            + fields
                .iter()
                .map(|(name, value)| name.len() + value.len() + size_of::<(String, String)>())
                .sum::<usize>();
        self.enter(bytes).await?;
        // Dropped lines have been copied too, so they are charged.
        self.charge_bytes(bytes)?;
        let account = self.account.clone();
        let session = self.session("log.log")?;
        let (log, attempt) = (session.mount.services.log.clone(), account.attempts());
        let guest = &*account.guest;
        match account.log_line() {
            Charged::Pass => {
                shorten(&mut message, &mut fields);
                log.log(LogLine {
                    guest,
                    attempt,
                    level,
                    message: &message,
                    fields: &fields,
                });
            }
            Charged::FirstDropped => {
                let exceeded = account.exceeded(crate::Limit::LogLines);
                let message = format!("further log lines of this request are dropped: {exceeded}");
                log.log(LogLine {
                    guest,
                    attempt,
                    level: Level::Warn,
                    message: &message,
                    fields: &[],
                });
            }
            Charged::Drop => {}
        }
        Ok(())
    }
}

/// Cuts a line to [`LONGEST`] bytes, from its end.
fn shorten(message: &mut String, fields: &mut Vec<(String, String)>) {
    let mut left = LONGEST;
    cut(message, &mut left);
    fields.retain_mut(|(name, value)| {
        cut(name, &mut left);
        cut(value, &mut left);
        left > 0
    });
}

fn cut(text: &mut String, left: &mut usize) {
    if text.len() > *left {
        text.truncate(text.floor_char_boundary(*left));
        *left = 0;
    } else {
        *left -= text.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        let mut message = "ü".repeat(LONGEST);
        let mut fields = vec![("name".to_owned(), "value".to_owned())];
        shorten(&mut message, &mut fields);
        assert_eq!(message.len(), LONGEST);
        assert!(fields.is_empty());

        let mut message = "x".repeat(LONGEST - 8);
        let mut fields = vec![
            ("a".to_owned(), "bc".to_owned()),
            ("d".to_owned(), "e".repeat(100)),
        ];
        shorten(&mut message, &mut fields);
        assert_eq!(fields, [("a".to_owned(), "bc".to_owned())]);
    }
}

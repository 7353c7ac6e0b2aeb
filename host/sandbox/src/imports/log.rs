//! `log`: a guest's log lines. They go out at once.

use vault_core::guest_log::shorten;

use crate::bindings::airlock::engine::log::{Host, Level};
use crate::mount::LogLine;
use crate::run::account::LogLine as Charged;
use crate::run::instance::State;

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

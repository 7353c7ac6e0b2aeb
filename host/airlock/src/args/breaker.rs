//! Defines the flags for setting a guest aside that fails again and again.

use std::time::Duration;

use airlock_mount::BreakerSettings;
use clap::Args;

/// When a guest is set aside on its mount, and for how long.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct BreakerArgs {
    /// Traps, broken contracts and exceeded limits in a row after which a guest is set aside on its mount: requests then get
    /// 503 with the cause, and it is tried again by itself. Concerns only the callers whose requests failed, until they are
    /// three. 0 never does
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub breaker: u32,

    /// Time for which a guest is set aside, in milliseconds; it doubles each time that the guest fails again, up to 64 times
    /// as much
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub breaker_ms: u32,
}

impl BreakerArgs {
    /// Returns the settings of each mount's breaker.
    pub fn settings(&self) -> BreakerSettings {
        BreakerSettings {
            failures: self.breaker,
            pause: Duration::from_millis(self.breaker_ms.into()),
        }
    }
}

//! The server's clock, which can be frozen and moved. Leases expire by it and the periodic tick follows it.

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;
use vault_core::parse_duration;

use crate::Error;

/// The latest time that a clock can show, in seconds since 1970: the beginning of the year 9000. After it, a lease
/// could end in a year that RFC 3339 cannot express.
const LAST: Duration = Duration::from_secs(221_845_392_000);

/// A clock. Clones share the same time.
///
/// It runs with the system's clock until it is frozen or moved. Moving it forward by an hour makes everything due that
/// falls due within that hour.
#[derive(Clone, Debug)]
pub struct Clock {
    state: Arc<Mutex<State>>,
    changed: Arc<watch::Sender<()>>,
}

#[derive(Debug)]
struct State {
    /// The time at `since`.
    time: SystemTime,
    /// The instant at which the clock showed `time`, or `None` while the clock is frozen.
    since: Option<Instant>,
}

impl Clock {
    /// Makes a running clock that starts at the current time.
    pub fn running() -> Clock {
        Clock::new(SystemTime::now(), Some(Instant::now()))
    }

    /// Makes a clock that is frozen at a moment.
    pub fn frozen(at: SystemTime) -> Clock {
        Clock::new(at, None)
    }

    fn new(time: SystemTime, since: Option<Instant>) -> Clock {
        Clock {
            state: Arc::new(Mutex::new(State { time, since })),
            changed: Arc::new(watch::Sender::new(())),
        }
    }

    /// Returns the current time of this clock.
    pub fn now(&self) -> SystemTime {
        self.state.lock().now()
    }

    /// Returns true if the clock is frozen.
    pub fn is_frozen(&self) -> bool {
        self.state.lock().since.is_none()
    }

    /// Freezes the clock.
    pub fn freeze(&self) {
        self.change(|state| state.since = None);
    }

    /// Lets a frozen clock run on from the time that it shows.
    pub fn run(&self) {
        self.change(|state| state.since = Some(Instant::now()));
    }

    /// Moves the clock forward, whether it is frozen or running, but not past the year 9000.
    pub fn advance(&self, by: Duration) {
        let last = UNIX_EPOCH + LAST;
        self.change(|state| state.time = state.time.checked_add(by).map_or(last, |time| time.min(last)));
    }

    /// Waits until the clock shows this moment or a later one.
    pub async fn sleep_until(&self, moment: SystemTime) {
        let mut changed = self.changed.subscribe();
        loop {
            let (now, frozen) = (self.now(), self.is_frozen());
            let Ok(left) = moment.duration_since(now) else {
                return;
            };
            if left.is_zero() {
                return;
            }
            if frozen {
                // The sender lives as long as this clock, so `changed` cannot fail.
                let _ = changed.changed().await;
            } else {
                let _ = tokio::time::timeout(left, changed.changed()).await;
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        {
            let mut state = self.state.lock();
            state.time = state.now();
            state.since = state.since.map(|_| Instant::now());
            change(&mut state);
        }
        self.changed.send_replace(());
    }
}

/// Reads `running` or `frozen`, followed by how far the clock is ahead of the system's: `frozen+90d`, or just
/// `+8h` for a running one.
///
/// # Errors
/// Returns [`Error::BadClock`].
impl FromStr for Clock {
    type Err = Error;

    fn from_str(text: &str) -> Result<Clock, Error> {
        let bad = || Error::BadClock(text.to_owned());
        let (state, ahead) = text.split_once('+').unwrap_or((text, "0s"));
        let clock = match state {
            "running" | "" if !text.is_empty() => Clock::running(),
            "frozen" => Clock::frozen(SystemTime::now()),
            _ => return Err(bad()),
        };
        if ahead.is_empty() {
            return Err(bad());
        }
        clock.advance(parse_duration(&Value::from(ahead)).map_err(|_| bad())?);
        Ok(clock)
    }
}

impl State {
    fn now(&self) -> SystemTime {
        let passed = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        self.time.checked_add(passed).unwrap_or(self.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frozen_clock_moves_only_when_it_is_moved() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let clock = Clock::frozen(start);
        assert_eq!(clock.now(), start);
        let hour = Duration::from_secs(3600);
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(start + hour).await }
        });
        clock.advance(hour / 2);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        clock.advance(hour / 2);
        waiting.await.unwrap();
        assert_eq!(clock.now(), start + hour);
    }

    #[test]
    fn a_clock_is_given_as_a_word_and_how_far_it_is_ahead() {
        let ahead = |text: &str| {
            let clock: Clock = text.parse().unwrap();
            let hours = clock.now().duration_since(SystemTime::now()).unwrap_or_default();
            (clock.is_frozen(), (hours.as_secs_f64() / 3600.0).round())
        };
        assert_eq!(ahead("running"), (false, 0.0));
        assert_eq!(ahead("frozen"), (true, 0.0));
        assert_eq!(ahead("+8h"), (false, 8.0));
        assert_eq!(ahead("frozen+90d"), (true, 90.0 * 24.0));
        for wrong in [
            "",
            "+",
            "frozen+",
            "frozen-1h",
            "stopped",
            "1h",
            "frozen+1y",
            "+-1h",
        ] {
            let error = wrong.parse::<Clock>().unwrap_err().to_string();
            assert!(error.contains("frozen+90d"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_clock_cannot_be_moved_out_of_what_can_be_shown() {
        let clock = Clock::frozen(SystemTime::now());
        for _ in 0..3 {
            clock.advance(Duration::MAX);
        }
        assert_eq!(crate::go::moment(clock.now()), "9000-01-01T00:00:00Z");
    }

    #[tokio::test]
    async fn a_running_clock_wakes_sleepers_without_being_moved() {
        let clock = Clock::running();
        assert!(!clock.is_frozen());
        clock.sleep_until(clock.now() + Duration::from_millis(5)).await;
        clock.freeze();
        assert!(clock.is_frozen());
        let at = clock.now();
        assert_eq!(clock.now(), at);
        clock.run();
        clock.sleep_until(at + Duration::from_millis(1)).await;
    }
}

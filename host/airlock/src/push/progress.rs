//! Shows how much of a guest was sent: on a terminal as a bar, elsewhere as a line every few seconds, so that a short push
//! writes none.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

/// The time between two lines.
const INTERVAL: Duration = Duration::from_secs(5);

const BAR: &str = "[{bar:40}] {percent:>3} %, {pos} of {len} pieces";

/// Counts pieces on standard error.
pub enum Progress {
    /// A bar, which is removed when it is dropped.
    Bar(ProgressBar),
    /// Lines.
    Lines(Mutex<Lines>),
}

impl Progress {
    /// Begins to count up to `total`.
    pub fn new(total: usize) -> Self {
        if !stderr().is_terminal() {
            return Self::Lines(Mutex::new(Lines::new(total, Instant::now())));
        }
        let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr())
            .with_style(style.progress_chars("=> "))
            .with_finish(ProgressFinish::AndClear);
        bar.tick();
        Self::Bar(bar)
    }

    /// Counts one more.
    pub fn advance(&self) {
        match self {
            Self::Bar(bar) => bar.inc(1),
            Self::Lines(lines) => {
                let mut lines = lines.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                if let Some(line) = lines.advance(Instant::now()) {
                    // A reader that is gone does not stop the work.
                    let _ = writeln!(stderr(), "{line}");
                }
            }
        }
    }
}

/// The count, and the time of the last line.
pub struct Lines {
    total: usize,
    sent: usize,
    written: Instant,
}

impl Lines {
    fn new(total: usize, now: Instant) -> Self {
        Self {
            total,
            sent: 0,
            written: now,
        }
    }

    /// Counts one more, and returns the line to write if it is time for one. The last piece needs none, as the result follows.
    fn advance(&mut self, now: Instant) -> Option<String> {
        self.sent += 1;
        let Self { total, sent, .. } = *self;
        if sent >= total || now.duration_since(self.written) < INTERVAL {
            return None;
        }
        self.written = now;
        Some(format!("sent {sent} of {total} pieces, {} %", sent * 100 / total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bars_template_is_valid() {
        assert!(ProgressStyle::with_template(BAR).is_ok());
    }

    #[test]
    fn a_line_comes_every_few_seconds_and_none_at_the_end() {
        let begun = Instant::now();
        let mut lines = Lines::new(5, begun);
        let mut after = |seconds| lines.advance(begun + Duration::from_secs(seconds));
        assert_eq!(after(4), None);
        assert_eq!(after(5).as_deref(), Some("sent 2 of 5 pieces, 40 %"));
        assert_eq!(after(9), None);
        assert_eq!(after(11).as_deref(), Some("sent 4 of 5 pieces, 80 %"));
        assert_eq!(after(60), None);
    }
}

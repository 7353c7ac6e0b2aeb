//! Shows on a terminal how much of a guest was sent. Shows nothing elsewhere.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A line on standard error that counts pieces.
pub struct Progress {
    total: usize,
    sent: AtomicUsize,
    is_shown: bool,
}

impl Progress {
    /// Begins to count up to `total`.
    pub fn new(total: usize) -> Self {
        let progress = Self {
            total,
            sent: AtomicUsize::new(0),
            is_shown: stderr().is_terminal(),
        };
        progress.show(0);
        progress
    }

    /// Counts one more.
    pub fn advance(&self) {
        let sent = self.sent.fetch_add(1, Ordering::Relaxed) + 1;
        self.show(sent);
    }

    fn show(&self, sent: usize) {
        if self.is_shown {
            self.write(&format!("\r{}\u{1b}[K", line(sent, self.total)));
        }
    }

    /// A terminal that is gone does not stop the work.
    fn write(&self, text: &str) {
        let mut stderr = stderr().lock();
        let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }
}

/// Removes the line.
impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            self.write("\r\u{1b}[K");
        }
    }
}

fn line(sent: usize, total: usize) -> String {
    let percent = (sent * 100).checked_div(total).unwrap_or(100);
    format!("sent {sent} of {total} pieces, {percent} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_pieces_and_percent() {
        assert_eq!(line(0, 3), "sent 0 of 3 pieces, 0 %");
        assert_eq!(line(2, 3), "sent 2 of 3 pieces, 66 %");
        assert_eq!(line(0, 0), "sent 0 of 0 pieces, 100 %");
    }
}

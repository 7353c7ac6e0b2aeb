//! A sum to which many requests add at the same time.

use super::outcome::{End, Outcome};

/// The amount that requests have certainly added to something, and the most that they may have added beyond it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Added {
    pub surely: u64,
    perhaps: u64,
}

impl Added {
    /// Notes that a request is about to add this amount. A disturbed request may add it twice.
    pub fn begin(&mut self, amount: u64) {
        self.perhaps += 2 * amount;
    }

    /// Notes the result of a request.
    pub fn end(&mut self, amount: u64, outcome: &Outcome) {
        match (&outcome.end, outcome.disturbed.is_some()) {
            (End::Done, false) => {
                self.surely += amount;
                self.perhaps -= 2 * amount;
            }
            (End::Done, true) => {
                self.surely += amount;
                self.perhaps -= amount;
            }
            (End::Refused, false) => self.perhaps -= 2 * amount,
            _ => {}
        }
    }

    pub fn at_most(&self) -> u64 {
        self.surely + self.perhaps
    }
}

//! A sum to which many requests add at the same time.

use super::outcome::{End, Outcome};

/// What requests added to something: so much for certain, and so much more at most.
#[derive(Clone, Copy, Debug, Default)]
pub struct Added {
    pub surely: u64,
    perhaps: u64,
}

impl Added {
    /// A request is about to add this. If it is disturbed it may do so twice.
    pub fn begin(&mut self, amount: u64) {
        self.perhaps += 2 * amount;
    }

    /// What became of it.
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

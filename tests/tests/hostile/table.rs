//! The output of `make hostile`: two lines for each guest.

use std::fmt::{self, Write as _};
use std::time::Duration;

use crate::latency::{Samples, Times};
use crate::row::{CALLERS, Row};

/// The number of characters of an answer that fit a line.
const ANSWER: usize = 110;

/// The highest ratio of the 99th percentiles, beside the harm and quiet, that counts as good.
const GOOD: f64 = 2.0;

/// Returns the explanation and the names of the columns.
pub fn head(samples: usize) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "The neighbour's times, in ms, are of {samples} requests quiet, and of {samples} and more beside"
    );
    let _ = writeln!(
        text,
        "{CALLERS} callers who ask for harm. Its ratio is that of the 99th percentiles; above {GOOD} it is marked. Beside it is"
    );
    let _ = writeln!(
        text,
        "the ratio of a mount on another process in the same time, which is the server's and the machine's share."
    );
    let _ = writeln!(
        text,
        "A neighbour on another process, for want of one that is shared, is marked with `~`.\n"
    );
    let _ = write!(
        text,
        "{:30} {:8} {:>15} {:>15} {:>6} {:>7} {:>5} {:>9}  what the caller is told",
        "guest", "host", "50th percentile", "99th percentile", "ratio", "other", "harm", "MiB"
    );
    text
}

/// Returns how many guests slowed their neighbours by no more than the good ratio.
pub fn sum(rows: &[Row]) -> String {
    let all = rows.len();
    let good = |ratio: fn(&Row) -> f64| rows.iter().filter(|row| ratio(row) <= GOOD).count();
    let (shared, other) = (good(Row::ratio), good(Row::ratio_elsewhere));
    format!(
        "\n{all} guests; the ratio is at most {GOOD} beside {shared}, on another process beside {other} of them"
    )
}

impl Row {
    /// Returns the ratio of the neighbour's times beside the harm to those without it, or NaN if they were not
    /// measured.
    fn ratio(&self) -> f64 {
        self.ratio_of(|times| &times.neighbour)
    }

    /// Returns the same ratio for the mount on another process.
    fn ratio_elsewhere(&self) -> f64 {
        self.ratio_of(|times| &times.elsewhere)
    }

    fn ratio_of(&self, samples: fn(&Times) -> &Samples) -> f64 {
        let p99 = |times: &Option<Times>| {
            times
                .as_ref()
                .map_or(f64::NAN, |times| samples(times).percentile(99).as_secs_f64())
        };
        p99(&self.beside) / p99(&self.quiet)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match (&self.failures[..], self.shares_process) {
            ([], true) => "lives",
            ([], false) if self.memory.is_none() => "no host",
            ([], false) => "refuses",
            _ => "FAILED",
        };
        write!(f, "{:30} {host:8}", self.name)?;
        for percent in [50, 99] {
            let time =
                |times: &Option<Times>| ms(times.as_ref().map(|times| times.neighbour.percentile(percent)));
            write!(f, " {:>7} {:>7}", time(&self.quiet), time(&self.beside))?;
        }
        let ratio = self.ratio();
        let mark = if ratio > GOOD { '!' } else { ' ' };
        let other = if self.shares_process { ' ' } else { '~' };
        let elsewhere = self.ratio_elsewhere();
        write!(f, " {ratio:5.1}{mark}{other}{elsewhere:6.1} {:>5}", self.harmed)?;
        match self.memory {
            Some((before, after)) => write!(f, " {:>4} {:>4}", before >> 20, after >> 20)?,
            None => write!(f, "{:10}", "")?,
        }
        let answer = self.answer.split_whitespace().collect::<Vec<_>>().join(" ");
        let answer = answer.replace("1 error occurred: * ", "");
        write!(
            f,
            "  {}\n    {}",
            answer.chars().take(ANSWER).collect::<String>(),
            self.about
        )
    }
}

fn ms(time: Option<Duration>) -> String {
    time.map_or("-".to_owned(), |time| {
        format!("{:.2}", time.as_secs_f64() * 1000.0)
    })
}

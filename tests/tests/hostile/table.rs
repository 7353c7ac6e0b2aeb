//! What `make hostile` prints: two lines for each guest.

use std::fmt;
use std::time::Duration;

use crate::latency::Samples;
use crate::row::{CALLERS, Row};

/// Of an answer, as much as fits a line.
const ANSWER: usize = 110;

/// The ratio of the 99th percentiles, beside the harm and quiet, that is good enough.
const GOOD: f64 = 2.0;

/// Prints what the columns are.
pub fn print_head(samples: usize) {
    println!(
        "The neighbour's times, in ms, are of {samples} requests quiet, and of {samples} and more beside"
    );
    println!(
        "{CALLERS} callers who ask for harm. Its ratio is that of the 99th percentiles; above {GOOD} it is marked."
    );
    println!("A neighbour on another process, for want of one that is shared, is marked with `~`.\n");
    println!(
        "{:30} {:8} {:>15} {:>15} {:>6} {:>5} {:>9}  what the caller is told",
        "guest", "host", "50th percentile", "99th percentile", "ratio", "harm", "MiB"
    );
}

/// Prints how many guests harmed nobody by how much.
pub fn print_sum(rows: &[Row]) {
    let ratios: Vec<f64> = rows.iter().filter_map(Row::ratio).collect();
    let good = ratios.iter().filter(|ratio| **ratio <= GOOD).count();
    println!(
        "\n{} guests; the ratio is at most {GOOD} beside {good} of {}",
        rows.len(),
        ratios.len()
    );
}

impl Row {
    fn ratio(&self) -> Option<f64> {
        let p99 = |samples: &Option<Samples>| Some(samples.as_ref()?.percentile(99).as_secs_f64());
        Some(p99(&self.beside)? / p99(&self.quiet)?)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match (&self.failures[..], self.shares_process) {
            ([], true) => "lives",
            ([], false) => "refuses",
            _ => "FAILED",
        };
        write!(f, "{:30} {host:8}", self.name)?;
        for percent in [50, 99] {
            let time = |samples: &Option<Samples>| ms(samples.as_ref().map(|s| s.percentile(percent)));
            write!(f, " {:>7} {:>7}", time(&self.quiet), time(&self.beside))?;
        }
        let ratio = self.ratio().unwrap_or(f64::NAN);
        let mark = if ratio > GOOD { '!' } else { ' ' };
        let other = if self.shares_process { ' ' } else { '~' };
        write!(f, " {ratio:5.1}{mark}{other}{:>4}", self.harmed)?;
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

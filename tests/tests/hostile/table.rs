//! What `make hostile` prints.

use std::fmt;
use std::time::Duration;

use crate::row::Row;

/// Of an answer, as much as fits a row.
const ANSWER: usize = 100;

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer: String = self.answer.replace('\n', " ").chars().take(ANSWER).collect();
        write!(
            f,
            "{:32} {:4}",
            self.name,
            if self.failures.is_empty() { "ok" } else { "BAD" }
        )?;
        if let (Some(quiet), Some(beside)) = (&self.quiet, &self.beside) {
            let (q50, b50) = (quiet.percentile(50), beside.percentile(50));
            let (q99, b99) = (quiet.percentile(99), beside.percentile(99));
            let ratio = b99.as_secs_f64() / q99.as_secs_f64();
            write!(
                f,
                " {:>6} {:>6} {:>6} {:>6} {ratio:5.1}",
                ms(q50),
                ms(b50),
                ms(q99),
                ms(b99)
            )?;
            write!(
                f,
                "{} {:5}",
                if self.shares_process { ' ' } else { '*' },
                self.harmed
            )?;
        }
        if let Some((before, after)) = self.memory {
            write!(f, " {:>4} {:>4}", before >> 20, after >> 20)?;
        }
        write!(f, "  {answer}")
    }
}

fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}

/// Prints the table.
pub fn print(rows: &[Row], samples: usize) {
    println!("\nneighbour: {samples} requests quiet, {samples} and more beside 8 callers; times in ms\n");
    for row in rows {
        println!("{row}\n    {}", row.about);
    }
}

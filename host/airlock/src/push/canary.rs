//! `airlock push --canary`: waits for the end of a guest's trial on live traffic.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use printable::Printable;

use crate::control::Control;
use crate::control::answers::Report;
use crate::swap::{running, short};

/// The arguments of a trial.
#[derive(Debug, Clone, Args)]
pub struct CanaryArgs {
    /// First try the guest on this many requests of the mount: the guest that runs answers them, and each is run on the new
    /// guest too, without any effect. If it answers and stores the same, it takes over; otherwise the one that runs stays, and
    /// the command fails and says what differed. Waits until the trial has ended
    #[arg(long, value_name = "REQUESTS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub canary: Option<u32>,

    /// With --canary, a field of answers that may differ; repeatable
    #[arg(long, value_name = "FIELD", requires = "canary")]
    pub tolerate: Vec<String>,
}

/// The wait between two looks at the trial.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The time in which a guest that has passed takes over.
const TAKES_OVER: Duration = Duration::from_secs(60);

/// Waits until a trial has ended. Returns the text about what runs then.
pub fn wait(control: &Control, sha256: &str) -> Result<String> {
    let mount = control.mount();
    let mut passed = None;
    loop {
        let status = control.status()?;
        let trial = status.canary.filter(|trial| trial.sha256 == sha256);
        let Some(trial) = trial else {
            bail!(
                "{mount}: the trial was ended by a restart or by another push; the guest that ran before runs on"
            );
        };
        let found = summary(&trial.report);
        match (trial.report.state.as_str(), &status.running) {
            ("running", _) => {}
            ("passed", Some(now)) if now.sha256 == sha256 => {
                return Ok(format!("tried: {found}\n{} runs at {mount} now\n", running(now)));
            }
            // It is about to take over.
            ("passed", _) if passed.get_or_insert_with(Instant::now).elapsed() < TAKES_OVER => {}
            ("passed", _) => bail!(
                "{mount}: {} passed its trial, and another guest runs: {found}",
                short(sha256)
            ),
            (state, _) => bail!(
                "{mount}: {} did not pass its trial ({}), and the guest that ran before runs on: {found}{}",
                short(sha256),
                Printable(state),
                trial
                    .report
                    .cause
                    .map_or_else(String::new, |cause| format!("; {}", Printable(cause))),
            ),
        }
        thread::sleep(LOOK_AGAIN);
    }
}

/// Returns what a trial has found, on one line.
pub fn summary(report: &Report) -> String {
    let mut out = format!("{} the same{}", sum(&report.same), by(&report.same));
    let _ = write!(
        out,
        ", {} not comparable{}, {} skipped",
        sum(&report.not_comparable),
        by(&report.not_comparable),
        report.skipped
    );
    if !report.different.is_empty() {
        let (different, in_what) = (sum(&report.different), by(&report.differences));
        let _ = write!(
            out,
            ", {different} different{}, in{in_what}",
            by(&report.different)
        );
    }
    out
}

fn sum(counts: &BTreeMap<String, u64>) -> u64 {
    counts.values().sum()
}

fn by(counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return String::new();
    }
    let counts: Vec<_> = counts
        .iter()
        .map(|(what, count)| format!("{} {count}", Printable(what)))
        .collect();
    format!(" ({})", counts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line_with_its_numbers() {
        let counts = |of: &[(&str, u64)]| {
            of.iter()
                .map(|(what, count)| ((*what).to_owned(), *count))
                .collect()
        };
        let report = Report {
            same: counts(&[("list", 1), ("read", 41)]),
            not_comparable: counts(&[("update", 2)]),
            skipped: 7,
            different: counts(&[("read", 3)]),
            differences: counts(&[("read: field a\nb", 1), ("read: status 200 and 404", 2)]),
            state: "differs".to_owned(),
            cause: None,
        };
        assert_eq!(
            summary(&report),
            "42 the same (list 1, read 41), 2 not comparable (update 2), 7 skipped, 3 different (read 3), \
             in (read: field a\\nb 1, read: status 200 and 404 2)"
        );
    }
}

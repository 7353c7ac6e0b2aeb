//! The table at the end, and what must not be in it.

use std::fmt::Write as _;

use super::disturb::Done;
use super::pool::{Counts, Tally};
use super::samples::Watched;
use super::windows::Disturbance;

/// What one server's callers saw.
pub struct Part {
    pub name: &'static str,
    pub tally: Tally,
    pub done: Done,
    pub watched: Watched,
    /// What grew.
    pub grown: Vec<String>,
}

/// What must not be: an empty list is a pass.
pub fn failures(parts: &[Part]) -> Vec<String> {
    let mut failures = Vec::new();
    for part in parts {
        let sum = part.tally.sum();
        let failed = |during: Option<Disturbance>| sum.failed.get(&during).copied().unwrap_or_default();
        for (what, count) in [
            ("lost", sum.lost),
            ("wrong", sum.wrong),
            ("failed while nothing was done to their host", failed(None)),
            ("failed for a reload", failed(Some(Disturbance::Reload))),
        ] {
            if count > 0 {
                failures.push(format!("{}: {count} {what}", part.name));
            }
        }
        if part.done.times.values().sum::<u64>() == 0 || part.tally.disturbed.is_empty() {
            failures.push(format!("{}: nothing was disturbed", part.name));
        }
        failures.extend(part.grown.clone());
    }
    failures
}

pub fn report(parts: &[Part]) -> String {
    let mut text = String::new();
    for part in parts {
        let _ = writeln!(
            text,
            "{:<28} {:>9} {:>8} {:>8} {:>10} {:>6} {:>6}",
            part.name, "done", "refused", "failed", "undisturbed", "lost", "wrong"
        );
        for (kind, counts) in &part.tally.kinds {
            text += &row(kind, counts);
        }
        text += &row("all", &part.tally.sum());
        for (disturbance, times) in &part.done.times {
            let met = part.tally.disturbed.get(disturbance).copied().unwrap_or_default();
            let failed = part
                .tally
                .sum()
                .failed
                .get(&Some(*disturbance))
                .copied()
                .unwrap_or_default();
            let _ = writeln!(
                text,
                "  {disturbance}: {times} times; {met} requests met one, {failed} of them failed"
            );
        }
        for (failure, count) in &part.tally.failures {
            let _ = writeln!(text, "  {count} failed {failure}");
        }
        for (line, count) in &part.done.logged {
            let _ = writeln!(text, "  {count} times logged: {line}");
        }
        for fault in &part.tally.faults {
            let _ = writeln!(text, "  FAULT {fault}");
        }
        text.push('\n');
    }
    for part in parts {
        text += &part.watched.report();
    }
    text
}

fn row(kind: &str, counts: &Counts) -> String {
    let undisturbed = counts.failed.get(&None).copied().unwrap_or_default();
    format!(
        "  {kind:<26} {:>9} {:>8} {:>8} {undisturbed:>10} {:>6} {:>6}\n",
        counts.done,
        counts.refused,
        counts.failed.values().sum::<u64>(),
        counts.lost,
        counts.wrong,
    )
}

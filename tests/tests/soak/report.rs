//! The table at the end, and the failures in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::disturb::Done;
use super::hostile::{HOSTILE, OUT_OF_TIME};
use super::pool::{Counts, Tally};
use super::samples::Watched;
use super::windows::Disturbance;

/// The results of one server's callers.
pub struct Part {
    pub name: &'static str,
    pub tally: Tally,
    pub done: Done,
    /// The number of callers.
    pub callers: u64,
    /// The planned disturbances.
    pub plan: &'static [Disturbance],
    pub watched: Watched,
    /// The resources that grew.
    pub grown: Vec<String>,
}

/// Returns what must not have happened. An empty list is a pass.
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
        for planned in part.plan {
            if !part.done.times.contains_key(planned) {
                failures.push(format!("{}: there was no {planned}", part.name));
            }
        }
        if part.tally.disturbed.is_empty() {
            failures.push(format!("{}: no request met a disturbance", part.name));
        }
        // For each caller, the request in flight may fail, and then the next one, which finds out that the process is
        // gone.
        let kills = part
            .done
            .times
            .get(&Disturbance::Kill)
            .copied()
            .unwrap_or_default();
        let for_kills = failed(Some(Disturbance::Kill)) + part.done.unserved;
        if for_kills > 2 * kills * part.callers {
            failures.push(format!(
                "{}: {for_kills} failed for {kills} kills, with {} callers",
                part.name, part.callers
            ));
        }
        failures.extend(part.watched.ended().iter().cloned());
        failures.extend(part.grown.clone());
    }
    for (kind, counts) in of_all(parts) {
        if counts.done == 0 {
            failures.push(format!("no request of the kind {kind:?} was done"));
        }
    }
    failures
}

/// Returns the results of the requests of each kind, on both servers.
fn of_all(parts: &[Part]) -> BTreeMap<&'static str, Counts> {
    let mut all: BTreeMap<&'static str, Counts> = BTreeMap::new();
    for (kind, counts) in parts.iter().flat_map(|part| &part.tally.kinds) {
        all.entry(kind).or_default().done += counts.done;
    }
    all
}

/// Returns a text if more than one in twenty answers to requests for harm was that the CPU time was used up when
/// another answer was expected. Such answers show nothing.
pub fn says_too_little(parts: &[Part]) -> Option<String> {
    let all = of_all(parts);
    let done = |kind: &str| all.get(kind).map_or(0, |counts| counts.done);
    let (late, told) = (done(OUT_OF_TIME), done(HOSTILE));
    (late * 20 > late + told).then(|| format!("{late} of {} answers to harm were out of time", late + told))
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

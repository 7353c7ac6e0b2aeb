//! Reports of scenarios, for a person and for a CI server.

use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use printable::Printable;

use crate::{Error, Level, RecordedEvent, RecordedLine};

/// The report of one scenario.
#[derive(Debug, Clone)]
pub struct Report {
    /// The scenario's file.
    pub file: PathBuf,
    /// The scenario's `about` text.
    pub about: String,
    /// The steps that were run. If a step fails, it is the last.
    pub steps: Vec<StepReport>,
    /// The number of steps after the failed one, which were not run.
    pub not_run: usize,
}

/// The report of one step.
#[derive(Debug, Clone, Default)]
pub struct StepReport {
    /// The step's name, or its request if it has no name.
    pub name: String,
    /// The line of the step's request.
    pub line: usize,
    /// The status of the answer, if the step sent a request.
    pub status: Option<u16>,
    /// The differences from what was expected, one line each.
    pub failures: Vec<String>,
    /// The lines that the guest logged and the events that it sent.
    pub log: Vec<String>,
    /// The duration of the step.
    pub time: Duration,
}

impl Report {
    /// Makes the report of a scenario that cannot be run, because its file cannot be read or is wrong.
    pub fn unreadable(file: PathBuf, error: &Error) -> Self {
        let line = match error {
            Error::Scenario { line, .. } => *line,
            _ => 1,
        };
        let why = match error {
            Error::Scenario { what, .. } => what.clone(),
            error => vault_plugin::Report::new(error).to_string(),
        };
        let step = StepReport {
            name: "the scenario is wrong".into(),
            line,
            failures: vec![why],
            ..StepReport::default()
        };
        Self {
            file,
            about: String::new(),
            steps: vec![step],
            not_run: 0,
        }
    }

    /// Returns true if everything was as expected.
    pub fn has_passed(&self) -> bool {
        self.steps.iter().all(|step| step.failures.is_empty())
    }

    /// Returns the report with every step, its status, and what the guest logged, also of the steps that passed.
    pub fn with_all_steps(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out, true);
        out
    }

    fn time(&self) -> Duration {
        self.steps.iter().map(|step| step.time).sum()
    }

    fn write(&self, f: &mut dyn fmt::Write, all: bool) -> fmt::Result {
        let word = if self.has_passed() { "ok  " } else { "FAIL" };
        let file = self.file.display();
        let count = self.steps.len();
        let steps = if count == 1 { "step" } else { "steps" };
        let about = if self.about.is_empty() {
            String::new()
        } else {
            format!(": {}", self.about)
        };
        writeln!(
            f,
            "{word} {}{} ({count} {steps}, {} ms)",
            Printable(&file),
            Printable(about),
            self.time().as_millis()
        )?;
        for step in self.steps.iter().filter(|step| all || !step.failures.is_empty()) {
            let status = match step.status {
                Some(status) if all => format!(" ({status}, {} ms)", step.time.as_millis()),
                _ => String::new(),
            };
            let name = Printable(&step.name);
            writeln!(f, "     {}:{}: {name}{status}", Printable(&file), step.line)?;
            for line in step.failures.iter().chain(&step.log) {
                writeln!(f, "       {}", Printable(line))?;
            }
        }
        match self.not_run {
            0 => Ok(()),
            1 => writeln!(f, "     the step after it was not run"),
            more => writeln!(f, "     the {more} steps after it were not run"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, false)
    }
}

/// Returns a log line as a person reads it.
pub(super) fn line_text(line: &RecordedLine) -> String {
    let fields: String = line
        .fields
        .iter()
        .map(|(name, value)| format!(" {name}={value:?}"))
        .collect();
    format!("log {}: {}{fields}", level_name(line.level), line.message)
}

/// Returns an event as a person reads it.
pub(super) fn event_text(event: &RecordedEvent) -> String {
    format!("event {}: {}", event.event_type, event.metadata)
}

/// Returns the name of a level, as scenarios write it.
pub fn level_name(level: Level) -> &'static str {
    match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

/// Formats reports as JUnit XML, which CI servers read: a suite for each scenario, a case for each step.
pub fn junit(reports: &[Report]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for report in reports {
        let failures = report
            .steps
            .iter()
            .filter(|step| !step.failures.is_empty())
            .count();
        let file = escaped(&report.file.display().to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{file}\" tests=\"{}\" failures=\"{failures}\" time=\"{:.3}\">",
            report.steps.len(),
            report.time().as_secs_f64(),
        );
        for step in &report.steps {
            let _ = write!(
                xml,
                "    <testcase classname=\"{file}\" name=\"{}\" line=\"{}\" time=\"{:.3}\"",
                escaped(&step.name),
                step.line,
                step.time.as_secs_f64(),
            );
            let _ = match step.failures.as_slice() {
                [] => writeln!(xml, "/>"),
                all @ [first, ..] => writeln!(
                    xml,
                    "><failure message=\"{}\">{}</failure></testcase>",
                    escaped(first),
                    escaped(&[all, &step.log].concat().join("\n"))
                ),
            };
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// Escapes a text for XML. Most control characters cannot be written in XML and are replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let step = |name: &str, failures: &[&str]| StepReport {
            name: name.into(),
            line: 3,
            failures: failures.iter().map(|text| (*text).to_owned()).collect(),
            status: Some(200),
            log: vec!["log info: done".into()],
            time: Duration::from_millis(2),
        };
        let steps = vec![
            step("read a", &[]),
            step("write \"a\"", &["status: expected 200, got <500>\u{1}"]),
        ];
        Report {
            file: "a.toml".into(),
            about: "About.".into(),
            steps,
            not_run: 1,
        }
    }

    #[test]
    fn a_person_reads_where_and_why() {
        assert_eq!(
            report().to_string(),
            "FAIL a.toml: About. (2 steps, 4 ms)\n     a.toml:3: write \"a\"\n       status: expected 200, got <500>\\u{1}\n       \
             log info: done\n     the step after it was not run\n"
        );
    }

    #[test]
    fn junit_names_suites_and_cases_and_escapes_what_it_shows() {
        let xml = junit(&[report()]);
        assert!(
            xml.contains(r#"<testsuite name="a.toml" tests="2" failures="1" time="0.004">"#),
            "{xml}"
        );
        assert!(
            xml.contains(r#"name="write &quot;a&quot;""#) && xml.contains("got &lt;500&gt;\u{fffd}"),
            "{xml}"
        );
    }
}

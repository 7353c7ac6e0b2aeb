//! `airlock status`: shows what runs at a mount, from where, and what else is in its storage.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use clap::Args;
use printable::Printable;

use crate::control::answers::{Breaker, Previous, Status};
use crate::control::{Control, MountArgs};
use crate::output::json;
use crate::push::summary;
use crate::swap::short;

/// The arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub mount: MountArgs,

    /// Print the status as the host answers it, as a JSON object
    #[arg(long)]
    pub json: bool,
}

/// Returns the text to print.
pub fn run(args: &StatusArgs) -> Result<String> {
    let (status, data) = Control::of(&args.mount)?.status_and_data()?;
    if args.json {
        let text = serde_json::to_string_pretty(&data).context("the status cannot be shown")?;
        return Ok(json(&text) + "\n");
    }
    Ok(text(&status))
}

fn text(status: &Status) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(out, "{:<16} {}", format!("{name}:"), Printable(value));
    };
    line("host", &format!("{} {}", status.host, status.host_version));
    match &status.running {
        Some(running) => {
            line("running", &format!("{} {}", running.name, running.version));
            line("sha256", &running.sha256);
            line("from", &running.source);
            let signer = running.signer.as_deref().unwrap_or_default();
            line(
                "vouched by",
                format!("{} {signer}", running.vouched_by).trim_end(),
            );
            line("layout version", &running.layout_version.to_string());
        }
        None => line("running", "nothing"),
    }
    if let Some(cause) = &status.cause {
        line("cause", cause);
    }
    line("active", status.active.as_deref().unwrap_or("none in storage"));
    for Previous {
        sha256,
        name,
        version,
    } in &status.previous
    {
        line("before", &format!("{name} {version}, {sha256}"));
    }
    if let Some(highest) = &status.highest {
        line("highest version", highest);
    }
    if let Some(refused) = &status.refused {
        let guest = refused
            .sha256
            .as_deref()
            .map_or_else(|| "a rollback".to_owned(), short);
        let at = refused.at.as_deref().unwrap_or("at an unknown time");
        line("refused", &format!("{guest}, {at}: {}", refused.reason));
    }
    if let Some(trial) = &status.canary {
        let (state, found) = (&trial.report.state, summary(&trial.report));
        line("trial", &format!("{} {state}: {found}", short(&trial.sha256)));
    }
    if let Some(found) = &status.breaker {
        line("breaker", &breaker(found));
    }
    let takes = match (status.accepts_push && status.can_write, &status.why_not) {
        (true, _) => "yes".to_owned(),
        (false, Some(reason)) => format!("no: {reason}"),
        (false, None) => "no".to_owned(),
    };
    line("takes a push", &takes);
    out
}

fn breaker(breaker: &Breaker) -> String {
    let Breaker {
        state,
        since,
        failures,
        cause,
        refuses,
        next_try,
    } = breaker;
    let unknown = "an unknown time";
    let mut out = format!("{state} since {}", since.as_deref().unwrap_or(unknown));
    if let (true, Some(cause)) = (*failures > 0, cause) {
        let _ = write!(out, ", {failures} failures in a row, the last because {cause}");
    }
    if let Some(refuses) = refuses {
        let whom = match refuses.as_str() {
            "callers" => "the callers whose requests failed",
            refuses => refuses,
        };
        let next = next_try.as_deref().unwrap_or(unknown);
        let _ = write!(out, "; refuses {whom}, next try {next}");
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status() -> Status {
        serde_json::from_value(json!({
            "host": "airlock", "host_version": "0.1.0", "protocol": 1, "can_write": true, "accepts_push": true,
            "why_not": null, "cause": null, "active": "ab", "highest": "0.2.0",
            "running": {"name": "kv", "version": "0.2.0", "sha256": "ab", "vouched_by": "signature", "signer": "ann",
                "source": "storage", "layout_version": 1},
            "previous": [{"sha256": "cd", "name": "kv", "version": "0.1.0"}],
            "refused": {"sha256": "ef", "at": "2026-01-02T03:04:05Z", "reason": "version 0.0.9 is too low"},
        }))
        .unwrap()
    }

    #[test]
    fn shows_what_runs_and_what_ran_before() {
        assert_eq!(
            text(&status()),
            "host:            airlock 0.1.0\nrunning:         kv 0.2.0\nsha256:          ab\nfrom:            storage\n\
             vouched by:      signature ann\nlayout version:  1\nactive:          ab\nbefore:          kv 0.1.0, cd\n\
             highest version: 0.2.0\nrefused:         ef, 2026-01-02T03:04:05Z: version 0.0.9 is too low\ntakes a push:    yes\n"
        );
    }

    #[test]
    fn shows_why_nothing_runs_and_escapes_it() {
        let text = text(&Status {
            running: None,
            cause: Some("the guest\u{1b}[2J was\nrefused".to_owned()),
            accepts_push: false,
            why_not: Some("the catalog names a file".to_owned()),
            active: None,
            previous: Vec::new(),
            highest: None,
            ..status()
        });
        assert!(
            text.contains("running:         nothing\ncause:           the guest\\u{1b}[2J was\\nrefused\n"),
            "{text}"
        );
        assert!(text.contains("active:          none in storage\n"), "{text}");
        assert!(
            text.ends_with("takes a push:    no: the catalog names a file\n"),
            "{text}"
        );
    }
}

//! `airlock status`: shows what runs at a mount, since when and by whom, its limits and counts; or a line for each mount.

mod all;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use clap::Args;
use printable::Printable;
use serde_json::Value;

use crate::control::answers::{Activated, Breaker, Node, Previous, Status};
use crate::control::mount_path::MountPath;
use crate::control::{Control, MountArgs};
use crate::output::json;
use crate::push::summary;
use crate::swap::short;

/// The arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The mount's path, as `vault secrets list` shows it [default: a line for each mount that the token can see]
    #[arg(long, value_name = "MOUNT")]
    pub mount: Option<MountPath>,

    /// Print the status as the host answers it, as a JSON object; without --mount an object of these, by mount
    #[arg(long)]
    pub json: bool,
}

/// Returns the text to print.
pub fn run(args: &StatusArgs) -> Result<String> {
    let Some(mount) = args.mount.clone() else {
        return all::run(args.json);
    };
    let (status, data) = Control::of(&MountArgs { mount })?.status_and_data()?;
    match args.json {
        true => pretty(&data),
        false => Ok(text(&status)),
    }
}

fn pretty(data: &Value) -> Result<String> {
    let text = serde_json::to_string_pretty(data).context("the status cannot be shown")?;
    Ok(json(&text) + "\n")
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
            if let Some(since) = &running.since {
                line("since", since);
            }
        }
        None => line("running", "nothing"),
    }
    if let Some(cause) = &status.cause {
        line("cause", cause);
    }
    line("active", status.active.as_deref().unwrap_or("none in storage"));
    if let Some(activated) = &status.activated {
        line("activated", &by_whom(activated));
    }
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
    if let Some(limits) = &status.limits {
        line("limits", &listed(limits));
    }
    if let Some(counts) = &status.counts {
        let since = counts.since.as_deref().unwrap_or(UNKNOWN);
        let calls = match counts.calls.is_empty() {
            true => "none".to_owned(),
            false => listed(&counts.calls),
        };
        line("calls", &format!("{calls}; since {since}"));
        line("swaps", &listed(&counts.swaps));
        let (running, waiting) = (counts.requests_running, counts.requests_waiting);
        line("requests", &format!("{running} running, {waiting} waiting"));
    }
    if let Some(node) = &status.node {
        line("node", &node_text(node));
    }
    let takes = match (status.accepts_push && status.can_write, &status.why_not) {
        (true, _) => "yes".to_owned(),
        (false, Some(reason)) => format!("no: {reason}"),
        (false, None) => "no".to_owned(),
    };
    line("takes a push", &takes);
    out
}

/// Stands for a time that a host could not say.
const UNKNOWN: &str = "an unknown time";

fn listed(numbers: &BTreeMap<String, u64>) -> String {
    let numbers = numbers.iter().map(|(name, number)| format!("{name} {number}"));
    numbers.collect::<Vec<_>>().join(", ")
}

fn by_whom(activated: &Activated) -> String {
    let Activated {
        at,
        display_name,
        entity_id,
    } = activated;
    let at = at.as_deref().unwrap_or(UNKNOWN);
    match entity_id.as_str() {
        "" => format!("{at} by {display_name}"),
        entity => format!("{at} by {display_name} (entity {entity})"),
    }
}

fn node_text(node: &Node) -> String {
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
    format!(
        "{}, process {}, cluster {}, Vault {}",
        known(&node.host),
        node.pid,
        known(&node.cluster_id),
        known(&node.vault_version)
    )
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
    let mut out = format!("{state} since {}", since.as_deref().unwrap_or(UNKNOWN));
    if let (true, Some(cause)) = (*failures > 0, cause) {
        let _ = write!(out, ", {failures} failures in a row, the last because {cause}");
    }
    if let Some(refuses) = refuses {
        let whom = match refuses.as_str() {
            "callers" => "the callers whose requests failed",
            refuses => refuses,
        };
        let next = next_try.as_deref().unwrap_or(UNKNOWN);
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
                "source": "storage", "layout_version": 1, "since": "2026-01-02T03:04:06Z"},
            "activated": {"at": "2026-01-02T03:04:04Z", "display_name": "userpass-ann", "entity_id": "e1"},
            "previous": [{"sha256": "cd", "name": "kv", "version": "0.1.0"}],
            "refused": {"sha256": "ef", "at": "2026-01-02T03:04:05Z", "reason": "version 0.0.9 is too low"},
            "breaker": {"state": "open", "since": "2026-01-02T03:04:07Z", "failures": 10, "cause": "it trapped",
                "refuses": "callers", "next_try": "2026-01-02T03:04:08Z"},
            "limits": {"cpu-ms": 1000, "memory-mib": 64},
            "counts": {"since": "2026-01-02T03:04:03Z", "calls": {"ok": 3, "trap": 10}, "swaps": {"done": 1, "refused": 2},
                "requests_running": 4, "requests_waiting": 5},
            "node": {"host": "one", "pid": 7, "cluster_id": "c1", "vault_version": null},
        }))
        .unwrap()
    }

    #[test]
    fn shows_what_runs_and_what_ran_before() {
        assert_eq!(
            text(&status()),
            "host:            airlock 0.1.0\nrunning:         kv 0.2.0\nsha256:          ab\nfrom:            storage\n\
             vouched by:      signature ann\nlayout version:  1\nsince:           2026-01-02T03:04:06Z\n\
             active:          ab\nactivated:       2026-01-02T03:04:04Z by userpass-ann (entity e1)\n\
             before:          kv 0.1.0, cd\n\
             highest version: 0.2.0\nrefused:         ef, 2026-01-02T03:04:05Z: version 0.0.9 is too low\n\
             breaker:         open since 2026-01-02T03:04:07Z, 10 failures in a row, the last because it trapped; refuses the \
             callers whose requests failed, next try 2026-01-02T03:04:08Z\n\
             limits:          cpu-ms 1000, memory-mib 64\ncalls:           ok 3, trap 10; since 2026-01-02T03:04:03Z\n\
             swaps:           done 1, refused 2\nrequests:        4 running, 5 waiting\n\
             node:            one, process 7, cluster c1, Vault unknown\ntakes a push:    yes\n"
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

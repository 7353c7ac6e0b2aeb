//! Compares what a step did with what was expected of it. Each function returns the differences, one line each.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::Value;
use vault_core::human_duration;

use super::compare::{differences, field, stored};
use super::format::{
    Budget, Data, Event, EventExpected, Expect, LeaseExpected, LogExpected, LogLine, Step, Time,
};
use super::report::level_name;
use crate::{Answer, Lease, Mount, RecordedEvent, RecordedLine, Usage};

pub(super) fn answered(expect: &Expect, answer: &Answer) -> Vec<String> {
    let mut failures = Vec::new();
    let error = answer.error();
    let shown = |error: Option<&str>| error.map_or_else(String::new, |text| format!(" ({text})"));
    let wants_error = expect.error.is_some() || expect.error_has.is_some();
    match expect.status {
        Some(status) if status != answer.status() => {
            failures.push(format!(
                "status: expected {status}, got {}{}",
                answer.status(),
                shown(error)
            ));
        }
        None if !wants_error && !answer.is_success() => {
            failures.push(format!(
                "status: expected success, got {}{}",
                answer.status(),
                shown(error)
            ));
        }
        None if wants_error && answer.is_success() => {
            failures.push(format!("status: expected an error, got {}", answer.status()));
        }
        _ => {}
    }
    if let Some(expected) = &expect.error
        && error != Some(expected)
    {
        failures.push(format!(
            "error: expected {expected:?}, got {:?}",
            error.unwrap_or_default()
        ));
    }
    if let Some(part) = &expect.error_has
        && !error.is_some_and(|error| error.contains(part))
    {
        failures.push(format!(
            "error: expected {part:?} in it, got {:?}",
            error.unwrap_or_default()
        ));
    }
    let data = answer.data();
    failures.extend(
        expect
            .data
            .as_ref()
            .map(|expected| differences("data", &expected.0, data, true))
            .into_iter()
            .flatten(),
    );
    failures.extend(
        expect
            .has
            .as_ref()
            .map(|expected| differences("data", &expected.0, data, false))
            .into_iter()
            .flatten(),
    );
    let present = expect.lacks.iter().filter(|path| field(data, path).is_some());
    failures.extend(present.map(|path| format!("data.{path}: is there and was not expected")));
    if let Some(keys) = &expect.keys
        && answer.keys() != *keys
    {
        failures.push(format!("keys: expected {keys:?}, got {:?}", answer.keys()));
    }
    if let Some(warnings) = &expect.warnings
        && answer.warnings() != warnings
    {
        failures.push(format!(
            "warnings: expected {warnings:?}, got {:?}",
            answer.warnings()
        ));
    }
    failures
}

pub(super) fn kept(expect: &Expect, mount: &Mount) -> Vec<String> {
    let entries = mount.entries();
    let entries: BTreeMap<&str, &[u8]> = entries.iter().map(|entry| (&*entry.key, &*entry.value)).collect();
    let named = expect.storage.iter().chain(expect.storage_is.iter().flatten());
    let differing = named.flat_map(|(key, Data(value))| stored(key, value, entries.get(&**key).copied()));
    let unwanted = entries.keys().filter(|key| {
        let is_unknown = expect
            .storage_is
            .as_ref()
            .is_some_and(|all| !all.contains_key(**key));
        is_unknown
            || expect
                .storage_lacks
                .iter()
                .any(|unwanted| is_meant(key, unwanted))
    });
    differing
        .chain(unwanted.map(|key| format!("storage {key:?}: is there and was not expected")))
        .collect()
}

/// Returns true if a key is the unwanted one, or is below it if that ends in a slash.
fn is_meant(key: &str, unwanted: &str) -> bool {
    key == unwanted || unwanted.ends_with('/') && key.starts_with(unwanted)
}

/// Returns the keys whose absence cannot fail, because the guest has not declared that it stores anything there, and the scenario
/// itself has not `seeded` any of them either.
pub(super) fn idle(expect: &Expect, declared: &[String], seeded: &[&str]) -> Vec<String> {
    let may_be = |unwanted: &str| {
        let grants = |prefix: &String| unwanted.starts_with(&**prefix) || is_meant(prefix, unwanted);
        declared.iter().any(grants) || seeded.iter().any(|key| is_meant(key, unwanted))
    };
    let why = match declared {
        [] => "declares no prefix to store anything below".to_owned(),
        _ => format!("stores only below {}", declared.join(", ")),
    };
    let idle = expect.storage_lacks.iter().filter(|key| !may_be(key));
    idle.map(|key| format!("storage-lacks: {key:?} is always absent, because the guest {why}"))
        .collect()
}

/// Compares the lines and events of a step with those that were expected.
pub(super) fn told(expect: &Expect, logged: &[RecordedLine], sent: &[RecordedEvent]) -> Vec<String> {
    let logs = expect.logs.iter().flatten().filter_map(|expected| {
        let (found, text) = match expected {
            LogExpected::Has(part) => (
                logged.iter().any(|line| line.message.contains(part.as_str())),
                format!("{part:?}"),
            ),
            LogExpected::Line(line) => (logged.iter().any(|logged| line.fits(logged)), line.to_string()),
        };
        (!found).then(|| format!("logs: no line has {text}"))
    });
    let events = expect.events.iter().flatten().filter_map(|expected| {
        let (found, text) = match expected {
            EventExpected::Type(name) => (
                sent.iter().any(|event| event.event_type == *name),
                format!("{name:?}"),
            ),
            EventExpected::Event(event) => (sent.iter().any(|sent| event.fits(sent)), event.to_string()),
        };
        (!found).then(|| format!("events: none is {text}"))
    });
    let no_logs = expect.logs.as_ref().is_some_and(Vec::is_empty);
    let lines = logged
        .iter()
        .filter(|_| no_logs)
        .map(|line| format!("logs: expected none, got {:?}", line.message));
    let no_events = expect.events.as_ref().is_some_and(Vec::is_empty);
    let unwanted = sent
        .iter()
        .filter(|_| no_events)
        .map(|event| format!("events: expected none, got {:?}", event.event_type));
    logs.chain(events).chain(lines).chain(unwanted).collect()
}

impl LogLine {
    fn fits(&self, line: &RecordedLine) -> bool {
        let has = |(name, value): (&String, &String)| {
            line.fields
                .iter()
                .any(|(field, text)| field == name && text == value)
        };
        self.level
            .as_ref()
            .is_none_or(|level| *level == level_name(line.level))
            && self
                .message
                .as_ref()
                .is_none_or(|message| *message == line.message)
            && self.has.as_ref().is_none_or(|part| line.message.contains(part))
            && self.fields.iter().all(has)
    }
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = [
            ("level", &self.level),
            ("message", &self.message),
            ("has", &self.has),
        ];
        let texts = texts
            .into_iter()
            .filter_map(|(name, text)| Some(format!("{name} {:?}", text.as_ref()?)));
        let fields = self
            .fields
            .iter()
            .map(|(name, value)| format!("{name}={value:?}"));
        f.write_str(&texts.chain(fields).collect::<Vec<_>>().join(", "))
    }
}

impl Event {
    fn fits(&self, event: &RecordedEvent) -> bool {
        let metadata = || serde_json::from_str(&event.metadata).unwrap_or(Value::Null);
        self.event_type
            .as_ref()
            .is_none_or(|name| *name == event.event_type)
            && self
                .metadata
                .as_ref()
                .is_none_or(|Data(expected)| differences("", expected, &metadata(), false).is_empty())
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.event_type.as_deref().unwrap_or("any type");
        match &self.metadata {
            None => write!(f, "{name:?}"),
            Some(Data(metadata)) => write!(f, "{name:?} with {metadata}"),
        }
    }
}

/// Compares the lease of an answer with the one that was expected.
pub(super) fn leased(expected: &LeaseExpected, lease: Option<&Lease>) -> Vec<String> {
    let Some(secret) = lease.map(Lease::secret) else {
        return vec!["lease: expected one, and the answer has none".into()];
    };
    let time = |name: &str, expected: Option<Time>, got: Duration| {
        let expected = expected?.0;
        (expected != got).then(|| {
            let (expected, got) = (human_duration(expected), human_duration(got));
            format!("lease.{name}: expected {expected}, got {got}")
        })
    };
    let renewable = expected
        .renewable
        .filter(|expected| *expected != secret.lease.renewable);
    let renewable =
        renewable.map(|expected| format!("lease.renewable: expected {expected}, got {}", !expected));
    let times = [
        time("ttl", expected.ttl, secret.lease.ttl()),
        time("max-ttl", expected.max_ttl, secret.lease.max_ttl()),
    ];
    let data = secret.internal_data.as_ref().and_then(|data| data.decode().ok());
    let data = expected.data.iter().flat_map(|Data(expected)| {
        differences(
            "lease.data",
            expected,
            data.as_ref().unwrap_or(&Value::Null),
            false,
        )
    });
    times.into_iter().flatten().chain(renewable).chain(data).collect()
}

/// Returns the faults of a step that met no call.
pub(super) fn unmet(step: &Step, applied: &[bool]) -> Vec<String> {
    let unmet = step.faults.iter().zip(applied).filter(|(_, applied)| !**applied);
    unmet
        .map(|(rule, _)| {
            let rule = rule.get_ref();
            let on = rule.on.name();
            match rule.nth {
                None => format!("faults: the fault on {on} never happened, because the step makes no such call"),
                Some(nth) => format!(
                    "faults: the fault on {on} with nth = {nth} never happened, because the step makes fewer such \
                     calls or another fault came first"
                ),
            }
        })
        .collect()
}

pub(super) fn over(budget: &Budget, usage: &Usage) -> Vec<String> {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let used = [
        ("cpu-ms", budget.cpu_ms, milliseconds(usage.cpu)),
        ("wall-ms", budget.wall_ms, milliseconds(usage.wall)),
        ("memory-mib", budget.memory_mib, mib(usage.memory_bytes)),
        (
            "storage-ops",
            budget.storage_ops,
            f64::from(usage.storage_operations),
        ),
        (
            "storage-calls",
            budget.storage_calls,
            usage.storage.calls() as f64,
        ),
    ];
    let over = |(name, budget, used): (&str, Option<u64>, f64)| {
        let budget = budget.filter(|budget| used > *budget as f64)?;
        // Rounded to three decimal places; zeros at the end are not shown.
        let used = (used * 1e3).round() / 1e3;
        Some(format!("budget {name}: expected at most {budget}, used {used}"))
    };
    used.into_iter().filter_map(over).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_without_prefixes_has_no_key_to_lack() {
        let expect = Expect {
            storage_lacks: vec!["any/".to_owned(), "seeded/".to_owned()],
            ..Expect::default()
        };
        let idle = |declared: &[&str]| {
            let declared: Vec<_> = declared.iter().map(|prefix| (*prefix).to_owned()).collect();
            super::idle(&expect, &declared, &["seeded/a"])
        };
        assert_eq!(
            idle(&[]),
            [
                "storage-lacks: \"any/\" is always absent, because the guest declares no prefix to store anything below"
            ]
        );
        assert_eq!(
            idle(&["b/", "c/"]),
            ["storage-lacks: \"any/\" is always absent, because the guest stores only below b/, c/"]
        );
        // The empty prefix grants every key.
        assert!(idle(&[""]).is_empty());
    }
}

//! Runs a scenario.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use airlock_storage::{MemoryStorage, StorageEntry};

use super::compare::{difference, field, stored, to_store};
use super::format::{Budget, Data, Expect, File, Step, Task};
use super::report::{Report, StepReport};
use super::{Scenario, line};
use crate::{Answer, Error, Guest, Lease, Mount, Request, Result, Usage};

/// The time that a step with `busy = true` waits for the commit lock, which another request holds during the step.
const BUSY_AFTER: Duration = Duration::from_millis(50);

pub(super) fn run(scenario: &Scenario, guest: &Guest) -> Result<Report> {
    let Scenario { file, text, content } = scenario;
    let mut report = Report {
        file: file.clone(),
        about: content.about.clone(),
        steps: Vec::new(),
        not_run: content.steps.len(),
    };
    let mut mount = match mount(content, guest) {
        Ok(mount) => mount,
        Err(error @ (Error::SetUp(_) | Error::Initialize(_))) => {
            let failures = vec![vault_plugin::Report::new(&error).to_string()];
            report.steps.push(StepReport {
                name: "mount".into(),
                line: 1,
                failures,
                time: Duration::ZERO,
            });
            return Ok(report);
        }
        Err(error) => return Err(error),
    };
    let mut leases = HashMap::new();
    for step in &content.steps {
        let began = Instant::now();
        let failures = take(step, &content.budget, &mut mount, &mut leases)?;
        let request = step.request.get_ref();
        let failed = !failures.is_empty();
        report.not_run -= 1;
        report.steps.push(StepReport {
            name: step.name.as_ref().unwrap_or(request).clone(),
            line: line(text, step.request.span().start),
            failures,
            time: began.elapsed(),
        });
        if failed {
            break;
        }
    }
    Ok(report)
}

fn mount(file: &File, guest: &Guest) -> Result<Mount> {
    let storage: MemoryStorage = file
        .storage
        .iter()
        .map(|(key, value)| StorageEntry::new(key, to_store(&value.0)))
        .collect();
    let mut mount = guest
        .mount()
        .memory(Arc::new(storage))
        .seed(file.seed)
        .entity(&file.mount.entity)
        .display_name(&file.mount.display_name);
    if let Some(path) = &file.mount.path {
        mount = mount.path(path);
    }
    if let Some(time) = file.retry_storage {
        mount = mount.retry_storage(time.0);
    }
    if file.steps.iter().any(|step| step.busy) {
        mount = mount.busy_after(BUSY_AFTER);
    }
    for (name, value) in &file.mount.options {
        mount = mount.option(name, value);
    }
    mount.start()
}

/// Runs a step and returns the differences from what was expected.
fn take(
    step: &Step,
    budget: &Budget,
    mount: &mut Mount,
    leases: &mut HashMap<String, Lease>,
) -> Result<Vec<String>> {
    if let Some(time) = step.wait {
        mount.clock().advance(time.0);
    }
    let faults = mount.faults().clone();
    for rule in &step.faults {
        let rule = rule.get_ref();
        let Some(fault) = rule.fault() else { continue };
        match rule.nth {
            Some(nth) => faults.nth(rule.call(), nth, fault),
            None => faults.every(rule.call(), fault),
        }
    }
    faults.set_read_only(step.read_only);
    let recorded = (mount.recorder().lines().len(), mount.recorder().events().len());
    let occupied = step.busy.then(|| mount.occupy()).transpose();
    let answer = answer(step, mount, leases);
    faults.heal();
    if let Err(error) = occupied {
        return Ok(vec![format!("storage cannot be made busy: {error}")]);
    }
    let mut failures = Vec::new();
    match answer {
        Err(error @ (Error::SetUp(_) | Error::Initialize(_))) => {
            failures.push(vault_plugin::Report::new(&error).to_string());
        }
        Err(error) => return Err(error),
        Ok(None) => {}
        Ok(Some(answer)) => {
            failures.extend(answered(&step.expect, &answer));
            failures.extend(
                [budget, &step.budget]
                    .into_iter()
                    .flat_map(|budget| over(budget, answer.usage())),
            );
            match (&step.lease, answer.lease()) {
                (Some(name), Some(lease)) => {
                    leases.insert(name.clone(), lease.clone());
                }
                (Some(name), None) => {
                    failures.push(format!("lease: the answer has none to keep as {name:?}"))
                }
                (None, _) => {}
            }
        }
    }
    failures.extend(kept(&step.expect, mount));
    failures.extend(told(&step.expect, mount, recorded));
    Ok(failures)
}

/// Sends the step's request. A restart has no answer.
fn answer(step: &Step, mount: &mut Mount, leases: &HashMap<String, Lease>) -> Result<Option<Answer>> {
    // The request and the lease's name were checked when the scenario was read. If a step does not get its lease, the
    // scenario ends there, so the lease exists here.
    let request = match step.action() {
        Some(Task::Restart) => return mount.restart().map(|()| None),
        Some(Task::Send(crate::Operation::List, path)) => Request::list(path),
        Some(Task::Send(operation, path)) => Request::new(operation, path),
        Some(Task::Write(path)) => Request::write(path),
        Some(Task::Renew(name)) => Request::renew(&leases[name], Duration::ZERO),
        Some(Task::Revoke(name)) => Request::revoke(&leases[name]),
        Some(Task::Tick) | None => Request::tick(),
    };
    let request = match (&step.data, &step.json) {
        (Some(Data(data)), _) => request.data(data),
        (None, Some(json)) => request.json(json.get_ref()),
        (None, None) => request,
    };
    let request = step
        .headers
        .iter()
        .fold(request, |request, (name, value)| request.header(name, value));
    Ok(Some(mount.send(request.entity(&step.entity))))
}

fn answered(expect: &Expect, answer: &Answer) -> Vec<String> {
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
            .and_then(|expected| difference("data", &expected.0, data, true)),
    );
    failures.extend(
        expect
            .has
            .as_ref()
            .and_then(|expected| difference("data", &expected.0, data, false)),
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

fn kept(expect: &Expect, mount: &Mount) -> Vec<String> {
    let entries = mount.entries();
    let entries: BTreeMap<&str, &[u8]> = entries.iter().map(|entry| (&*entry.key, &*entry.value)).collect();
    let named = expect.storage.iter().chain(expect.storage_is.iter().flatten());
    let differing = named.filter_map(|(key, Data(value))| stored(key, value, entries.get(&**key).copied()));
    let matches =
        |key: &str, unwanted: &str| key == unwanted || unwanted.ends_with('/') && key.starts_with(unwanted);
    let unwanted = entries.keys().filter(|key| {
        let is_unknown = expect
            .storage_is
            .as_ref()
            .is_some_and(|all| !all.contains_key(**key));
        is_unknown || expect.storage_lacks.iter().any(|unwanted| matches(key, unwanted))
    });
    differing
        .chain(unwanted.map(|key| format!("storage {key:?}: is there and was not expected")))
        .collect()
}

fn told(expect: &Expect, mount: &Mount, (lines, events): (usize, usize)) -> Vec<String> {
    let logged = mount.recorder().lines().split_off(lines);
    let sent = mount.recorder().events().split_off(events);
    let missing_line = |part: &&String| !logged.iter().any(|line| line.message.contains(part.as_str()));
    let missing_event = |name: &&String| !sent.iter().any(|event| event.event_type == **name);
    let logs = expect
        .logs
        .iter()
        .filter(missing_line)
        .map(|part| format!("logs: no line has {part:?}"));
    let events = expect
        .events
        .iter()
        .filter(missing_event)
        .map(|name| format!("events: none is {name:?}"));
    logs.chain(events).collect()
}

fn over(budget: &Budget, usage: &Usage) -> Vec<String> {
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

//! Runs a scenario.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use airlock_storage::{MemoryStorage, StorageEntry};

use super::compare::to_store;
use super::expect::{answered, idle, kept, leased, over, told, unmet};
use super::format::{Budget, Data, File, Mount as Settings, Step, Task};
use super::report::{Report, StepReport, event_text, line_text};
use super::saved::Saved;
use super::{Scenario, line};
use crate::{Answer, Error, FakeSystem, Guest, Lease, Mount, Request, Result};

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
    let mut mounts = match mounts(content, guest) {
        Ok(mounts) => mounts,
        Err(error @ (Error::SetUp(_) | Error::Initialize(_))) => {
            let failures = vec![vault_plugin::Report::new(&error).to_string()];
            report.steps.push(StepReport {
                name: "mount".into(),
                line: 1,
                failures,
                ..StepReport::default()
            });
            return Ok(report);
        }
        Err(error) => return Err(error),
    };
    let mut kept = Kept::default();
    for step in &content.steps {
        let began = Instant::now();
        if let Some(time) = step.wait {
            mounts.values().for_each(|mount| mount.clock().advance(time.0));
        }
        // The names were checked when the scenario was read.
        let name = kept.mount_of(step);
        let Some(mount) = mounts.get_mut(name) else {
            break;
        };
        let seeded = seeded(content, name);
        let filled = kept.saved.fill(step);
        let mut taken = take(&filled, &content.budget, mount, &mut kept)?;
        taken
            .failures
            .extend(idle(&filled.expect, &guest.description().storage, &seeded));
        let request = step.request.get_ref();
        let failed = !taken.failures.is_empty();
        report.not_run -= 1;
        report.steps.push(StepReport {
            name: step.name.as_ref().unwrap_or(request).clone(),
            line: line(text, step.request.span().start),
            time: began.elapsed(),
            ..taken
        });
        if failed {
            break;
        }
    }
    Ok(report)
}

/// The leases and values that steps keep for later ones.
#[derive(Default)]
struct Kept {
    leases: HashMap<String, Lease>,
    /// The mounts of the leases that are not those of the first mount.
    mounts: HashMap<String, String>,
    saved: Saved,
}

impl Kept {
    /// Returns the name of the mount that a step is about. The first mount has an empty name.
    fn mount_of<'s>(&'s self, step: &'s Step) -> &'s str {
        let of_lease = || match step.action() {
            Some(Task::Renew(lease) | Task::Revoke(lease)) => self.mounts.get(lease),
            _ => None,
        };
        step.mount.as_ref().or_else(of_lease).map_or("", String::as_str)
    }
}

/// Mounts the guest under each name.
fn mounts<'f>(file: &'f File, guest: &Guest) -> Result<BTreeMap<&'f str, Mount>> {
    let name = &guest.description().name;
    let first = ("", mount(name, file, &file.mount, &file.storage, guest)?);
    let nothing = BTreeMap::new();
    let others = file
        .mounts
        .iter()
        .map(|(name, settings)| Ok((name.as_str(), mount(name, file, settings, &nothing, guest)?)));
    let others: Vec<_> = others.collect::<Result<_>>()?;
    Ok(others.into_iter().chain([first]).collect())
}

/// Returns the keys that the mount with this name has from the beginning.
fn seeded<'f>(file: &'f File, mount: &str) -> Vec<&'f str> {
    let keys: Vec<&String> = match file.mounts.get(mount) {
        Some(settings) => settings.storage.keys().collect(),
        None => file.storage.keys().chain(file.mount.storage.keys()).collect(),
    };
    keys.into_iter().map(String::as_str).collect()
}

/// Mounts the guest at this path, unless the settings name another.
fn mount(
    path: &str,
    file: &File,
    settings: &Settings,
    storage: &BTreeMap<String, Data>,
    guest: &Guest,
) -> Result<Mount> {
    let storage: MemoryStorage = storage
        .iter()
        .chain(&settings.storage)
        .map(|(key, value)| StorageEntry::new(key, to_store(&value.0)))
        .collect();
    let mut mount = guest
        .mount()
        .memory(Arc::new(storage))
        .seed(file.seed)
        .path(settings.path.as_deref().unwrap_or(path))
        .entity(&settings.entity)
        .display_name(&settings.display_name)
        .system_view(system(file, settings));
    if let Some(moment) = file.start {
        mount = mount.starts_at(moment.0);
    }
    if let Some(time) = file.retry_storage {
        mount = mount.retry_storage(time.0);
    }
    if file.steps.iter().any(|step| step.busy) {
        mount = mount.busy_after(BUSY_AFTER);
    }
    for (name, value) in &settings.options {
        mount = mount.option(name, value);
    }
    mount.start()
}

/// Returns the system view that a scenario describes.
fn system(file: &File, settings: &Settings) -> FakeSystem {
    let mut system = FakeSystem::default();
    if let Some(ttl) = settings.default_lease_ttl {
        system.default_lease_ttl = ttl.0;
    }
    if let Some(ttl) = settings.max_lease_ttl {
        system.max_lease_ttl = ttl.0;
    }
    system.add(&file.entities, &file.password_policies);
    system
}

/// Runs a step, and reports what it did and how that differs from what was expected.
fn take(step: &Step, budget: &Budget, mount: &mut Mount, kept_before: &mut Kept) -> Result<StepReport> {
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
    let (lines, events) = (mount.recorder().lines().len(), mount.recorder().events().len());
    let occupied = step.busy.then(|| mount.occupy()).transpose();
    let answer = answer(step, mount, &kept_before.leases);
    let applied = faults.applied();
    faults.heal();
    let mut taken = StepReport::default();
    if let Err(error) = occupied {
        taken
            .failures
            .push(format!("storage cannot be made busy: {error}"));
        return Ok(taken);
    }
    let failures = &mut taken.failures;
    match answer {
        Err(error @ (Error::SetUp(_) | Error::Initialize(_))) => {
            failures.push(vault_plugin::Report::new(&error).to_string());
        }
        Err(error) => return Err(error),
        Ok(None) => {}
        Ok(Some(answer)) => {
            taken.status = Some(answer.status());
            failures.extend(answered(&step.expect, &answer));
            let expected = step.expect.lease.iter();
            failures.extend(expected.flat_map(|expected| leased(expected, answer.lease())));
            failures.extend(
                [budget, &step.budget]
                    .into_iter()
                    .flat_map(|budget| over(budget, answer.usage())),
            );
            failures.extend(kept_before.saved.save(step, &answer));
            match (&step.lease, answer.lease()) {
                (Some(name), Some(lease)) => {
                    kept_before.leases.insert(name.clone(), lease.clone());
                    if let Some(mount) = &step.mount {
                        kept_before.mounts.insert(name.clone(), mount.clone());
                    }
                }
                (Some(name), None) => {
                    failures.push(format!("lease: the answer has none to keep as {name:?}"))
                }
                (None, _) => {}
            }
        }
    }
    let logged = mount.recorder().lines().split_off(lines);
    let sent = mount.recorder().events().split_off(events);
    failures.extend(unmet(step, &applied));
    failures.extend(kept(&step.expect, mount));
    failures.extend(told(&step.expect, &logged, &sent));
    let sent = sent.iter().map(event_text);
    taken.log = logged.iter().map(line_text).chain(sent).collect();
    Ok(taken)
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
        Some(Task::Renew(name)) => {
            let increment = step.increment.map_or(Duration::ZERO, |time| time.0);
            Request::renew(&leases[name], increment)
        }
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

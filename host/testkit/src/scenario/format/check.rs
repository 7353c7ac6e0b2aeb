//! Reads a scenario, and checks what its types do not say.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value;

use super::super::saved;
use super::{File, On, Step};

/// The place of a mistake, in bytes from the start, and its description.
pub(in crate::scenario) type Mistake = (usize, String);

/// The action of a step.
pub(in crate::scenario) enum Task<'a> {
    Send(crate::Operation, &'a str),
    /// Writes; the existence check decides between create and update.
    Write(&'a str),
    Renew(&'a str),
    Revoke(&'a str),
    Tick,
    Restart,
}

impl Step {
    pub(in crate::scenario) fn action(&self) -> Option<Task<'_>> {
        use crate::Operation::*;
        let request = self.request.get_ref();
        let (verb, path) = request.split_once(' ').unwrap_or((request, ""));
        Some(match verb {
            "read" => Task::Send(Read, path),
            "write" => Task::Write(path),
            "create" => Task::Send(Create, path),
            "update" => Task::Send(Update, path),
            "patch" => Task::Send(Patch, path),
            "delete" => Task::Send(Delete, path),
            "list" => Task::Send(List, path),
            "help" => Task::Send(Help, path),
            "renew" => Task::Renew(path),
            "revoke" => Task::Revoke(path),
            "tick" if path.is_empty() => Task::Tick,
            "restart" if path.is_empty() => Task::Restart,
            _ => return None,
        })
    }
}

const REQUESTS: &str = "read, write, create, update, patch, delete, list or help with a path, renew or revoke with a \
                        lease's name, tick, or restart";

pub(in crate::scenario) fn parse(text: &str) -> Result<File, Mistake> {
    let file: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span: Range<usize>| span.start);
        (
            at,
            error.message().split_whitespace().collect::<Vec<_>>().join(" "),
        )
    })?;
    if file.steps.is_empty() {
        return Err((0, "has no step; begin one with [[step]]".into()));
    }
    let (mut leases, mut names) = (Vec::new(), BTreeSet::new());
    for step in &file.steps {
        check(step, &file, &leases)?;
        check_names(step, &names)?;
        leases.extend(step.lease.as_deref());
        names.extend(step.save.keys().map(String::as_str));
    }
    Ok(file)
}

fn check(step: &Step, file: &File, leases: &[&str]) -> Result<(), Mistake> {
    let at = step.request.span().start;
    let wrong = |what: String| Err((at, what));
    match step.action() {
        None => {
            return wrong(format!(
                "{:?} is not a valid request; write {REQUESTS}",
                step.request.get_ref()
            ));
        }
        Some(Task::Renew(name) | Task::Revoke(name)) if !leases.contains(&name) => {
            return wrong(format!(
                "no step before this one keeps a lease {name:?}; give one `lease = {name:?}`"
            ));
        }
        Some(_) => {}
    }
    if let Some(json) = &step.json {
        let at = json.span().start;
        if step.data.is_some() {
            return Err((
                at,
                "`json` and `data` are the same thing; keep one of them".into(),
            ));
        }
        // Saved values may stand in it, so only a text without them is checked before the scenario runs.
        let is_fixed = saved::names(json.get_ref()).is_empty();
        if is_fixed && let Err(error) = serde_json::from_str::<serde_json::Map<String, Value>>(json.get_ref())
        {
            return Err((at, format!("`json` is not a JSON object: {error}")));
        }
    }
    if let Some(name) = &step.mount
        && !file.mounts.contains_key(name)
    {
        return wrong(format!(
            "there is no mount {name:?}; add `[mounts.{name}]` above the steps"
        ));
    }
    if step.increment.is_some() && !matches!(step.action(), Some(Task::Renew(_))) {
        return wrong("`increment` belongs to a `renew NAME`".into());
    }
    if step.data.as_ref().is_some_and(|data| !data.0.is_object()) {
        return wrong("`data` must be a table, such as { value = \"hello\" }".into());
    }
    for rule in &step.faults {
        let (at, rule) = (rule.span().start, rule.get_ref());
        if rule.fault().is_none() {
            return Err((
                at,
                "a fault says either `do = \"fail\"` or `slow = \"1s\"`".into(),
            ));
        }
        if rule.nth == Some(0) {
            return Err((at, "`nth` counts from 1".into()));
        }
        if rule.slow.is_some() && rule.on != On::Get && rule.on != On::List && file.retry_storage.is_none() {
            let what = "a slow write is given up at once; put `retry-storage = \"10s\"` above the steps";
            return Err((at, what.into()));
        }
    }
    Ok(())
}

/// Checks the names of saved values: those that the step saves, and those that it uses as `${name}`.
fn check_names(step: &Step, saved: &BTreeSet<&str>) -> Result<(), Mistake> {
    let at = step.request.span().start;
    for (name, source) in &step.save {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if name.is_empty() || !name.chars().all(is_name) {
            let what = format!("`save.{name}`: a name has letters, digits, `-` and `_`");
            return Err((at, what));
        }
        if !saved::is_source(source) {
            let what =
                format!("`save.{name}`: write `data.FIELD`, `lease.id`, `lease.data.FIELD` or `error`");
            return Err((at, what));
        }
    }
    match saved::unknown(step, saved) {
        Some(name) => Err((at, format!("no step before this one saves `{name}`"))),
        None => Ok(()),
    }
}

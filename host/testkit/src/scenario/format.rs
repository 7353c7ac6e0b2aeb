//! The format of a scenario's file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use airlock_faults::{Call, Fault};
use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use crate::parse_duration;

/// The place of a mistake, in bytes from the start, and its description.
pub(super) type Mistake = (usize, String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    #[serde(default)]
    pub about: String,
    #[serde(default)]
    pub seed: u64,
    #[serde(default)]
    pub mount: Mount,
    #[serde(default)]
    pub storage: BTreeMap<String, Data>,
    #[serde(default)]
    pub budget: Budget,
    pub retry_storage: Option<Time>,
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Mount {
    pub path: Option<String>,
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    #[serde(default)]
    pub entity: String,
    #[serde(default)]
    pub display_name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Step {
    pub name: Option<String>,
    pub request: Spanned<String>,
    pub data: Option<Data>,
    pub json: Option<Spanned<String>>,
    #[serde(default)]
    pub entity: String,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    pub wait: Option<Time>,
    #[serde(default)]
    pub faults: Vec<Spanned<FaultRule>>,
    #[serde(default)]
    pub read_only: bool,
    #[serde(default)]
    pub busy: bool,
    pub lease: Option<String>,
    #[serde(default)]
    pub budget: Budget,
    #[serde(default)]
    pub expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FaultRule {
    pub on: On,
    pub nth: Option<u64>,
    #[serde(rename = "do")]
    pub action: Option<Action>,
    pub slow: Option<Time>,
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum On {
    Any,
    Get,
    Put,
    Delete,
    List,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Action {
    Fail,
    LoseAnswer,
    ReadOnly,
    Kill,
}

impl FaultRule {
    pub fn call(&self) -> Call {
        match self.on {
            On::Any => Call::Any,
            On::Get => Call::Get,
            On::Put => Call::Put,
            On::Delete => Call::Delete,
            On::List => Call::List,
        }
    }

    /// Returns the fault, or `None` if the rule has neither or both of `do` and `slow`.
    pub fn fault(&self) -> Option<Fault> {
        match (self.action, &self.slow) {
            (Some(Action::Fail), None) => Some(Fault::Fail),
            (Some(Action::LoseAnswer), None) => Some(Fault::LoseAnswer),
            (Some(Action::ReadOnly), None) => Some(Fault::ReadOnly),
            (Some(Action::Kill), None) => Some(Fault::Kill),
            (None, Some(Time(time))) => Some(Fault::Delay(*time)),
            _ => None,
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Budget {
    pub cpu_ms: Option<u64>,
    pub wall_ms: Option<u64>,
    pub memory_mib: Option<u64>,
    pub storage_ops: Option<u64>,
    pub storage_calls: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Expect {
    pub status: Option<u16>,
    pub data: Option<Data>,
    pub has: Option<Data>,
    #[serde(default)]
    pub lacks: Vec<String>,
    pub keys: Option<Vec<String>>,
    pub error: Option<String>,
    pub error_has: Option<String>,
    pub warnings: Option<Vec<String>>,
    #[serde(default)]
    pub storage: BTreeMap<String, Data>,
    #[serde(default)]
    pub storage_lacks: Vec<String>,
    pub storage_is: Option<BTreeMap<String, Data>>,
    #[serde(default)]
    pub logs: Vec<String>,
    #[serde(default)]
    pub events: Vec<String>,
}

/// A duration.
#[derive(Deserialize, Clone, Copy)]
#[serde(try_from = "String")]
pub(super) struct Time(pub Duration);

impl TryFrom<String> for Time {
    type Error = crate::InvalidDuration;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        parse_duration(&text).map(Self)
    }
}

/// A TOML value, converted to the equivalent JSON.
#[derive(Deserialize)]
#[serde(try_from = "toml::Value")]
pub(super) struct Data(pub Value);

impl TryFrom<toml::Value> for Data {
    type Error = &'static str;

    fn try_from(value: toml::Value) -> Result<Self, Self::Error> {
        to_json(value)
            .map(Self)
            .ok_or("JSON has neither `nan` nor `inf`; write a finite number")
    }
}

fn to_json(value: toml::Value) -> Option<Value> {
    Some(match value {
        toml::Value::String(text) => Value::from(text),
        toml::Value::Integer(number) => Value::from(number),
        toml::Value::Float(number) => Value::Number(serde_json::Number::from_f64(number)?),
        toml::Value::Boolean(truth) => Value::from(truth),
        toml::Value::Datetime(moment) => Value::from(moment.to_string()),
        toml::Value::Array(values) => Value::Array(values.into_iter().map(to_json).collect::<Option<_>>()?),
        toml::Value::Table(fields) => {
            let fields = fields
                .into_iter()
                .map(|(name, value)| Some((name, to_json(value)?)));
            Value::Object(fields.collect::<Option<_>>()?)
        }
    })
}

/// The action of a step.
pub(super) enum Task<'a> {
    Send(crate::Operation, &'a str),
    /// Writes; the existence check decides between create and update.
    Write(&'a str),
    Renew(&'a str),
    Revoke(&'a str),
    Tick,
    Restart,
}

impl Step {
    pub fn action(&self) -> Option<Task<'_>> {
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

pub(super) fn parse(text: &str) -> Result<File, Mistake> {
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
    let mut leases = Vec::new();
    for step in &file.steps {
        check(step, &file, &leases)?;
        leases.extend(step.lease.as_deref());
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
        if let Err(error) = serde_json::from_str::<serde_json::Map<String, Value>>(json.get_ref()) {
            return Err((at, format!("`json` is not a JSON object: {error}")));
        }
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

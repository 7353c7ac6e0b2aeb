//! The format of a scenario's file.

use std::collections::BTreeMap;
use std::time::Duration;

use airlock_faults::{Call, Fault};
use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use crate::parse_duration;
use crate::vault_data::{EntityData, PolicyData};

mod check;
mod moment;

pub(super) use check::{Task, parse};
use moment::Moment;

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    #[serde(default)]
    pub about: String,
    #[serde(default)]
    pub seed: u64,
    pub start: Option<Moment>,
    #[serde(default)]
    pub mount: Mount,
    /// Further mounts of the guest, by the name that steps use.
    #[serde(default)]
    pub mounts: BTreeMap<String, Mount>,
    #[serde(default)]
    pub entities: Vec<EntityData>,
    #[serde(default)]
    pub password_policies: BTreeMap<String, PolicyData>,
    #[serde(default)]
    pub storage: BTreeMap<String, Data>,
    #[serde(default)]
    pub budget: Budget,
    pub retry_storage: Option<Time>,
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

#[derive(Deserialize, Clone, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Mount {
    pub path: Option<String>,
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    #[serde(default)]
    pub entity: String,
    #[serde(default)]
    pub display_name: String,
    pub default_lease_ttl: Option<Time>,
    pub max_lease_ttl: Option<Time>,
    #[serde(default)]
    pub storage: BTreeMap<String, Data>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Step {
    pub name: Option<String>,
    pub request: Spanned<String>,
    pub mount: Option<String>,
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
    pub increment: Option<Time>,
    #[serde(default)]
    pub save: BTreeMap<String, String>,
    #[serde(default)]
    pub budget: Budget,
    #[serde(default)]
    pub expect: Expect,
}

#[derive(Deserialize, Clone)]
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

impl On {
    /// Returns its name in a scenario.
    pub fn name(self) -> &'static str {
        match self {
            On::Any => "any",
            On::Get => "get",
            On::Put => "put",
            On::Delete => "delete",
            On::List => "list",
        }
    }
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

#[derive(Deserialize, Clone, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Budget {
    pub cpu_ms: Option<u64>,
    pub wall_ms: Option<u64>,
    pub memory_mib: Option<u64>,
    pub storage_ops: Option<u64>,
    pub storage_calls: Option<u64>,
}

#[derive(Deserialize, Clone, Default)]
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
    pub lease: Option<LeaseExpected>,
    /// An empty list expects that nothing was logged.
    pub logs: Option<Vec<LogExpected>>,
    /// An empty list expects that nothing was sent.
    pub events: Option<Vec<EventExpected>>,
}

#[derive(Deserialize, Clone, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct LeaseExpected {
    pub ttl: Option<Time>,
    pub max_ttl: Option<Time>,
    pub renewable: Option<bool>,
    pub data: Option<Data>,
}

#[derive(Deserialize, Clone)]
#[serde(
    untagged,
    expecting = "a line of the log is a text that it contains, or a table of `level`, `message`, `has` and `fields`"
)]
pub(super) enum LogExpected {
    Has(String),
    Line(LogLine),
}

#[derive(Deserialize, Clone, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct LogLine {
    pub level: Option<String>,
    pub message: Option<String>,
    pub has: Option<String>,
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
}

#[derive(Deserialize, Clone)]
#[serde(
    untagged,
    expecting = "an event is its type, or a table of `type` and `metadata`"
)]
pub(super) enum EventExpected {
    Type(String),
    Event(Event),
}

#[derive(Deserialize, Clone, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub event_type: Option<String>,
    pub metadata: Option<Data>,
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
#[derive(Deserialize, Clone)]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault_data::{AliasData, GroupData};

    /// Returns the keys that the parser knows for a table, which the error for an unknown one names.
    fn keys<T: serde::de::DeserializeOwned>() -> Vec<String> {
        let error = toml::from_str::<T>("no-such-key = 1").err().unwrap().to_string();
        let (_, known) = error.split_once("expected").unwrap();
        let mut keys: Vec<String> = known.split('`').skip(1).step_by(2).map(Into::into).collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn the_reference_has_the_keys_of_the_parser() {
        let parsed = [
            ("scenario", keys::<File>()),
            ("mount", keys::<Mount>()),
            ("entity", keys::<EntityData>()),
            ("alias", keys::<AliasData>()),
            ("group", keys::<GroupData>()),
            ("policy", keys::<PolicyData>()),
            ("step", keys::<Step>()),
            ("fault", keys::<FaultRule>()),
            ("budget", keys::<Budget>()),
            ("expect", keys::<Expect>()),
            ("lease", keys::<LeaseExpected>()),
            ("log", keys::<LogLine>()),
            ("event", keys::<Event>()),
        ];
        let described = super::super::reference::SECTIONS.iter().map(|section| {
            let mut keys: Vec<String> = section.keys.iter().map(|key| key.name.into()).collect();
            keys.sort_unstable();
            (section.name, keys)
        });
        assert_eq!(described.collect::<Vec<_>>(), parsed);
    }
}

//! Replaces what is secret in a request, and in what its run heard, by [tokens](super::tokens).
//!
//! Keeps operations; the shape of JSON, with `true`, `false` and `null`; numbers of one digit; the words of the
//! [vocabulary](super::vocabulary); lengths of time in Vault's own fields, such as the TTL of a lease; the server's version; and
//! the differences between times. Everything else becomes a token.

use std::collections::BTreeMap;
use std::time::SystemTime;

use airlock_logical::{Alias, Entity, Group, Json, Secret, Timestamp};
use airlock_sandbox::{Heard, SystemAnswer, SystemError, types};
use airlock_storage::{Lookup, StorageEntry};
use serde_json::{Map, Number, Value};

use super::kinds;
use super::tokens::Tokens;
use super::vocabulary::Vocabulary;

/// The address that stands for a caller's, from the block for documentation.
const ADDRESS: &str = "192.0.2.1";

/// Replaces by one recording's tokens.
pub(crate) struct Redaction {
    pub tokens: Tokens,
    pub vocabulary: Vocabulary,
}

impl Redaction {
    /// Replaces a text. A path is replaced segment by segment. A text with white space does not count as a path.
    pub fn text(&self, text: &str) -> String {
        if text.is_empty() || text == kinds::NEVER || self.vocabulary.is_declared(text) {
            return text.to_owned();
        }
        if let Some(token) = kinds::token(text, &self.tokens) {
            return token;
        }
        match text.contains('/') && !text.contains(char::is_whitespace) {
            true => self.path(text),
            false => self.tokens.plain(text),
        }
    }

    fn path(&self, path: &str) -> String {
        let segments: Vec<_> = path.split('/').map(|segment| self.text(segment)).collect();
        segments.join("/")
    }

    /// Replaces the name of a field.
    fn name(&self, name: &str) -> String {
        if self.vocabulary.is_declared(name) {
            return name.to_owned();
        }
        match kinds::token(name, &self.tokens) {
            // A number or a UUID is a name that somebody chose, and has to be the same as elsewhere.
            Some(token) => token,
            None if self.vocabulary.is_name(name) => name.to_owned(),
            None => self.text(name),
        }
    }

    /// Replaces the digits of a number before its exponent.
    fn number(&self, number: &Number) -> Number {
        let text = number.to_string();
        if self.vocabulary.is_declared(&text) {
            return number.clone();
        }
        // All its digits are one run, those after the point and of an exponent too.
        let is_digit = |character: &char| character.is_ascii_digit();
        let digits: String = text.chars().filter(is_digit).collect();
        let digits = self.tokens.digits(&digits);
        let mut digits = digits.chars();
        let replaced = |character| match is_digit(&character) {
            true => digits.next().unwrap_or(character),
            false => character,
        };
        let token: String = text.chars().map(replaced).collect();
        // The token of a number is one.
        serde_json::from_str(&token).unwrap_or_else(|_| Number::from(0))
    }

    /// Replaces what is in a JSON value. Its depth is bounded by the reader of JSON.
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::Null | Value::Bool(_) => value.clone(),
            Value::Number(number) => Value::Number(self.number(number)),
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(values) => values.iter().map(|value| self.value(value)).collect(),
            Value::Object(fields) => {
                let fields = fields.iter();
                let fields = fields.map(|(name, value)| (self.name(name), self.value(value)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    fn json(&self, json: &Json) -> Option<Json> {
        let value: Value = json.decode().ok()?;
        Json::encode(&self.value(&value)).ok()
    }

    /// Replaces a stored value: JSON keeps its shape, a text becomes a token, and other bytes become others.
    fn stored(&self, value: &[u8]) -> Vec<u8> {
        let Ok(text) = str::from_utf8(value) else {
            return self.tokens.bytes(value);
        };
        match serde_json::from_str::<Value>(text) {
            Ok(json @ (Value::Object(_) | Value::Array(_) | Value::Bool(_) | Value::Null)) => {
                self.value(&json).to_string().into_bytes()
            }
            Ok(Value::String(inner)) => Value::String(self.text(&inner)).to_string().into_bytes(),
            Ok(Value::Number(number)) => self.number(&number).to_string().into_bytes(),
            _ => self.text(text).into_bytes(),
        }
    }

    /// Replaces what is secret in a request. Returns `None` if its data is nested too deeply to be read.
    pub fn request(&self, request: &types::Request) -> Option<types::Request> {
        let json = |json: &Option<Json>| match json {
            Some(json) => self.json(json).map(Some),
            None => Some(None),
        };
        let headers = request.headers.iter().map(|header| types::Header {
            name: self.name(&header.name),
            values: header.values.iter().map(|value| self.text(value)).collect(),
        });
        let secret = match &request.secret {
            None => None,
            Some(secret) => {
                let mut lease = secret.lease.clone();
                lease.issue_time = lease.issue_time.map(|time| self.tokens.time(time));
                Some(Secret {
                    lease,
                    internal_data: json(&secret.internal_data)?,
                    lease_id: self.path(&secret.lease_id),
                })
            }
        };
        Some(types::Request {
            id: self.text(&request.id),
            operation: request.operation.clone(),
            path: self.path(&request.path),
            data: json(&request.data)?,
            mount_point: self.path(&request.mount_point),
            mount_type: self.text(&request.mount_type),
            mount_accessor: self.text(&request.mount_accessor),
            entity_id: self.text(&request.entity_id),
            display_name: self.text(&request.display_name),
            client_token: self.text(&request.client_token),
            client_token_accessor: self.text(&request.client_token_accessor),
            headers: headers.collect(),
            connection: request.connection.as_ref().map(|_| types::Connection {
                remote_addr: ADDRESS.to_owned(),
                remote_port: 0,
            }),
            secret,
            wrap: request.wrap.as_ref().map(|wrap| airlock_logical::WrapRequest {
                format: self.text(&wrap.format),
                ..wrap.clone()
            }),
            unauthenticated: request.unauthenticated,
            policy_override: request.policy_override,
            replication_cluster: self.text(&request.replication_cluster),
            recover_source_path: self.path(&request.recover_source_path),
        })
    }

    /// Replaces what is secret in what a run heard. The keys of storage and the arguments of calls are left out: the run that is
    /// told this asks with others, in the same order.
    pub fn heard(&self, heard: &Heard) -> Heard {
        let lookup = |lookup: &Lookup| match lookup {
            Lookup::Get { entry, .. } => Lookup::Get {
                key: String::new(),
                entry: entry.as_ref().map(|entry| StorageEntry {
                    key: String::new(),
                    value: self.stored(&entry.value).into(),
                    seal_wrap: entry.seal_wrap,
                }),
            },
            Lookup::List { names, .. } => {
                let mut names: Vec<_> = names.iter().map(|name| self.path(name)).collect();
                // Storage lists names in order.
                names.sort_unstable();
                Lookup::List {
                    folder: String::new(),
                    page: None,
                    names,
                }
            }
        };
        let system = heard.system.iter().map(|(asked, answer)| {
            let method = asked.split(' ').next().unwrap_or_default();
            (method.to_owned(), self.answer(method, answer))
        });
        Heard {
            lookups: heard.lookups.iter().map(lookup).collect(),
            times: heard.times.iter().map(|time| self.time(*time)).collect(),
            random: heard
                .random
                .iter()
                .map(|bytes| self.tokens.random(bytes))
                .collect(),
            system: system.collect(),
        }
    }

    fn time(&self, time: SystemTime) -> SystemTime {
        self.tokens
            .time(Timestamp::from(time))
            .system_time()
            .unwrap_or(time)
    }

    fn answer(&self, method: &str, answer: &SystemAnswer) -> SystemAnswer {
        use SystemAnswer::{Entity, Flag, Groups, State, Text, Time, Token};
        match answer {
            Time(answer) => Time(told(answer, Clone::clone)),
            Flag(answer) => Flag(told(answer, Clone::clone)),
            State(answer) => State(told(answer, Clone::clone)),
            Text(answer) if method == "vault_version" => Text(told(answer, Clone::clone)),
            Text(answer) => Text(told(answer, |text| self.text(text))),
            Token(answer) => Token(told(answer, |(token, ttl)| (self.text(token), *ttl))),
            Entity(answer) => Entity(told(answer, |entity| {
                entity.as_ref().map(|entity| self.entity(entity))
            })),
            Groups(answer) => Groups(told(answer, |groups| {
                groups.iter().map(|group| self.group(group)).collect()
            })),
        }
    }

    fn entity(&self, entity: &Entity) -> Entity {
        let alias = |alias: &Alias| Alias {
            id: self.text(&alias.id),
            name: self.text(&alias.name),
            mount_type: self.text(&alias.mount_type),
            mount_accessor: self.text(&alias.mount_accessor),
            metadata: self.pairs(&alias.metadata),
            ..Alias::default()
        };
        Entity {
            id: self.text(&entity.id),
            name: self.text(&entity.name),
            aliases: entity.aliases.iter().map(alias).collect(),
            metadata: self.pairs(&entity.metadata),
            disabled: entity.disabled,
            ..Entity::default()
        }
    }

    fn group(&self, group: &Group) -> Group {
        Group {
            id: self.text(&group.id),
            name: self.text(&group.name),
            metadata: self.pairs(&group.metadata),
            ..Group::default()
        }
    }

    fn pairs(&self, pairs: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (self.name(name), self.text(value)))
            .collect()
    }

    /// Replaces what is secret in a mount's options.
    pub fn options(&self, options: &[(String, String)]) -> Vec<(String, String)> {
        let options = options.iter();
        options
            .map(|(name, value)| (self.name(name), self.text(value)))
            .collect()
    }
}

/// Replaces an answer of the system, and the server's words about an error.
fn told<T>(answer: &Result<T, SystemError>, replace: impl FnOnce(&T) -> T) -> Result<T, SystemError> {
    match answer {
        Ok(answer) => Ok(replace(answer)),
        Err(SystemError::Unsupported) => Err(SystemError::Unsupported),
        Err(SystemError::Busy(_)) => Err(SystemError::Busy("busy".to_owned())),
        Err(SystemError::Failed(_)) => Err(SystemError::Failed("failed".to_owned())),
    }
}

#[cfg(test)]
mod tests;

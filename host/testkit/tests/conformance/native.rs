//! The steps in `airlock_sdk::testing`.

use std::rc::Rc;
use std::time::Duration;

use airlock_conformance::{Conformance, Fixed};
use airlock_sdk::system::{Alias, Entity, Group};
use airlock_sdk::testing::{Fault as Failure, GivenLease, Mount, Reply, request};
use airlock_sdk::{Operation, Timestamp};
use serde_json::{Value, json};

use crate::{DICE, Fault, STARTS_AT, Side, Start, Step, Told, line, special_paths};

pub struct Native {
    mount: Mount<Conformance>,
    lease: Option<GivenLease>,
    /// The number of lines and events that were shown.
    seen: (usize, usize),
}

impl Native {
    pub fn new(start: Start) -> Self {
        let (default, max) = (Duration::from_secs(600), Duration::from_secs(7200));
        let mount = match start {
            Start::New => Mount::new(),
            Start::Option => Mount::with_options(&[("color", "red")]),
            Start::Set => Mount::builder()
                .option("policy", "digits")
                .entity(ann(), vec![admins()])
                .entity(bob(), vec![])
                .password_policy("digits", 12, "0123456789")
                .lease_times(default, max)
                .starts_at(Timestamp::from_seconds(STARTS_AT))
                .start(),
            Start::SetLater => {
                let mount = Mount::new();
                mount.set_entity(ann(), vec![admins()]);
                mount.set_entity(bob(), vec![]);
                mount.set_password_policy("digits", 12, "0123456789");
                mount.set_lease_times(default, max);
                mount
            }
            Start::FixedDice => {
                let dice = Rc::new(Fixed(DICE));
                Mount::builder().replace(&airlock_conformance::DICE, dice).start()
            }
        };
        let lines = match start {
            Start::SetLater => mount.logs().len(),
            _ => 0,
        };
        Self {
            mount,
            lease: None,
            seen: (lines, 0),
        }
    }

    fn reply(&mut self, step: &Step) -> Option<Reply> {
        let mount = &self.mount;
        let send = |operation, path, data: &Value| mount.send(request(operation, path, Some(data.clone())));
        Some(match step {
            Step::Read(path, Value::Null) => mount.read(path),
            Step::Read(path, data) => mount.read_with(path, data.clone()),
            Step::Write(path, data) => mount.write(path, data.clone()),
            Step::Patch(path, data) => mount.patch(path, data.clone()),
            Step::Delete(path) => mount.delete(path),
            Step::List(path) => mount.list(path),
            Step::ListWith(path, query) => mount.list_with(path, query.clone()),
            Step::Help(path) => mount.help(path),
            Step::Update(path, data) => send(Operation::Update, path, data),
            Step::As(entity, data) => {
                let mut request = request(Operation::Update, "act", Some(data.clone()));
                request.entity_id = (*entity).into();
                mount.send(request)
            }
            Step::Renew(seconds) => mount.renew(self.lease.as_ref()?, Duration::from_secs(*seconds)),
            Step::Revoke => mount.revoke(self.lease.as_ref()?),
            Step::Tick => mount.tick(),
            Step::Rollback => send(Operation::Rollback, "", &json!({ "immediate": true })),
            Step::Rotate => mount.send(request(Operation::Rotate, "", None)),
            Step::Conflict(key, step) => {
                mount.invalidate(key);
                mount.conflict(true);
                let reply = self.reply(step);
                self.mount.conflict(false);
                return reply;
            }
            Step::Keep(step) => {
                let reply = self.reply(step)?;
                self.lease = Some(reply.lease().clone());
                reply
            }
            Step::Advance(seconds) => {
                mount.advance(Duration::from_secs(*seconds));
                return None;
            }
            Step::SetTime(seconds) => {
                mount.set_time(Timestamp::from_seconds(*seconds));
                return None;
            }
            Step::Store(key, value) => {
                mount.store_json(key, value);
                mount.invalidate(key);
                return None;
            }
            Step::Restart => {
                mount.initialize().unwrap();
                return None;
            }
            Step::Fault(fault) => {
                mount.fail(failure(*fault));
                return None;
            }
            Step::Exists(..) | Step::SpecialPaths | Step::Stored(_) => return None,
        })
    }

    /// Returns the answer to a step that is not a request.
    fn told(&self, step: &Step) -> Option<Told> {
        let mount = &self.mount;
        Some(match step {
            Step::Exists(path, data) => {
                match mount.exists(request(Operation::Update, path, Some(data.clone()))) {
                    Ok(exists) => Told::data(json!(exists)),
                    Err(error) => Told::error(error.status(), error.to_string()),
                }
            }
            Step::SpecialPaths => {
                let paths = mount.special_paths();
                Told::data(special_paths([
                    paths.root,
                    paths.unauthenticated,
                    paths.local_storage,
                    paths.seal_wrap_storage,
                    paths.write_forwarded_storage,
                    paths.limited,
                    paths.allow_snapshot_read,
                ]))
            }
            Step::Stored(key) => Told::data(mount.stored_json(key).unwrap_or(Value::Null)),
            _ => return None,
        })
    }
}

fn failure(fault: Fault) -> Failure {
    match fault {
        Fault::None => Failure::None,
        Fault::ReadOnly => Failure::ReadOnly,
        Fault::Busy => Failure::Busy,
        Fault::Gets(after) => Failure::Gets(after),
        Fault::Puts(after) => Failure::Puts(after),
        Fault::Deletes(after) => Failure::Deletes(after),
        Fault::Lists(after) => Failure::Lists(after),
        Fault::Commits(after) => Failure::Commits(after),
    }
}

fn ann() -> Entity {
    Entity {
        id: "1".into(),
        name: "ann".into(),
        aliases: vec![Alias {
            id: "2".into(),
            mount_type: "userpass".into(),
            mount_accessor: "userpass_1".into(),
            name: "ann@example.com".into(),
            metadata: [("team".into(), "x".into())].into(),
        }],
        metadata: [("level".into(), "3".into())].into(),
        disabled: true,
    }
}

fn bob() -> Entity {
    Entity {
        id: "5".into(),
        name: "bob".into(),
        ..Entity::default()
    }
}

/// The group of ann.
fn admins() -> Group {
    Group {
        id: "4".into(),
        name: "admins".into(),
        metadata: [("since".into(), "2020".into())].into(),
    }
}

/// Returns the data that the caller gets, or null for no answer, an answer without data, or a list without keys. Whatever else has
/// no data fails the test.
fn data(step: &Step, reply: &Reply) -> Value {
    let Some(given) = reply.response().and_then(|response| response.data.as_ref()) else {
        return Value::Null;
    };
    let is_list = matches!(step, Step::List(_) | Step::ListWith(..));
    let is_own = given.contains("http_status_code");
    match is_list && reply.status() == 404 && !is_own {
        true => Value::Null,
        false => reply.data().clone(),
    }
}

impl Side for Native {
    fn take(&mut self, step: &Step) -> Option<Told> {
        if let Some(told) = self.told(step) {
            return Some(told);
        }
        let reply = self.reply(step)?;
        if reply.result().is_err() {
            let error = reply.error();
            return Some(Told::error(reply.status(), error.to_string()));
        }
        let data = data(step, &reply);
        let error = match reply.status() {
            400 => data["error"].as_str().map(Into::into),
            _ => None,
        };
        let is_ok = reply.status() < 400 && reply.status() != 307;
        let has_lease = reply.response().is_some_and(|answer| answer.lease.is_some());
        let lease = has_lease.then(|| {
            let lease = reply.lease();
            let data: Value = serde_json::from_str(lease.internal_data()).unwrap();
            let id = lease.id().rsplit_once('/').unwrap().0;
            json!([
                id,
                lease.ttl.as_secs(),
                lease.max_ttl.as_secs(),
                lease.renewable,
                data
            ])
        });
        Some(Told {
            status: reply.status(),
            error,
            keys: reply.keys().into_iter().map(Into::into).collect(),
            warnings: match is_ok {
                true => reply.warnings().to_vec(),
                false => Vec::new(),
            },
            data,
            lease,
        })
    }

    fn state(&mut self) -> [(&'static str, Value); 4] {
        let stored = self.mount.stored().into_iter();
        let stored = stored.map(|(key, value)| (key, Value::from(String::from_utf8(value).unwrap())));
        let (lines, sent) = self.seen;
        let (logs, events) = (self.mount.logs(), self.mount.events());
        self.seen = (logs.len(), events.len());
        let logs = logs.into_iter().skip(lines);
        let logs = logs.map(|log| line(&format!("{:?}", log.level), &log.message, &log.fields));
        [
            ("storage", Value::Object(stored.collect())),
            ("time", self.mount.now().seconds.into()),
            ("logs", logs.collect()),
            ("events", json!(events[sent..])),
        ]
    }
}

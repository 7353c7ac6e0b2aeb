//! The steps in `airlock_sdk::testing`.

use std::panic::catch_unwind;
use std::time::Duration;

use airlock_conformance::Conformance;
use airlock_sdk::system::{Alias, Entity, Group};
use airlock_sdk::testing::{Fault as Failure, GivenLease, Mount, Reply, request};
use airlock_sdk::{Operation, Timestamp};
use serde_json::{Value, json};

use crate::{Fault, Side, Step, Told, line};

pub struct Native {
    mount: Mount<Conformance>,
    lease: Option<GivenLease>,
    /// The number of lines and events that were shown.
    seen: (usize, usize),
}

impl Native {
    /// Mounts the engine; `is_set`: with entities, groups, a password policy and times of leases.
    pub fn new(is_set: bool) -> Self {
        let mount = Mount::with_options(&[("color", "red")]);
        if is_set {
            set_system(&mount);
        }
        Self {
            mount,
            lease: None,
            seen: (0, 0),
        }
    }

    fn reply(&mut self, step: &Step) -> Option<Reply> {
        let mount = &self.mount;
        let send = |operation, path, data: &Value| mount.send(request(operation, path, Some(data.clone())));
        Some(match step {
            Step::Read(path, data) => mount.read_with(path, data.clone()),
            Step::Write(path, data) => mount.write(path, data.clone()),
            Step::Patch(path, data) => mount.patch(path, data.clone()),
            Step::Delete(path) => mount.delete(path),
            Step::List(path) => mount.list(path),
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
        Fault::Commits => Failure::Commits(0),
    }
}

fn set_system(mount: &Mount<Conformance>) {
    let ann = Entity {
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
    };
    let group = Group {
        id: "4".into(),
        name: "admins".into(),
        metadata: [("since".into(), "2020".into())].into(),
    };
    mount.set_entity(ann, vec![group]);
    let bob = Entity {
        id: "5".into(),
        name: "bob".into(),
        ..Entity::default()
    };
    mount.set_entity(bob, vec![]);
    mount.set_password_policy("digits", 12, "0123456789");
    mount.set_lease_times(Duration::from_secs(600), Duration::from_secs(7200));
}

impl Side for Native {
    fn take(&mut self, step: &Step) -> Option<Told> {
        let reply = self.reply(step)?;
        // It panics if the caller gets no data.
        let data = catch_unwind(|| reply.data().clone()).unwrap_or(Value::Null);
        let error = match reply.result() {
            Err(error) => Some(error.to_string()),
            Ok(_) if reply.status() == 400 => data["error"].as_str().map(Into::into),
            Ok(_) => None,
        };
        let is_ok = reply.status() < 400 && reply.status() != 307;
        let lease = reply
            .result()
            .ok()
            .flatten()
            .and_then(|answer| answer.lease.as_ref());
        let lease = lease.map(|_| {
            let lease = reply.lease();
            let data: Value = serde_json::from_str(lease.internal_data()).unwrap();
            json!([
                lease.ttl.as_secs(),
                lease.max_ttl.as_secs(),
                lease.renewable,
                data
            ])
        });
        Some(Told {
            status: reply.status(),
            error,
            keys: match reply.result() {
                Ok(_) => reply.keys().into_iter().map(Into::into).collect(),
                Err(_) => Vec::new(),
            },
            warnings: match is_ok {
                true => reply.warnings().to_vec(),
                false => Vec::new(),
            },
            data,
            lease,
        })
    }

    fn state(&mut self) -> [(&'static str, Value); 3] {
        let stored = self.mount.stored().into_iter();
        let stored = stored.map(|(key, value)| (key, Value::from(String::from_utf8(value).unwrap())));
        let (lines, sent) = self.seen;
        let (logs, events) = (self.mount.logs(), self.mount.events());
        self.seen = (logs.len(), events.len());
        let logs = logs.into_iter().skip(lines);
        let logs = logs.map(|log| line(&format!("{:?}", log.level), &log.message, &log.fields));
        [
            ("storage", Value::Object(stored.collect())),
            ("logs", logs.collect()),
            ("events", json!(events[sent..])),
        ]
    }
}

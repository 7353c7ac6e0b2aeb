//! The steps on the guest's `.wasm`, in the sandbox.

use std::any::Any;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use airlock_testkit::{
    Alias, Answer, Call, Entity, FakeSystem, Fault as Failure, Group, Guest, Lease, Mount, Operation, Report,
    Request, StorageEntry, block_on,
};
use serde_json::{Value, json};

use crate::{DICE, Fault, STARTS_AT, Side, Start, Step, Told, line, special_paths};

pub struct Sandbox {
    mount: Mount,
    lease: Option<Lease>,
    /// Holds the commit lock while storage is busy.
    busy: bool,
    /// The number of lines and events that were shown.
    seen: (usize, usize),
}

impl Sandbox {
    /// Mounts the guest; `is_busy`: requests soon find storage busy while the test holds its lock.
    pub fn new(start: Start, is_busy: bool) -> Self {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../target/guests/conformance.wasm"
        );
        let guest = Guest::load(path).unwrap();
        let mount = match is_busy {
            true => guest.mount().busy_after(Duration::from_millis(20)),
            false => guest.mount(),
        };
        let mount = match start {
            Start::New => mount,
            Start::Option => mount.option("color", "red"),
            Start::Set => mount
                .option("policy", "digits")
                .system_view(system())
                .starts_at(moment(STARTS_AT)),
            Start::SetLater => mount.system_view(system()),
            Start::FixedDice => mount.option("dice", &DICE.to_string()),
        };
        let mount = mount.start().unwrap();
        let lines = match start {
            Start::SetLater => mount.recorder().lines().len(),
            _ => 0,
        };
        Self {
            mount,
            lease: None,
            busy: false,
            seen: (lines, 0),
        }
    }

    fn conflict(&mut self, key: &str, step: &Step) -> Option<Answer> {
        let faults = self.mount.faults().clone();
        let gate = faults.hold_answer(Call::Get, 1);
        let entries = self.mount.entries();
        let entry = entries.into_iter().find(|entry| entry.key == key).unwrap();
        let Step::Update(path, data) = step else {
            panic!("only an update can meet a conflict here");
        };
        let mount = &self.mount;
        thread::scope(|scope| {
            let request = Request::new(Operation::Update, path).data(data);
            let answer = scope.spawn(move || mount.send(request));
            block_on(gate.reached()).unwrap();
            mount.store(entry).unwrap();
            gate.open();
            faults.heal();
            answer.join().ok()
        })
    }

    fn answer(&mut self, step: &Step) -> Option<Answer> {
        if let Step::Conflict(key, step) = step {
            return self.conflict(key, step);
        }
        let mount = &mut self.mount;
        Some(match step {
            Step::Read(path, data) => mount.send(Request::read(path).data(&object(data))),
            Step::Write(path, data) => mount.write(path, data.clone()),
            Step::Patch(path, data) => mount.patch(path, data.clone()),
            Step::Delete(path) => mount.delete(path),
            Step::List(path) => mount.list(path),
            Step::ListWith(path, query) => mount.send(Request::list(path).data(query)),
            Step::Help(path) => mount.send(Request::help(path)),
            Step::Update(path, data) => mount.send(Request::new(Operation::Update, path).data(data)),
            Step::As(entity, data) => {
                let request = Request::new(Operation::Update, "act").data(data);
                mount.send(request.entity(entity))
            }
            Step::Renew(seconds) => {
                let increment = Duration::from_secs(*seconds);
                mount.send(Request::renew(self.lease.as_ref()?, increment))
            }
            Step::Revoke => mount.send(Request::revoke(self.lease.as_ref()?)),
            Step::Tick => mount.send(Request::tick()),
            Step::Rollback => mount.send(Request::tick().data(&json!({ "immediate": true }))),
            Step::Rotate => mount.send(Request::new(Operation::Rotate, "")),
            Step::Keep(step) => {
                let answer = self.answer(step)?;
                self.lease = answer.lease().cloned();
                answer
            }
            Step::Conflict(..) => return None,
            Step::Advance(seconds) => {
                mount.clock().advance(Duration::from_secs(*seconds));
                return None;
            }
            Step::SetTime(seconds) => {
                mount.clock().set(moment(*seconds));
                return None;
            }
            Step::Store(key, value) => {
                mount.store(StorageEntry::new(*key, value.to_string())).unwrap();
                return None;
            }
            Step::Restart => {
                mount.restart().unwrap();
                return None;
            }
            Step::Fault(fault) => {
                self.fail(*fault);
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
                match mount.exists(Request::new(Operation::Update, path).data(data)) {
                    Ok(exists) => Told::data(json!(exists)),
                    Err(error) => Told::error(error.status(), Report::new(&error).to_string()),
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
            Step::Stored(key) => {
                let value = mount.stored(key);
                Told::data(value.map_or(Value::Null, |value| serde_json::from_slice(&value).unwrap()))
            }
            _ => return None,
        })
    }

    fn fail(&mut self, fault: Fault) {
        let faults = self.mount.faults();
        faults.heal();
        self.busy = fault == Fault::Busy;
        let after = |call, count: usize| faults.after(call, count as u64, Failure::Fail);
        match fault {
            Fault::None | Fault::Busy => {}
            Fault::ReadOnly => faults.set_read_only(true),
            Fault::Gets(count) => after(Call::Get, count),
            Fault::Puts(count) => after(Call::Put, count),
            Fault::Deletes(count) => after(Call::Delete, count),
            Fault::Lists(count) => after(Call::List, count),
            Fault::Commits(count) => {
                after(Call::Put, count);
                after(Call::Delete, count);
            }
        }
    }
}

fn object(data: &Value) -> Value {
    if data.is_null() { json!({}) } else { data.clone() }
}

fn moment(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs())
}

fn system() -> FakeSystem {
    let ann = Entity {
        id: "1".into(),
        name: "ann".into(),
        aliases: vec![Alias {
            id: "2".into(),
            mount_type: "userpass".into(),
            mount_accessor: "userpass_1".into(),
            name: "ann@example.com".into(),
            metadata: [("team".into(), "x".into())].into(),
            ..Alias::default()
        }],
        metadata: [("level".into(), "3".into())].into(),
        disabled: true,
        ..Entity::default()
    };
    let bob = Entity {
        id: "5".into(),
        name: "bob".into(),
        ..Entity::default()
    };
    let group = Group {
        id: "4".into(),
        name: "admins".into(),
        metadata: [("since".into(), "2020".into())].into(),
        ..Group::default()
    };
    let system = FakeSystem {
        default_lease_ttl: Duration::from_secs(600),
        max_lease_ttl: Duration::from_secs(7200),
        entities: vec![ann, bob],
        groups_of: [("1".into(), vec![group])].into(),
        ..FakeSystem::default()
    };
    system.passwords.lock().set("digits", 12, "0123456789");
    system
}

impl Side for Sandbox {
    fn take(&mut self, step: &Step) -> Option<Told> {
        if let Some(told) = self.told(step) {
            return Some(told);
        }
        let lock: Option<Box<dyn Any>> = match self.busy {
            true => Some(Box::new(self.mount.occupy().unwrap())),
            false => None,
        };
        let answer = self.answer(step);
        drop(lock);
        let answer = answer?;
        Some(Told {
            status: answer.status(),
            error: answer.error().map(Into::into),
            data: answer.data().clone(),
            keys: answer.keys().into_iter().map(Into::into).collect(),
            warnings: answer.warnings().to_vec(),
            lease: answer.lease().map(|lease| {
                let secret = lease.secret();
                let data: Option<Value> = secret.internal_data.as_ref().and_then(|data| data.decode().ok());
                let times = [secret.lease.ttl(), secret.lease.max_ttl()].map(|time| time.as_secs());
                let id = secret.lease_id.rsplit_once('/').unwrap().0;
                json!([id, times[0], times[1], secret.lease.renewable, data])
            }),
        })
    }

    fn state(&mut self) -> [(&'static str, Value); 4] {
        let stored = self.mount.entries().into_iter();
        let stored = stored.map(|entry| (entry.key, Value::from(String::from_utf8_lossy(&entry.value))));
        let time = self.mount.clock().now().duration_since(UNIX_EPOCH).unwrap();
        let (lines, sent) = self.seen;
        let (logs, events) = (self.mount.recorder().lines(), self.mount.recorder().events());
        self.seen = (logs.len(), events.len());
        let logs = logs.into_iter().skip(lines);
        let logs = logs.map(|log| line(&format!("{:?}", log.level), &log.message, &log.fields));
        let events = events.into_iter().skip(sent).map(|event| {
            let metadata: Value = serde_json::from_str(&event.metadata).unwrap();
            json!([event.event_type, metadata])
        });
        [
            ("storage", Value::Object(stored.collect())),
            ("time", time.as_secs().into()),
            ("logs", logs.collect()),
            ("events", events.collect()),
        ]
    }
}

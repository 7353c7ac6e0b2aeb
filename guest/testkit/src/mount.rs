//! A mounted guest.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::answer::texts;
use crate::process::Process;
use crate::{Answer, Entity, Lease, Request};

/// The version of the orders to `airlock testkit`.
const PROTOCOL: u32 = 1;

/// A kind of storage call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Reading an entry.
    Get,
    /// Storing an entry.
    Put,
    /// Removing a key.
    Delete,
    /// Listing a folder.
    List,
    /// Any of them.
    Any,
}

/// The fault of a storage call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It fails and has no effect.
    Fail,
    /// It has its effect and fails.
    LoseAnswer,
    /// It fails as on a standby.
    ReadOnly,
    /// It fails, and so do all calls after it, as if the server had died.
    Kill,
}

/// The settings of a mount. [`start`](Self::start) mounts the guest.
#[derive(Clone, Debug)]
#[must_use = "a mount begins with `start`"]
pub struct MountBuilder {
    airlock: String,
    guest: String,
    settings: Map<String, Value>,
}

impl MountBuilder {
    /// Sets the `airlock` command. The default is `AIRLOCK` of the environment, and otherwise the one on the `PATH`.
    pub fn airlock(mut self, command: &str) -> Self {
        self.airlock = command.into();
        self
    }

    /// Sets the path of the mount. The default is the engine's name.
    pub fn path(mut self, path: &str) -> Self {
        self.settings.insert("path".into(), path.into());
        self
    }

    /// Sets the seed of the guest's randomness. The default is 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.insert("seed".into(), seed.into());
        self
    }

    /// Adds an option, as `vault secrets enable -options` does.
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.settings["options"][name] = value.into();
        self
    }

    /// Sets the time at which the clock stands at the start. The default is 2026-01-01T00:00:00Z.
    ///
    /// # Panics
    /// If the time is before 1970.
    #[track_caller]
    pub fn starts_at(mut self, moment: SystemTime) -> Self {
        let Ok(since) = moment.duration_since(UNIX_EPOCH) else {
            panic!("the clock cannot start before 1970");
        };
        self.settings.insert("start".into(), milliseconds(since).into());
        self
    }

    /// Adds an entity, which `cx.system.entity_info` finds.
    pub fn entity(mut self, entity: &Entity) -> Self {
        let entities = self.settings.entry("entities").or_insert_with(|| json!([]));
        if let Value::Array(entities) = entities {
            entities.push(entity.json().clone());
        }
        self
    }

    /// Adds a password policy, whose passwords have `length` characters of `charset`. They look random and are the same in
    /// every run. Without this call the mount has no policy.
    pub fn password_policy(mut self, name: &str, length: usize, charset: &str) -> Self {
        let policies = self
            .settings
            .entry("password-policies")
            .or_insert_with(|| json!({}));
        policies[name] = json!({ "length": length, "charset": charset });
        self
    }

    /// Sets the default and the maximum time of the mount's leases. Both are 768 h by default, as in Vault.
    pub fn lease_times(mut self, default: Duration, max: Duration) -> Self {
        for (name, time) in [("default-lease-ttl", default), ("max-lease-ttl", max)] {
            self.settings.insert(name.into(), milliseconds(time).into());
        }
        self
    }

    /// Mounts the guest and initializes it.
    ///
    /// # Panics
    /// If the guest is not a file that can be run, or the `airlock` command is missing.
    #[track_caller]
    pub fn start(self) -> Mount {
        assert!(
            Path::new(&self.guest).exists(),
            "{} is missing: build it first",
            self.guest
        );
        let mut process = Process::start(&self.airlock, &self.guest);
        process.order(&Value::Object(self.settings));
        Mount { process }
    }
}

/// A mounted guest.
#[derive(Debug)]
pub struct Mount {
    process: Process,
}

impl Mount {
    /// Mounts the guest in this file, without options.
    ///
    /// # Panics
    /// As [`MountBuilder::start`].
    #[track_caller]
    pub fn of(guest: &str) -> Self {
        Self::builder(guest).start()
    }

    /// Prepares a mount of the guest in this file.
    pub fn builder(guest: &str) -> MountBuilder {
        let settings = [("protocol", json!(PROTOCOL)), ("options", json!({}))];
        MountBuilder {
            airlock: std::env::var("AIRLOCK").unwrap_or_else(|_| "airlock".into()),
            guest: guest.into(),
            settings: settings
                .map(|(name, value)| (name.into(), value))
                .into_iter()
                .collect(),
        }
    }

    /// Reads a path.
    #[track_caller]
    pub fn read(&mut self, path: &str) -> Answer {
        self.send("read", path, Value::Null)
    }

    /// Writes to a path; the guest's existence check decides whether that is a create or an update.
    #[track_caller]
    pub fn write(&mut self, path: &str, data: Value) -> Answer {
        self.send("write", path, data)
    }

    /// Patches a path.
    #[track_caller]
    pub fn patch(&mut self, path: &str, data: Value) -> Answer {
        self.send("patch", path, data)
    }

    /// Deletes a path.
    #[track_caller]
    pub fn delete(&mut self, path: &str) -> Answer {
        self.send("delete", path, Value::Null)
    }

    /// Lists below a path.
    #[track_caller]
    pub fn list(&mut self, path: &str) -> Answer {
        self.send("list", path, Value::Null)
    }

    /// Runs Vault's tick, which comes once a minute.
    #[track_caller]
    pub fn tick(&mut self) -> Answer {
        self.send("tick", "", Value::Null)
    }

    /// Sends a request of any kind: those above, `create`, `update` and `help`. The data is an object, or null for none.
    #[track_caller]
    pub fn send(&mut self, operation: &str, path: &str, data: Value) -> Answer {
        self.request(Request::new(operation, path).data(data))
    }

    /// Sends a request with an entity or with headers:
    ///
    /// ```no_run
    /// # use airlock_testkit_client::{Mount, Request};
    /// # let mut mount = Mount::of("target/my-engine.wasm");
    /// let answer = mount.request(Request::new("read", "notes/a").entity("1"));
    /// ```
    #[track_caller]
    pub fn request(&mut self, request: Request) -> Answer {
        let name = request.name();
        Answer::new(self.process.order(&json!({ "send": request.json() }))).shown(&name)
    }

    /// Renews a lease, by `increment` if that is not zero.
    #[track_caller]
    pub fn renew(&mut self, lease: &Lease, increment: Duration) -> Answer {
        let order = json!({ "lease": lease.number, "increment": milliseconds(increment) });
        Answer::new(self.process.order(&json!({ "renew": order }))).shown("renew")
    }

    /// Revokes a lease.
    #[track_caller]
    pub fn revoke(&mut self, lease: &Lease) -> Answer {
        let order = json!({ "revoke": { "lease": lease.number } });
        Answer::new(self.process.order(&order)).shown("revoke")
    }

    /// Restarts the host: only what is stored is left.
    #[track_caller]
    pub fn restart(&mut self) {
        self.process.order(&json!("restart"));
    }

    /// Moves the clock on.
    #[track_caller]
    pub fn advance(&mut self, time: Duration) {
        self.process.order(&json!({ "advance": milliseconds(time) }));
    }

    /// Makes every storage call of a kind fail, until [`heal`](Self::heal).
    #[track_caller]
    pub fn fail(&mut self, on: Call, what: Fault) {
        self.fault(on, None, what);
    }

    /// Makes the `nth` storage call of a kind fail, counted from now; 1 is the next.
    ///
    /// # Panics
    /// If `nth` is 0.
    #[track_caller]
    pub fn fail_nth(&mut self, on: Call, nth: u64, what: Fault) {
        self.fault(on, Some(nth), what);
    }

    #[track_caller]
    fn fault(&mut self, on: Call, nth: Option<u64>, what: Fault) {
        let on = match on {
            Call::Get => "get",
            Call::Put => "put",
            Call::Delete => "delete",
            Call::List => "list",
            Call::Any => "any",
        };
        let what = match what {
            Fault::Fail => "fail",
            Fault::LoseAnswer => "lose-answer",
            Fault::ReadOnly => "read-only",
            Fault::Kill => "kill",
        };
        let order = json!({ "fault": { "on": on, "nth": nth, "what": what } });
        self.process.order(&order);
    }

    /// Ends all faults. Returns how many of them met a storage call: a test whose fault met none has tested nothing.
    #[track_caller]
    pub fn heal(&mut self) -> u64 {
        self.process.order(&json!("heal")).as_u64().unwrap_or_default()
    }

    /// Returns everything that is stored, by key.
    #[track_caller]
    pub fn entries(&mut self) -> BTreeMap<String, Vec<u8>> {
        let entries = self.process.order(&json!("entries"));
        let entries = entries.as_object().into_iter().flatten();
        entries
            .map(|(key, value)| (key.clone(), bytes(value.as_str().unwrap_or_default())))
            .collect()
    }

    /// Returns the value at a key, read as JSON; `None` if nothing is there.
    ///
    /// # Panics
    /// If the value is not JSON.
    #[track_caller]
    pub fn stored_json(&mut self, key: &str) -> Option<Value> {
        let value = self.entries().remove(key)?;
        match serde_json::from_slice(&value) {
            Ok(value) => Some(value),
            Err(error) => panic!("the entry at {key:?}: {error}"),
        }
    }

    /// Stores JSON without the guest.
    #[track_caller]
    pub fn store_json(&mut self, key: &str, value: &Value) {
        let value: String = value
            .to_string()
            .bytes()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.process
            .order(&json!({ "store": { "key": key, "value": value } }));
    }

    /// Returns the messages that the guest has logged.
    #[track_caller]
    pub fn logs(&mut self) -> Vec<String> {
        let recorded = self.process.order(&json!("recorded"));
        texts(&recorded["lines"]).into_iter().map(str::to_owned).collect()
    }

    /// Returns the types of the events that the guest has sent.
    #[track_caller]
    pub fn events(&mut self) -> Vec<String> {
        let recorded = self.process.order(&json!("recorded"));
        texts(&recorded["events"])
            .into_iter()
            .map(str::to_owned)
            .collect()
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Reads hexadecimal, which `airlock` wrote.
fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> = hexadecimal
        .chars()
        .filter_map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    digits
        .chunks_exact(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

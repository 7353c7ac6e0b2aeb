//! `airlock testkit`: a mount that a test drives over a pipe.
//!
//! The crate `airlock-testkit-client` (`guest/testkit`), which every project of `airlock new` has, starts it. So a project tests
//! the guest that ships from Rust, and builds no sandbox for that.
//!
//! Standard input and output carry one JSON object a line. The first line is a [`SetUp`], each later one an [`Order`]. Each gets
//! one line: `{"ok": …}`, or `{"error": "…"}` if the order cannot be done. An error of the guest is an answer, and so `ok`. The
//! program ends with its input.

use std::collections::BTreeMap;
use std::io::{BufRead as _, Read as _, Write as _};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use airlock_testkit::{
    Answer, Call, EntityData, FakeSystem, Fault, Lease, Mount, PolicyData, Request, StorageEntry,
};
use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::args::LimitArgs;
use crate::{call, guest};

/// The version of the orders and their answers. A client of another version is refused.
const PROTOCOL: u32 = 1;

/// The longest line that is read, in bytes: more than any request under the default limits.
const LINE: u64 = 256 << 20;

/// The arguments of `testkit`.
#[derive(Debug, Args)]
pub struct TestkitArgs {
    /// The guest, a WebAssembly component
    #[arg(value_name = "GUEST")]
    pub guest: PathBuf,

    #[command(flatten)]
    pub limits: LimitArgs,
}

/// The mount to set up.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SetUp {
    protocol: u32,
    #[serde(default)]
    seed: u64,
    path: Option<String>,
    #[serde(default)]
    options: BTreeMap<String, String>,
    /// The time at which the clock stands at the start, in milliseconds since 1970.
    start: Option<u64>,
    #[serde(default)]
    entities: Vec<EntityData>,
    #[serde(default)]
    password_policies: BTreeMap<String, PolicyData>,
    /// In milliseconds, like `max_lease_ttl`.
    default_lease_ttl: Option<u64>,
    max_lease_ttl: Option<u64>,
}

/// An order of the test to the mount.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum Order {
    /// Sends a request, and answers with its [`Answer`].
    Send {
        operation: String,
        path: String,
        data: Option<Box<RawValue>>,
        entity: Option<String>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// Renews a lease, by its number in the answer that had it. The time is in milliseconds.
    Renew { lease: usize, increment: u64 },
    /// Revokes a lease.
    Revoke { lease: usize },
    /// Starts the guest anew; only what is stored is left.
    Restart,
    /// Moves the clock on, by milliseconds.
    Advance(u64),
    /// Makes calls of storage fail: every one, or the nth from now.
    Fault { on: On, nth: Option<u64>, what: What },
    /// Ends all faults, and answers with the number of those that met a call.
    Heal,
    /// Answers with all entries of storage, whose values are in hexadecimal.
    Entries,
    /// Stores an entry without the guest.
    Store { key: String, value: String },
    /// Answers with the messages of the log and the types of the events so far.
    Recorded,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum On {
    Get,
    Put,
    Delete,
    List,
    Any,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum What {
    Fail,
    LoseAnswer,
    ReadOnly,
    Kill,
}

/// Serves a mount until the input ends.
pub fn run(args: &TestkitArgs) -> Result<()> {
    let guest = guest::load_without_vault(&args.guest, &args.limits)?;
    let Some(line) = next_line()? else {
        return Ok(());
    };
    let mut driven = match set_up(&guest, &line) {
        Ok(driven) => driven,
        Err(error) => return answer(&Err(error)),
    };
    answer(&Ok(Value::Null))?;
    while let Some(line) = next_line()? {
        let order = serde_json::from_str(&line).context("the order cannot be read");
        answer(&order.and_then(|order| driven.take(order)))?;
    }
    Ok(())
}

fn next_line() -> Result<Option<String>> {
    let mut line = String::new();
    let input = std::io::stdin().lock();
    let read = input.take(LINE).read_line(&mut line);
    let read = read.context("cannot read standard input")?;
    ensure!(
        read == 0 || line.ends_with('\n'),
        "an order ends too early, or is too long"
    );
    Ok((read > 0).then_some(line))
}

fn answer(result: &Result<Value>) -> Result<()> {
    let line = match result {
        Ok(value) => json!({ "ok": value }),
        Err(error) => json!({ "error": format!("{error:#}") }),
    };
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").context("cannot write standard output")?;
    output.flush().context("cannot write standard output")
}

/// A mount with the leases that its answers had.
struct Driven {
    mount: Mount,
    leases: Vec<Lease>,
}

fn set_up(guest: &airlock_testkit::Guest, line: &str) -> Result<Driven> {
    let wanted: SetUp = serde_json::from_str(line).context("the first line cannot be read")?;
    if wanted.protocol != PROTOCOL {
        bail!(
            "this airlock takes orders of version {PROTOCOL}, and the project's vendor/airlock sends version {}; see the project's README on how to update it",
            wanted.protocol
        );
    }
    let mut mount = guest.mount().seed(wanted.seed);
    if let Some(path) = &wanted.path {
        mount = mount.path(path);
    }
    for (name, value) in &wanted.options {
        mount = mount.option(name, value);
    }
    if let Some(start) = wanted.start {
        let start = UNIX_EPOCH.checked_add(Duration::from_millis(start));
        mount = mount.starts_at(start.context("the start is too late")?);
    }
    let mut system = FakeSystem::default();
    if let Some(ttl) = wanted.default_lease_ttl {
        system.default_lease_ttl = Duration::from_millis(ttl);
    }
    if let Some(ttl) = wanted.max_lease_ttl {
        system.max_lease_ttl = Duration::from_millis(ttl);
    }
    system.add(&wanted.entities, &wanted.password_policies);
    mount = mount.system_view(system);
    Ok(Driven {
        mount: mount.start()?,
        leases: Vec::new(),
    })
}

impl Driven {
    fn take(&mut self, order: Order) -> Result<Value> {
        match order {
            Order::Send {
                operation,
                path,
                data,
                entity,
                headers,
            } => {
                let mut request = call::request_of(&operation, &path)?;
                if let Some(data) = data {
                    request = request.json(data.get());
                }
                if let Some(entity) = entity {
                    request = request.entity(&entity);
                }
                for (name, value) in &headers {
                    request = request.header(name, value);
                }
                return Ok(self.send(request));
            }
            Order::Renew { lease, increment } => {
                let request = Request::renew(self.lease(lease)?, Duration::from_millis(increment));
                return Ok(self.send(request));
            }
            Order::Revoke { lease } => {
                let request = Request::revoke(self.lease(lease)?);
                return Ok(self.send(request));
            }
            Order::Entries => return Ok(self.entries()),
            Order::Recorded => return Ok(self.recorded()),
            Order::Restart => self.mount.restart()?,
            Order::Advance(milliseconds) => self.mount.clock().advance(Duration::from_millis(milliseconds)),
            Order::Fault { on, nth, what } => self.fail(on, nth, what)?,
            Order::Heal => return Ok(self.heal()),
            Order::Store { key, value } => {
                let value = hex::decode(value).context("the value is not in hexadecimal")?;
                self.mount.store(StorageEntry::new(key, value))?;
            }
        }
        Ok(Value::Null)
    }

    fn lease(&self, number: usize) -> Result<&Lease> {
        self.leases
            .get(number)
            .with_context(|| format!("no answer had a lease with the number {number}"))
    }

    fn send(&mut self, request: Request) -> Value {
        let answer = self.mount.send(request);
        let lease = answer.lease().map(|lease| {
            let terms = &lease.secret().lease;
            json!({
                "number": self.leases.len(),
                "ttl": terms.ttl().as_secs(),
                "max_ttl": terms.max_ttl().as_secs(),
                "renewable": terms.renewable,
            })
        });
        self.leases.extend(answer.lease().cloned());
        shown(&answer, lease)
    }

    fn fail(&self, on: On, nth: Option<u64>, what: What) -> Result<()> {
        ensure!(nth != Some(0), "`nth` counts from 1");
        let call = match on {
            On::Get => Call::Get,
            On::Put => Call::Put,
            On::Delete => Call::Delete,
            On::List => Call::List,
            On::Any => Call::Any,
        };
        let fault = match what {
            What::Fail => Fault::Fail,
            What::LoseAnswer => Fault::LoseAnswer,
            What::ReadOnly => Fault::ReadOnly,
            What::Kill => Fault::Kill,
        };
        match nth {
            Some(nth) => self.mount.faults().nth(call, nth, fault),
            None => self.mount.faults().every(call, fault),
        }
        Ok(())
    }

    fn heal(&self) -> Value {
        let faults = self.mount.faults();
        let met = faults.applied().into_iter().filter(|met| *met).count();
        faults.heal();
        json!(met)
    }

    fn entries(&self) -> Value {
        let entries = self.mount.entries().into_iter();
        entries
            .map(|entry| (entry.key.clone(), Value::String(hex::encode(&entry.value))))
            .collect()
    }

    fn recorded(&self) -> Value {
        let recorder = self.mount.recorder();
        let lines: Vec<_> = recorder.lines().into_iter().map(|line| line.message).collect();
        let events: Vec<_> = recorder
            .events()
            .into_iter()
            .map(|event| event.event_type)
            .collect();
        json!({ "lines": lines, "events": events })
    }
}

fn shown(answer: &Answer, lease: Option<Value>) -> Value {
    let usage = answer.usage();
    json!({
        "status": answer.status(),
        "data": answer.data(),
        "body": answer.body(),
        "error": answer.error(),
        "warnings": answer.warnings(),
        "lease": lease,
        "usage": {
            "cpu_us": u64::try_from(usage.cpu.as_micros()).unwrap_or(u64::MAX),
            "memory_bytes": usage.memory_bytes,
            "storage_calls": usage.storage.calls(),
        },
    })
}

//! Tests an engine natively and in milliseconds.
//!
//! A [`Mount`] is an engine with a storage in memory, a frozen clock and repeatable randomness. It handles a request as
//! Vault and the host do: the existence check decides between create and update, the writes of a failed request are
//! dropped, and a list's path ends in `/`.
//!
//! ```
//! # use airlock_sdk::{Context, Description, Engine, Response, Result, Routes, fields, route};
//! # fields! { struct Greet { name: String } }
//! # fn greet(_: &Context, greet: Greet) -> Result<Response> {
//! #     Response::json(&serde_json::json!({ "greeting": format!("Hello, {}!", greet.name) }))
//! # }
//! # struct Hello;
//! # impl Engine for Hello {
//! #     const DESCRIPTION: Description = Description::new("hello", "1.0.0", "Greets.");
//! #     const ROUTES: Routes = &[&route("greetings/{name}").read(greet)];
//! # }
//! use airlock_sdk::testing::Mount;
//!
//! let mount = Mount::<Hello>::new();
//! assert_eq!(mount.read("greetings/bob").data()["greeting"], "Hello, bob!");
//! assert_eq!(mount.read("nowhere").status(), 404);
//! ```
//!
//! Each request that is refused is printed with its error. `cargo test` shows what a failed test has printed, so a status that
//! a test did not expect comes with its cause.
//!
//! It does not test the limits of memory, time and calls, concurrent requests, or the compiled guest. A panic ends the test,
//! whereas in the host it is a 500. In everything else it agrees with the sandbox: a test of Airlock's own runs every feature
//! both ways.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use vault_core::{LeaseTerms, list_path_in_mount};

use crate::host::Host;
use crate::system::{Entity, Group};
use crate::{Engine, Operation, Request, Response, Result, SpecialPaths, Timestamp, dispatch};

mod builder;
mod lease;
mod reply;

use lease::LeaseBook;

pub use crate::host::world::{Fault, LogLine};
pub use builder::MountBuilder;
pub use lease::GivenLease;
pub use reply::Reply;

/// An engine, mounted in memory at a path that is its name.
#[derive(Debug)]
pub struct Mount<E> {
    world: Host,
    leases: LeaseBook,
    /// The number of requests so far.
    requests: Cell<u64>,
    engine: PhantomData<fn() -> E>,
}

impl<E: Engine> Default for Mount<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Engine> Mount<E> {
    /// Mounts the engine without options.
    ///
    /// # Panics
    /// If its `initialize` fails.
    pub fn new() -> Self {
        Self::with_options(&[])
    }

    /// Mounts the engine with options, as `vault secrets enable -options` does.
    ///
    /// # Panics
    /// If its `initialize` fails.
    pub fn with_options(options: &[(&str, &str)]) -> Self {
        let builder = options.iter().fold(Self::builder(), |builder, (name, value)| {
            builder.option(name, value)
        });
        builder.start()
    }

    /// Prepares a mount that has something from its start on: entities, password policies, lease times, another time, or
    /// replaced dependencies.
    pub fn builder() -> MountBuilder<E> {
        MountBuilder::new()
    }

    /// Initializes the engine once more, as after a restart: only stored data is left.
    ///
    /// # Errors
    /// Those of the engine.
    pub fn initialize(&self) -> Result<()> {
        self.world.restart();
        self.world.transaction(|| dispatch::initialize::<E>(&self.world))
    }

    /// Tells the engine that a key of its storage changed beneath it.
    pub fn invalidate(&self, key: &str) {
        self.world.notify(|| dispatch::invalidate::<E>(&self.world, key));
    }

    /// Reads a path.
    pub fn read(&self, path: &str) -> Reply {
        self.send(request(Operation::Read, path, None))
    }

    /// Reads a path with query parameters, such as `json!({ "version": 2 })`.
    pub fn read_with(&self, path: &str, query: Value) -> Reply {
        self.send(request(Operation::Read, path, Some(query)))
    }

    /// Writes to a path: creates or updates, depending on the existence check.
    pub fn write(&self, path: &str, data: Value) -> Reply {
        let mut write = self.sign(request(Operation::Update, path, Some(data)));
        write.operation = match self.check(write.clone()) {
            Ok(Some(false)) => Operation::Create,
            Ok(_) | Err(crate::Error::UnsupportedPath) => Operation::Update,
            // Vault returns any other error at once.
            Err(error) => return Reply::new(Operation::Update, Err(error)).shown(path),
        };
        self.send(write)
    }

    /// Patches a path.
    pub fn patch(&self, path: &str, data: Value) -> Reply {
        self.send(request(Operation::Patch, path, Some(data)))
    }

    /// Deletes a path.
    pub fn delete(&self, path: &str) -> Reply {
        self.send(request(Operation::Delete, path, None))
    }

    /// Lists below a path; the empty path lists the whole mount.
    pub fn list(&self, path: &str) -> Reply {
        self.list_with(path, Value::Null)
    }

    /// Lists below a path with query parameters, such as `json!({ "after": "a" })`.
    pub fn list_with(&self, path: &str, query: Value) -> Reply {
        let folder = list_path_in_mount(path.trim_end_matches('/'));
        self.send(request(Operation::List, &folder, Some(query)))
    }

    /// Returns the help of a path, or of the engine for the empty path.
    pub fn help(&self, path: &str) -> Reply {
        self.send(request(Operation::Help, path, None))
    }

    /// Renews a lease from an earlier answer, by `increment` if that is not zero.
    ///
    /// As in Vault, a lease that was revoked, has expired or is not renewable is a 400, and the engine is not asked. The
    /// lease keeps its issue time, and its new time is limited by the mount's maximum.
    pub fn renew(&self, lease: &GivenLease, increment: Duration) -> Reply {
        let request = match self.leases.to_renew(lease, increment, self.now()) {
            Ok(request) => self.sign(request),
            Err(error) => return Reply::new(Operation::Renew, Err(error)).shown(lease.id()),
        };
        let mut result = self.answer(&request);
        let terms = LeaseTerms {
            increment,
            ..self.world.lease_terms()
        };
        let renewed = match &mut result {
            Ok(Some(response)) => self.leases.renewed(lease, response, self.now(), terms),
            _ => Ok(None),
        };
        let reply = match renewed {
            Ok(renewed) => Reply::new(Operation::Renew, result).with_lease(renewed),
            Err(error) => Reply::new(Operation::Renew, Err(error)),
        };
        reply.shown(lease.id())
    }

    /// Revokes a lease from an earlier answer. Does nothing if it was revoked.
    ///
    /// Vault revokes a lease by itself when it expires; a test calls this function then.
    pub fn revoke(&self, lease: &GivenLease) -> Reply {
        let Some(request) = self.leases.to_revoke(lease) else {
            return Reply::new(Operation::Revoke, Ok(None));
        };
        let result = self.answer(&self.sign(request));
        if result.is_ok() {
            self.leases.revoked(lease);
        }
        Reply::new(Operation::Revoke, result).shown(lease.id())
    }

    /// Runs Vault's tick: the periodic function, then the write-ahead entries that are old enough.
    pub fn tick(&self) -> Reply {
        self.send(request(Operation::Rollback, "", None))
    }

    /// Sends a request of any kind unchanged. If it fails, nothing after its last commit is stored.
    pub fn send(&self, request: Request) -> Reply {
        let request = self.sign(request);
        let mut result = self.answer(&request);
        let lease = match &mut result {
            Ok(Some(response)) => self
                .leases
                .give(&request, response, self.now(), self.world.lease_terms()),
            _ => None,
        };
        Reply::new(request.operation, result)
            .with_lease(lease)
            .shown(&request.path)
    }

    /// Adds what Vault adds to a request: an id of its own, and the mount's names.
    fn sign(&self, mut request: Request) -> Request {
        let fill = |field: &mut String, value: String| {
            if field.is_empty() {
                *field = value;
            }
        };
        if request.id.is_empty() {
            self.requests.set(self.requests.get() + 1);
        }
        let name = E::DESCRIPTION.name;
        fill(
            &mut request.id,
            format!("00000000-0000-0000-0000-{:012}", self.requests.get()),
        );
        fill(&mut request.mount_point, format!("{name}/"));
        fill(&mut request.mount_type, name.into());
        fill(&mut request.mount_accessor, format!("{name}_00000000"));
        request
    }

    fn answer(&self, request: &Request) -> Result<Option<Response>> {
        self.world
            .transaction(|| dispatch::handle::<E>(&self.world, request.clone()))
    }

    /// Makes the existence check of a write. Returns true if the path exists, and `None` if it has no check, or if the check could
    /// not be made: the answer to the write then says why.
    ///
    /// # Errors
    /// Returns what Vault tells the caller at once: a path that does not exist, the caller's mistake, or read-only storage.
    pub fn exists(&self, request: Request) -> Result<Option<bool>> {
        use crate::Error::{ReadOnly, UnsupportedPath, User};
        match self.check(self.sign(request)) {
            Err(error) if !matches!(error, User(_) | UnsupportedPath | ReadOnly) => Ok(None),
            told => told,
        }
    }

    /// Makes the existence check of a signed request.
    fn check(&self, request: Request) -> Result<Option<bool>> {
        self.world.peek(|| dispatch::exists::<E>(&self.world, request))
    }

    /// Returns the engine's special paths. Vault also gets the host's own, `.airlock` and the paths below it.
    pub fn special_paths(&self) -> SpecialPaths {
        E::special_paths(&crate::Options(self.world.config()))
    }

    /// Returns everything that the engine has stored, by key.
    pub fn stored(&self) -> BTreeMap<String, Vec<u8>> {
        self.world.stored()
    }

    /// Returns the value at a key, read as JSON.
    ///
    /// # Panics
    /// If it is not a `T`.
    pub fn stored_json<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let value = self.stored().remove(key)?;
        Some(serde_json::from_slice(&value).unwrap_or_else(|error| panic!("the entry at {key:?}: {error}")))
    }

    /// Stores JSON without the engine's knowledge.
    ///
    /// # Panics
    /// If the value cannot be written as JSON.
    pub fn store_json(&self, key: &str, value: &impl Serialize) {
        let value =
            serde_json::to_vec(value).unwrap_or_else(|error| panic!("the entry for {key:?}: {error}"));
        self.world.store(key, value);
    }

    /// Makes storage fail; see [`Fault`].
    pub fn fail(&self, fault: Fault) {
        self.world.fail(fault);
    }

    /// Makes every request meet a conflict: it runs twice, as in the host, and only the second run counts. A request
    /// that commits by itself runs once.
    pub fn conflict(&self, conflicts: bool) {
        self.world.conflict(conflicts);
    }

    /// Adds or replaces an entity, and the groups that it is in. A request names it in its `entity_id`.
    pub fn set_entity(&self, entity: Entity, groups: Vec<Group>) {
        self.world.set_entity(entity, groups);
    }

    /// Adds or replaces a password policy, whose passwords have `length` characters of `charset`. They look random and
    /// are the same in every run. At the start, the mount has no policy.
    pub fn set_password_policy(&self, name: &str, length: usize, charset: &str) {
        self.world.set_password_policy(name, length, charset);
    }

    /// Sets the default and the maximum time of the mount's leases. Both are 768 h at the start, as in Vault.
    pub fn set_lease_times(&self, default: Duration, max: Duration) {
        self.world.set_lease_times(default, max);
    }

    /// Sets the clock, also to an earlier time.
    pub fn set_time(&self, now: Timestamp) {
        self.world.set_time(now);
    }

    /// Returns the time of the clock, which starts at 2026-01-01T00:00:00Z and is frozen.
    pub fn now(&self) -> Timestamp {
        self.world.now()
    }

    /// Advances the clock.
    pub fn advance(&self, time: Duration) {
        self.world.advance(time);
    }

    /// Returns the type and the metadata of the events that were sent.
    pub fn events(&self) -> Vec<(String, Value)> {
        self.world.events()
    }

    /// Returns the lines that were logged. As in the host, a request logs at most 1,000, and one more that says so.
    pub fn logs(&self) -> Vec<LogLine> {
        self.world.logs()
    }

    /// Returns how often the engine has called `commit`.
    pub fn commits(&self) -> usize {
        self.world.commits()
    }
}

/// Makes a request, which a test can change and give to [`Mount::send`]. Fields that stay empty get the mount's values.
pub fn request(operation: Operation, path: &str, data: Option<Value>) -> Request {
    Request {
        operation,
        path: path.into(),
        data: data.map(|data| object(data).to_string()),
        ..Request::default()
    }
}

fn object(data: Value) -> Value {
    match data {
        Value::Object(map) => Value::Object(map),
        Value::Null => Value::Object(Map::new()),
        _ => panic!("the data of a request must be a JSON object"),
    }
}

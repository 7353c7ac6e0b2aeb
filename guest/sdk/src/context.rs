//! Gives a handler the request and everything outside the engine.

use std::fmt::Display;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::Prefixes;
use crate::host::Host;
use crate::print::Current;
use crate::{Engine, Error, Level, Random, Request, Result, Storage, System, Timestamp, codec};

/// The request, and everything outside the engine. There is one context for each request.
#[non_exhaustive]
pub struct Context {
    /// The request, apart from its fields. Empty in `initialize` and `invalidate`.
    pub request: Request,
    /// The mount's storage in Vault.
    pub storage: Storage,
    /// A few bytes in the host's memory that outlive the request.
    pub scratch: Scratch,
    /// Vault's view of the mount.
    pub system: System,
    /// Vault's event bus.
    pub events: Events,
    /// Vault's log.
    pub log: Log,
    /// The time.
    pub clock: Clock,
    /// Random bytes that are suitable for cryptographic keys.
    pub random: Random,
    /// For [`Dependency`](crate::Dependency).
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) host: Host,
    _current: Current,
}

impl Context {
    pub(crate) fn new<E: Engine>(host: &Host, request: Request) -> Context {
        Context {
            request,
            storage: Storage::new(host.clone(), Prefixes::of::<E>()),
            scratch: Scratch { host: host.clone() },
            system: System { host: host.clone() },
            events: Events { host: host.clone() },
            log: Log { host: host.clone() },
            clock: Clock { host: host.clone() },
            random: Random::new(host.clone()),
            #[cfg(not(target_arch = "wasm32"))]
            host: host.clone(),
            _current: Current::of(host),
        }
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("request", &self.request)
            .finish_non_exhaustive()
    }
}

/// A few volatile bytes for each mount, in the host's memory, that outlive a request, such as parsed keys and counters.
///
/// They may vanish at any time. Changes take effect with the request's transaction. An engine that uses scratch
/// declares its size in [`Description::scratch_bytes`](crate::Description::scratch_bytes).
///
/// A key is any text of at most 32,768 bytes. A `put` of a longer one is an error, and any other call with one ends the
/// request with a 400.
///
/// ```
/// # use airlock_sdk::{Context, Result};
/// use std::time::Duration;
///
/// # fn handler(cx: &Context) -> Result<()> {
/// cx.scratch.put_json_for("token/web", &"s3cr3t", Duration::from_secs(300))?;
/// for key in cx.scratch.list("token/") {
///     cx.scratch.delete(&key);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Scratch {
    host: Host,
}

impl Scratch {
    /// Returns the value that was put at a key, if it has not vanished.
    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.host.scratch_get(key)
    }

    /// Returns the value that was put at a key, read as JSON. Returns `None` if it has vanished or is not a `T`.
    pub fn get_json<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        codec::read(&self.get(key)?).ok()
    }

    /// Keeps a value for later requests.
    ///
    /// # Errors
    /// [`Error::Internal`] if the declared size is used up.
    pub fn put(&self, key: &str, value: &[u8]) -> Result<()> {
        self.host
            .scratch_put(key, value)
            .map_err(|error| Error::Internal(format!("scratch: {error}")))
    }

    /// Keeps a value for later requests, as JSON.
    ///
    /// # Errors
    /// [`Error::Internal`] if the declared size is used up.
    pub fn put_json(&self, key: &str, value: &(impl Serialize + ?Sized)) -> Result<()> {
        let value = codec::write(value).map_err(|error| Error::Internal(format!("scratch: {error}")))?;
        self.put(key, &value)
    }

    /// Keeps a value for later requests until its time to live is over, by the host's clock. It then takes no space.
    ///
    /// # Errors
    /// [`Error::Internal`] if the declared size is used up, or if the time is zero.
    pub fn put_for(&self, key: &str, value: &[u8], ttl: Duration) -> Result<()> {
        self.host
            .scratch_put_for(key, value, ttl)
            .map_err(|error| Error::Internal(format!("scratch: {error}")))
    }

    /// Does the same as [`put_for`](Scratch::put_for), with a value as JSON.
    ///
    /// # Errors
    /// Those of [`put_for`](Scratch::put_for).
    pub fn put_json_for(&self, key: &str, value: &(impl Serialize + ?Sized), ttl: Duration) -> Result<()> {
        let value = codec::write(value).map_err(|error| Error::Internal(format!("scratch: {error}")))?;
        self.put_for(key, &value, ttl)
    }

    /// Returns the keys that begin with a prefix, which may be any text, in order.
    ///
    /// A request that lists conflicts with every change of the mount's scratch. Use it for rare work, such as forgetting
    /// everything about a role.
    pub fn list(&self, prefix: &str) -> Vec<String> {
        self.host.scratch_list(prefix)
    }

    /// Removes the value at a key.
    pub fn delete(&self, key: &str) {
        self.host.scratch_delete(key);
    }
}

/// Vault's event bus. Events leave after the commit, in order. Events of a request that fails never leave.
#[derive(Debug)]
pub struct Events {
    host: Host,
}

impl Events {
    /// Sends an event. Its type is a text such as `users/user-write`, and its metadata a JSON object: a struct, a map,
    /// `json!({ … })`.
    ///
    /// # Errors
    /// [`Error::Internal`] if the metadata is not an object or the host refused the event. An engine may ignore the
    /// error.
    pub fn send(&self, event_type: &str, metadata: &(impl Serialize + ?Sized)) -> Result<()> {
        let json = codec::write(metadata).map_err(|error| Error::Internal(format!("event: {error}")))?;
        match String::from_utf8(json) {
            Ok(metadata) if metadata.starts_with('{') => self
                .host
                .send_event(event_type, &metadata)
                .map_err(|error| Error::Internal(format!("event: {error}"))),
            _ => Err(Error::internal("the metadata of an event must be a JSON object")),
        }
    }
}

/// Vault's log. Lines are written at once, even if the request fails later. Put no secrets into them.
///
/// ```
/// # use airlock_sdk::{Context, Result};
/// # fn handler(cx: &Context) -> Result<()> {
/// cx.log.field("users", 3).field("took", "2s").info("cleaned up");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Log {
    host: Host,
}

impl Log {
    /// Begins a line with a field.
    pub fn field(&self, name: &str, value: impl Display) -> Line<'_> {
        Line {
            log: self,
            fields: Vec::new(),
        }
        .field(name, value)
    }

    /// Writes a line.
    pub fn line(&self, level: Level, message: &str) {
        self.host.log(level, message, &[]);
    }

    /// Writes a line at the level `trace`.
    pub fn trace(&self, message: &str) {
        self.line(Level::Trace, message);
    }

    /// Writes a line at the level `debug`.
    pub fn debug(&self, message: &str) {
        self.line(Level::Debug, message);
    }

    /// Writes a line at the level `info`.
    pub fn info(&self, message: &str) {
        self.line(Level::Info, message);
    }

    /// Writes a line at the level `warn`.
    pub fn warn(&self, message: &str) {
        self.line(Level::Warn, message);
    }

    /// Writes a line at the level `error`.
    pub fn error(&self, message: &str) {
        self.line(Level::Error, message);
    }
}

/// A line of the log that has fields.
#[derive(Debug)]
#[must_use = "a line is written by its level: `.info(\"…\")`"]
pub struct Line<'l> {
    log: &'l Log,
    fields: Vec<(String, String)>,
}

impl Line<'_> {
    /// Adds a field.
    pub fn field(mut self, name: &str, value: impl Display) -> Self {
        self.fields.push((name.into(), value.to_string()));
        self
    }

    /// Writes the line.
    pub fn line(self, level: Level, message: &str) {
        self.log.host.log(level, message, &self.fields);
    }

    /// Writes the line at the level `trace`.
    pub fn trace(self, message: &str) {
        self.line(Level::Trace, message);
    }

    /// Writes the line at the level `debug`.
    pub fn debug(self, message: &str) {
        self.line(Level::Debug, message);
    }

    /// Writes the line at the level `info`.
    pub fn info(self, message: &str) {
        self.line(Level::Info, message);
    }

    /// Writes the line at the level `warn`.
    pub fn warn(self, message: &str) {
        self.line(Level::Warn, message);
    }

    /// Writes the line at the level `error`.
    pub fn error(self, message: &str) {
        self.line(Level::Error, message);
    }
}

/// The host's clock.
#[derive(Debug)]
pub struct Clock {
    host: Host,
}

impl Clock {
    /// Returns the time of the host's clock.
    pub fn now(&self) -> Timestamp {
        self.host.now()
    }
}

//! The substitute for the host in tests.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::records::{Entity, Entry, Group, IdentityToken, Level, Replication};
use crate::{Error, Result, Timestamp, WrapInfo};

/// A failure of storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing fails.
    None,
    /// Writes fail, as on a standby.
    ReadOnly,
    /// Commits find storage busy, as if other requests kept it busy for too long.
    Busy,
    /// Reads fail after this number of further reads.
    Gets(usize),
    /// Writes fail after this number of further writes.
    Puts(usize),
    /// Deletions fail after this number of further deletions.
    Deletes(usize),
    /// Lists fail after this number of further lists.
    Lists(usize),
    /// Commits fail after this number of further commits, both those of the engine and those at the end of a request.
    Commits(usize),
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The level.
    pub level: Level,
    /// The message.
    pub message: String,
    /// The fields.
    pub fields: Vec<(String, String)>,
}

/// The most bytes of an event's type and metadata, as in the host.
const LONGEST_EVENT: usize = 64 << 10;

/// The start of the clock, 2026-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_seconds(1_767_225_600);

/// An in-memory host, as an engine sees it.
pub(crate) struct World {
    options: Vec<(String, String)>,
    prefixes: Vec<&'static str>,
    scratch_bytes: u32,
    stored: RefCell<BTreeMap<String, Entry>>,
    /// The request's writes since its last commit; `None` is a deletion.
    written: RefCell<BTreeMap<String, Option<Entry>>>,
    scratch: RefCell<BTreeMap<String, Vec<u8>>>,
    /// The number of events, and the contents of scratch, at the last commit.
    saved: RefCell<(usize, BTreeMap<String, Vec<u8>>)>,
    conflicts: Cell<bool>,
    fault: Cell<Fault>,
    commits: Cell<usize>,
    now: Cell<Timestamp>,
    seed: Cell<u64>,
    events: RefCell<Vec<(String, Value)>>,
    logs: RefCell<Vec<LogLine>>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl World {
    pub(crate) fn new(
        options: Vec<(String, String)>,
        prefixes: Vec<&'static str>,
        scratch_bytes: u32,
    ) -> World {
        World {
            options,
            prefixes,
            scratch_bytes,
            stored: RefCell::default(),
            written: RefCell::default(),
            scratch: RefCell::default(),
            saved: RefCell::default(),
            conflicts: Cell::new(false),
            fault: Cell::new(Fault::None),
            commits: Cell::new(0),
            now: Cell::new(START),
            seed: Cell::new(0),
            events: RefCell::default(),
            logs: RefCell::default(),
        }
    }

    /// Runs a request and keeps its writes and events if it succeeds. If conflicts are on, its first run meets one.
    pub(crate) fn transaction<T>(&self, request: impl Fn() -> Result<T>) -> Result<T> {
        let commits = self.commits.get();
        self.save();
        let mut result = request();
        if self.conflicts.get() && self.commits.get() == commits {
            self.restore();
            result = request();
        }
        let result = result.and_then(|answer| self.flush().map(|()| answer));
        if result.is_err() {
            self.restore();
        }
        result
    }

    /// Runs a function that must not write, and drops anything that it writes.
    pub(crate) fn peek<T>(&self, check: impl FnOnce() -> T) -> T {
        self.save();
        let answer = check();
        self.restore();
        answer
    }

    fn save(&self) {
        *self.saved.borrow_mut() = (self.events.borrow().len(), self.scratch.borrow().clone());
    }

    /// Goes back to the last commit.
    fn restore(&self) {
        let saved = self.saved.borrow();
        self.written.borrow_mut().clear();
        self.events.borrow_mut().truncate(saved.0);
        *self.scratch.borrow_mut() = saved.1.clone();
    }

    pub(crate) fn conflict(&self, conflicts: bool) {
        self.conflicts.set(conflicts);
    }

    pub(crate) fn restart(&self) {
        self.scratch.borrow_mut().clear();
    }

    pub(crate) fn stored(&self) -> BTreeMap<String, Vec<u8>> {
        self.stored
            .borrow()
            .iter()
            .map(|(key, entry)| (key.clone(), entry.value.clone()))
            .collect()
    }

    pub(crate) fn store(&self, key: &str, value: Vec<u8>) {
        self.stored.borrow_mut().insert(
            key.into(),
            Entry {
                key: key.into(),
                value,
                seal_wrap: false,
            },
        );
    }

    pub(crate) fn fail(&self, fault: Fault) {
        self.fault.set(fault);
    }

    pub(crate) fn advance(&self, time: Duration) {
        self.now.set(self.now.get() + time);
    }

    pub(crate) fn events(&self) -> Vec<(String, Value)> {
        self.events.borrow().clone()
    }

    pub(crate) fn logs(&self) -> Vec<LogLine> {
        self.logs.borrow().clone()
    }

    pub(crate) fn commits(&self) -> usize {
        self.commits.get()
    }

    fn flush(&self) -> Result<()> {
        let written = std::mem::take(&mut *self.written.borrow_mut());
        if written.is_empty() {
            return Ok(());
        }
        if self.fault.get() == Fault::Busy {
            return Err(Error::coded(503, "storage is busy, as the test asked"));
        }
        self.meet(|fault| match fault {
            Fault::Commits(left) => Some((left, Fault::Commits)),
            _ => None,
        })?;
        let mut stored = self.stored.borrow_mut();
        for (key, entry) in written {
            match entry {
                Some(entry) => stored.insert(key, entry),
                None => stored.remove(&key),
            };
        }
        Ok(())
    }

    /// Fails if the fault is of this kind and its count has reached 0.
    fn meet(&self, of: impl FnOnce(Fault) -> Option<(usize, fn(usize) -> Fault)>) -> Result<()> {
        match of(self.fault.get()) {
            None => Ok(()),
            Some((0, _)) => Err(Error::internal("storage failed, as the test asked")),
            Some((left, fault)) => {
                self.fault.set(fault(left - 1));
                Ok(())
            }
        }
    }

    fn allow(&self, key: &str) -> Result<()> {
        if self.prefixes.iter().any(|prefix| key.starts_with(prefix)) {
            return Ok(());
        }
        Err(Error::internal(
            "outside the prefixes that the description's `storage` names",
        ))
    }

    fn write(&self, key: String, entry: Option<Entry>) -> Result<()> {
        if self.fault.get() == Fault::ReadOnly {
            return Err(Error::ReadOnly);
        }
        self.allow(&key)?;
        if key.is_empty() || key.ends_with('/') || is_no_path(&key) {
            return Err(Error::user("not a storage key"));
        }
        self.written.borrow_mut().insert(key, entry);
        Ok(())
    }
}

/// Returns true for a text that no storage accepts as a key or a folder.
fn is_no_path(path: &str) -> bool {
    path.starts_with('/') || path.contains("//") || path.contains("..")
}

/// The imports of the contract.
impl World {
    pub(crate) fn storage_get(&self, key: &str) -> Result<Option<Entry>> {
        self.allow(key)?;
        self.meet(|fault| match fault {
            Fault::Gets(left) => Some((left, Fault::Gets)),
            _ => None,
        })?;
        let written = self.written.borrow().get(key).cloned();
        Ok(written.unwrap_or_else(|| self.stored.borrow().get(key).cloned()))
    }

    pub(crate) fn storage_put(&self, entry: Entry) -> Result<()> {
        self.meet(|fault| match fault {
            Fault::Puts(left) => Some((left, Fault::Puts)),
            _ => None,
        })?;
        self.write(entry.key.clone(), Some(entry))
    }

    pub(crate) fn storage_delete(&self, key: &str) -> Result<()> {
        self.meet(|fault| match fault {
            Fault::Deletes(left) => Some((left, Fault::Deletes)),
            _ => None,
        })?;
        self.write(key.into(), None)
    }

    pub(crate) fn storage_list(&self, prefix: &str) -> Result<Vec<String>> {
        self.meet(|fault| match fault {
            Fault::Lists(left) => Some((left, Fault::Lists)),
            _ => None,
        })?;
        if !prefix.is_empty() && !prefix.ends_with('/') || is_no_path(prefix) {
            return Err(Error::user("not a storage folder: it is empty or ends in `/`"));
        }
        let (stored, written) = (self.stored.borrow(), self.written.borrow());
        let kept = stored.keys().filter(|key| !written.contains_key(*key));
        let new = written
            .iter()
            .filter(|(_, entry)| entry.is_some())
            .map(|(key, _)| key);
        let below = kept.chain(new).filter_map(|key| key.strip_prefix(prefix));
        let mut names: Vec<String> = below
            .map(|name| match name.split_once('/') {
                Some((folder, _)) => format!("{folder}/"),
                None => name.into(),
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    pub(crate) fn storage_list_page(&self, prefix: &str, after: &str, limit: u32) -> Result<Vec<String>> {
        let names = self
            .storage_list(prefix)?
            .into_iter()
            .filter(|name| name.as_str() > after);
        Ok(names.take(limit as usize).collect())
    }

    pub(crate) fn storage_commit(&self) -> Result<()> {
        self.commits.set(self.commits.get() + 1);
        self.flush()?;
        self.save();
        Ok(())
    }

    pub(crate) fn scratch_get(&self, key: &str) -> Option<Vec<u8>> {
        self.scratch.borrow().get(key).cloned()
    }

    pub(crate) fn scratch_put(&self, key: &str, value: &[u8]) -> Result<(), String> {
        let mut scratch = self.scratch.borrow_mut();
        let others = scratch
            .iter()
            .filter(|(name, _)| *name != key)
            .map(|(name, value)| name.len() + value.len());
        if others.sum::<usize>() + key.len() + value.len() > self.scratch_bytes as usize {
            return Err("the description's `scratch_bytes` are used up".into());
        }
        scratch.insert(key.into(), value.into());
        Ok(())
    }

    pub(crate) fn scratch_delete(&self, key: &str) {
        self.scratch.borrow_mut().remove(key);
    }

    pub(crate) fn send_event(&self, event_type: &str, metadata: &str) -> Result<(), String> {
        if event_type.len() + metadata.len() > LONGEST_EVENT {
            return Err(format!("an event takes more than {} KiB", LONGEST_EVENT >> 10));
        }
        let metadata: Map<String, Value> =
            serde_json::from_str(metadata).map_err(|error| error.to_string())?;
        self.events
            .borrow_mut()
            .push((event_type.into(), Value::Object(metadata)));
        Ok(())
    }

    pub(crate) fn log(&self, level: Level, message: &str, fields: &[(String, String)]) {
        self.logs.borrow_mut().push(LogLine {
            level,
            message: message.into(),
            fields: fields.to_vec(),
        });
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now.get()
    }

    /// Returns the bytes of SplitMix64, the same in each test. Fit for tests only.
    pub(crate) fn random(&self, length: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length as usize + 8);
        while bytes.len() < length as usize {
            let seed = self.seed.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
            self.seed.set(seed);
            let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bytes.extend((mixed ^ (mixed >> 31)).to_le_bytes());
        }
        bytes.truncate(length as usize);
        bytes
    }
}

/// The system view of a server on its own, with Vault's default times.
impl World {
    pub(crate) fn config(&self) -> Vec<(String, String)> {
        self.options.clone()
    }

    pub(crate) fn default_lease_ttl(&self) -> Result<Duration> {
        Ok(Duration::from_secs(32 * 86_400))
    }

    pub(crate) fn max_lease_ttl(&self) -> Result<Duration> {
        Ok(Duration::from_secs(32 * 86_400))
    }

    pub(crate) fn tainted(&self) -> Result<bool> {
        Ok(false)
    }

    pub(crate) fn caching_disabled(&self) -> Result<bool> {
        Ok(false)
    }

    pub(crate) fn local_mount(&self) -> Result<bool> {
        Ok(false)
    }

    pub(crate) fn replication_state(&self) -> Result<Replication> {
        Ok(Replication::default())
    }

    pub(crate) fn vault_version(&self) -> Result<String> {
        Ok("1.21.0".into())
    }

    pub(crate) fn cluster_id(&self) -> Result<String> {
        Ok("test".into())
    }

    pub(crate) fn entity_info(&self, _entity_id: &str) -> Result<Option<Entity>> {
        Ok(None)
    }

    pub(crate) fn groups_for_entity(&self, _entity_id: &str) -> Result<Vec<Group>> {
        Ok(Vec::new())
    }

    pub(crate) fn generate_password(&self, _policy: &str) -> Result<String> {
        let letters = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        Ok(self
            .random(20)
            .iter()
            .map(|byte| char::from(letters[usize::from(*byte) % letters.len()]))
            .collect())
    }

    pub(crate) fn identity_token(&self, _audience: &str, _ttl: Duration) -> Result<IdentityToken> {
        Err(Error::internal("identity tokens are not offered in tests"))
    }

    pub(crate) fn wrap_data(&self, _data: &Value, ttl: Duration) -> Result<WrapInfo> {
        Ok(WrapInfo {
            ttl,
            token: "hvs.test".into(),
            creation_time: Some(self.now()),
            ..WrapInfo::default()
        })
    }
}

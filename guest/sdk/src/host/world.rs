//! Stands in for the host in tests.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::Value;
use vault_core::SplitMix64;

use crate::records::Entry;
use crate::{Error, Result, Timestamp};
use key::{check_folder, check_key};
use replaced::Replaced;
use scratch::Scratch;
use stop::until_stopped;
use system::SystemView;

mod imports;
mod key;
mod log;
mod replaced;
mod scratch;
mod stop;
mod system;

pub use log::LogLine;

/// A failure of storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing fails.
    None,
    /// Commits of writes fail, as on a standby.
    ReadOnly,
    /// Commits find storage busy, as if other requests kept it busy for too long.
    Busy,
    /// Reads fail after this number of further reads.
    Gets(usize),
    /// Storing an entry fails after this number of further entries. As in the host, the writes of a request reach storage
    /// when it commits: the commit fails, and the writes before the one that failed are stored.
    Puts(usize),
    /// Deletions fail after this number of further deletions, in the same way.
    Deletes(usize),
    /// Lists fail after this number of further lists.
    Lists(usize),
    /// Commits fail after this number of further commits, both those of the engine and those at the end of a request.
    /// Nothing of such a commit is stored.
    Commits(usize),
}

/// The start of the clock, 2026-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_seconds(1_767_225_600);

/// An in-memory host, as an engine sees it.
pub(crate) struct World {
    options: Vec<(String, String)>,
    prefixes: Vec<&'static str>,
    scratch_bytes: u32,
    /// True if a commit of several keys is all or nothing.
    redo_record: bool,
    system: RefCell<SystemView>,
    stored: RefCell<BTreeMap<String, Entry>>,
    /// The request's writes since its last commit, in its order; `None` is a deletion.
    written: RefCell<Vec<(String, Option<Entry>)>>,
    scratch: RefCell<Scratch>,
    /// The number of events, and the contents of scratch, at the last commit.
    saved: RefCell<(usize, Scratch)>,
    /// True during an existence check, which may have no effect.
    checks: Cell<bool>,
    conflicts: Cell<bool>,
    fault: Cell<Fault>,
    commits: Cell<usize>,
    now: Cell<Timestamp>,
    random: Cell<SplitMix64>,
    events: RefCell<Vec<(String, Value)>>,
    logs: RefCell<Vec<LogLine>>,
    /// The number of lines that the request has logged, dropped ones included.
    lines: Cell<u32>,
    replaced: RefCell<Replaced>,
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
        redo_record: bool,
    ) -> World {
        World {
            options,
            prefixes,
            scratch_bytes,
            redo_record,
            system: RefCell::default(),
            stored: RefCell::default(),
            written: RefCell::default(),
            scratch: RefCell::default(),
            saved: RefCell::default(),
            checks: Cell::new(false),
            conflicts: Cell::new(false),
            fault: Cell::new(Fault::None),
            commits: Cell::new(0),
            now: Cell::new(START),
            random: Cell::default(),
            events: RefCell::default(),
            logs: RefCell::default(),
            lines: Cell::new(0),
            replaced: RefCell::default(),
        }
    }

    /// Runs a request and keeps its writes and events if it succeeds. If conflicts are on, its first run meets one.
    pub(crate) fn transaction<T>(&self, request: impl Fn() -> Result<T>) -> Result<T> {
        let commits = self.commits.get();
        self.begin();
        let mut result = until_stopped(&request).unwrap_or_else(Err);
        if self.conflicts.get() && self.commits.get() == commits {
            self.restore();
            result = until_stopped(&request).unwrap_or_else(Err);
        }
        let result = result.and_then(|answer| self.flush().map(|()| answer));
        if result.is_err() {
            self.restore();
        }
        result
    }

    /// Runs an existence check, and drops anything that it writes.
    pub(crate) fn peek<T>(&self, check: impl FnOnce() -> Result<T>) -> Result<T> {
        self.begin();
        self.checks.set(true);
        let answer = until_stopped(check);
        self.checks.set(false);
        self.restore();
        answer.unwrap_or_else(|error| {
            let what = format!(
                "the existence check of this request could not be made: {error}; nothing was written; send the request again"
            );
            Err(Error::coded(503, what))
        })
    }

    /// Tells the engine that a key changed beneath it. As in the host, scratch vanishes if the engine cannot be told.
    pub(crate) fn notify(&self, tell: impl FnOnce()) {
        self.begin();
        if until_stopped(tell).and_then(|()| self.flush()).is_err() {
            self.restore();
            self.scratch.borrow_mut().clear();
        }
    }

    /// Begins what has a transaction and limits of its own.
    fn begin(&self) {
        self.lines.set(0);
        self.save();
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

    pub(crate) fn set_time(&self, now: Timestamp) {
        self.now.set(now);
    }

    pub(crate) fn advance(&self, time: Duration) {
        self.now.set(self.now.get() + time);
    }

    pub(crate) fn events(&self) -> Vec<(String, Value)> {
        self.events.borrow().clone()
    }

    pub(crate) fn commits(&self) -> usize {
        self.commits.get()
    }

    fn flush(&self) -> Result<()> {
        let written = std::mem::take(&mut *self.written.borrow_mut());
        if written.is_empty() && *self.scratch.borrow() == self.saved.borrow().1 {
            return Ok(());
        }
        if self.fault.get() == Fault::Busy {
            return Err(Error::coded(503, "storage is busy, as the test asked"));
        }
        if written.is_empty() {
            return Ok(());
        }
        if self.fault.get() == Fault::ReadOnly {
            return Err(Error::ReadOnly);
        }
        self.meet(|fault| match fault {
            Fault::Commits(left) => Some((left, Fault::Commits)),
            _ => None,
        })?;
        let before = self.stored.borrow().clone();
        let flushed = written
            .into_iter()
            .try_for_each(|(key, entry)| self.apply(key, entry));
        if flushed.is_err() && self.redo_record {
            *self.stored.borrow_mut() = before;
        }
        flushed
    }

    fn apply(&self, key: String, entry: Option<Entry>) -> Result<()> {
        self.meet(|fault| match (fault, &entry) {
            (Fault::Puts(left), Some(_)) => Some((left, Fault::Puts)),
            (Fault::Deletes(left), None) => Some((left, Fault::Deletes)),
            _ => None,
        })?;
        let mut stored = self.stored.borrow_mut();
        match entry {
            Some(entry) => stored.insert(key, entry),
            None => stored.remove(&key),
        };
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

    /// Refuses, within an existence check, a call that has an effect outside the request.
    fn may_have_effects(&self) -> Result<()> {
        if self.checks.get() {
            return Err(Error::internal(
                "storage access denied: an existence check stores nothing, so it cannot commit or wrap; do that in the \
                 request",
            ));
        }
        Ok(())
    }

    /// Returns what the request itself wrote under a key.
    fn own(&self, key: &str) -> Option<Option<Entry>> {
        let written = self.written.borrow();
        let (_, entry) = written.iter().rev().find(|(name, _)| name == key)?;
        Some(entry.clone())
    }

    fn write(&self, key: String, entry: Option<Entry>) -> Result<()> {
        check_key(&key, &self.prefixes)?;
        let mut written = self.written.borrow_mut();
        match written.last_mut() {
            Some(last) if last.0 == key => last.1 = entry,
            _ => written.push((key, entry)),
        }
        Ok(())
    }
}

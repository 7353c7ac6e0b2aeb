//! Records what Vault enforces: the special paths that it was last told.
//!
//! Vault asks for them when it mounts or reloads an engine, and never after it started a crashed process anew. A guest
//! that runs under other paths than its own could serve without `sudo` what it means to guard. So each mount has a
//! record of what Vault was told, [`KEY`] in its own storage, where no guest can see it. [`Told`] says who writes it
//! and when.
//!
//! Note that on a reload Vault keeps the old paths unless `Initialize` succeeds and Vault asks again after that. So an
//! answer given before that changes nothing yet. A reload is recognized by its storage, which can already be written
//! during `Setup`.

use std::sync::Arc;

use airlock_storage::{Error, Storage, StorageEntry};
use parking_lot::Mutex;
use serde_json::{Map, Value};
use vault_plugin::SpecialPaths;

use crate::retry::{in_time, retry};
use crate::special_paths::control_only;

/// The key of the record. A mount without a record is new.
const KEY: &str = ".airlock/special-paths";

/// The version of the record's format.
const VERSION: u64 = 1;

/// The special paths that Vault may enforce: one set, or several if a crash left it open which of them it enforces.
pub type Record = Vec<SpecialPaths>;

/// Reads a mount's record. Returns `None` if the mount is new.
pub async fn read(storage: &dyn Storage) -> Result<Option<Record>, Error> {
    held_by(retry(|| storage.get(KEY)).await?)
}

/// Returns the record that an entry holds.
fn held_by(entry: Option<StorageEntry>) -> Result<Option<Record>, Error> {
    entry.map(|entry| parse(&entry.value)).transpose()
}

/// Returns true if storage takes no writes, as during an unseal. Writes the unchanged record to find out.
pub async fn is_read_only(storage: &dyn Storage, record: &Record) -> bool {
    write(storage, record).await == Err(Error::ReadOnly)
}

/// The answer of one mount to `SpecialPaths`, and what Vault enforces of it.
///
/// The record is written before the first request runs under an answer other than the recorded one. It names both sets
/// while it is open which of them Vault takes.
pub struct Told {
    storage: Arc<dyn Storage>,
    answer: SpecialPaths,
    is_made_up: bool,
    state: Mutex<State>,
    writing: tokio::sync::Mutex<()>,
}

struct State {
    /// The content of the record, or `None` if it is not known.
    stored: Option<Record>,
    /// The paths that Vault enforces if it has not taken the answer, or `None` if they are not known.
    before: Option<SpecialPaths>,
    /// True if Vault has taken the answer.
    taken: bool,
    /// True if an engine was already served here, so that Vault takes no answer before `Initialize`.
    replaces: bool,
    /// True if this process has written the record.
    writes: bool,
}

impl Told {
    /// Creates the state of a mount, in `Setup`. `record` is what the mount's record was. The mount answers its guest's
    /// special paths, or without a guest those that Vault was told last. Writes only if Vault is about to be told
    /// something new.
    pub async fn new(
        storage: Arc<dyn Storage>,
        record: Result<Option<Record>, Error>,
        guest: Option<SpecialPaths>,
    ) -> Self {
        let is_made_up = record.is_err() && guest.is_none();
        let last = || record.as_ref().ok().and_then(|record| record.as_ref()?.last());
        let answer = guest.or_else(|| last().cloned()).unwrap_or_else(control_only);
        let mut state = match record {
            Ok(record) => {
                let enforced = record.clone().unwrap_or_else(|| vec![control_only()]);
                State {
                    stored: Some(record.unwrap_or_default()),
                    before: <[_; 1]>::try_from(enforced).ok().map(|[paths]| paths),
                    taken: false,
                    replaces: false,
                    writes: false,
                }
            }
            // Nothing is known, so only an answer after `Initialize` is certain to count.
            Err(_) => State {
                stored: None,
                before: None,
                taken: false,
                replaces: true,
                writes: false,
            },
        };
        if let Some(stored) = &state.stored
            && state.before.as_ref() != Some(&answer)
        {
            let mut both = match &state.before {
                Some(before) => vec![before.clone()],
                None => stored.clone(),
            };
            both.retain(|paths| *paths != answer);
            both.push(answer.clone());
            match write(&*storage, &both).await {
                // Vault is mounting the engine, so it takes what it is told from now on.
                Err(Error::ReadOnly) => {}
                Ok(()) => {
                    state.replaces = true;
                    state.writes = true;
                    state.stored = Some(both);
                }
                Err(_) => {
                    state.replaces = true;
                    state.stored = None;
                }
            }
        }
        Self {
            storage,
            answer,
            is_made_up,
            state: Mutex::new(state),
            writing: tokio::sync::Mutex::new(()),
        }
    }

    /// Returns the answer to `SpecialPaths`.
    pub fn answer(&self) -> SpecialPaths {
        let mut state = self.state.lock();
        state.taken |= !state.replaces;
        self.answer.clone()
    }

    /// Returns true if the answer is neither a guest's nor the record's. Vault must not take it in place of what it
    /// enforces, so `Initialize` has to fail.
    pub fn is_made_up(&self) -> bool {
        self.is_made_up
    }

    /// Records that `Initialize` was called: from now on Vault takes each answer.
    pub fn initializing(&self) {
        self.state.lock().replaces = false;
    }

    /// Returns what Vault enforces now, or `None` if that is not known.
    pub fn enforced(&self) -> Option<SpecialPaths> {
        let state = self.state.lock();
        match state.taken {
            true => Some(self.answer.clone()),
            false => state.before.clone(),
        }
    }

    /// Returns true if Vault has taken the answer.
    pub fn is_taken(&self) -> bool {
        self.state.lock().taken
    }

    /// Records what Vault enforces, if that is known and not recorded yet. Call this before a request runs, when no
    /// reload can be under way, or once the answer [is taken](Self::is_taken).
    ///
    /// A standby cannot write. It serves what it was told without a record, and the record says what its active node
    /// was told. So a process that was not asked must be able to write before it relies on the record.
    ///
    /// # Errors
    /// Storage's, even if the record could not be read until now. [`Error::ReadOnly`] on a standby that was not asked,
    /// so that the server forwards the request. Nothing may run on the mount then; the next call tries again.
    pub async fn record(&self) -> Result<(), Error> {
        let _alone = self.writing.lock().await;
        self.learn().await?;
        let Some(enforced) = self.enforced() else {
            return Ok(());
        };
        let wanted = vec![enforced];
        {
            let state = self.state.lock();
            if state.stored.as_ref() == Some(&wanted) && (state.taken || state.writes) {
                return Ok(());
            }
        }
        let written = write(&*self.storage, &wanted).await;
        let mut state = self.state.lock();
        match written {
            Ok(()) => {
                state.stored = Some(wanted);
                state.writes = true;
                Ok(())
            }
            Err(Error::ReadOnly) if state.taken => Ok(()),
            Err(error) => {
                if error != Error::ReadOnly {
                    state.stored = None;
                }
                Err(error)
            }
        }
    }

    /// Reads the record if storage failed when `Setup` read it. Vault may have taken the answer since, so the record
    /// then names that answer too. What Vault enforces is known only if both are the same.
    async fn learn(&self) -> Result<(), Error> {
        {
            let state = self.state.lock();
            if state.taken || state.before.is_some() || state.stored.is_some() {
                return Ok(());
            }
        }
        let entry = in_time(self.storage.get(KEY)).await?;
        let Ok(record) = held_by(entry) else {
            // The record is not of this version: only a reload helps.
            return Ok(());
        };
        let mut both = record.unwrap_or_else(|| vec![control_only()]);
        both.retain(|paths| *paths != self.answer);
        both.push(self.answer.clone());
        if both.len() > 1 {
            write(&*self.storage, &both).await?;
        }
        let mut state = self.state.lock();
        state.before = <[_; 1]>::try_from(both.clone()).ok().map(|[paths]| paths);
        state.stored = Some(both);
        Ok(())
    }
}

async fn write(storage: &dyn Storage, record: &[SpecialPaths]) -> Result<(), Error> {
    in_time(storage.put(StorageEntry::new(KEY, to_text(record)))).await
}

type List = fn(&mut SpecialPaths) -> &mut Vec<String>;

/// The lists by their names in the record.
const LISTS: [(&str, List); 8] = [
    ("root", |paths| &mut paths.root),
    ("unauthenticated", |paths| &mut paths.unauthenticated),
    ("local_storage", |paths| &mut paths.local_storage),
    ("seal_wrap_storage", |paths| &mut paths.seal_wrap_storage),
    ("write_forwarded_storage", |paths| {
        &mut paths.write_forwarded_storage
    }),
    ("binary", |paths| &mut paths.binary),
    ("limited", |paths| &mut paths.limited),
    ("allow_snapshot_read", |paths| &mut paths.allow_snapshot_read),
];

fn to_json(paths: &SpecialPaths) -> Value {
    let mut paths = paths.clone();
    let lists = LISTS.map(|(name, list)| (name.to_owned(), std::mem::take(list(&mut paths)).into()));
    Value::Object(Map::from_iter(lists))
}

pub(crate) fn to_text(record: &[SpecialPaths]) -> String {
    let value = serde_json::json!({
        "version": VERSION,
        "told": record.iter().map(to_json).collect::<Vec<_>>(),
    });
    value.to_string()
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Record, Error> {
    let unreadable = || Error::Backend(format!("the record {KEY} is not one of this version of airlock"));
    let mut record: Value = serde_json::from_slice(bytes).map_err(|_| unreadable())?;
    if record["version"].as_u64() != Some(VERSION) {
        return Err(unreadable());
    }
    let Some(Value::Array(told)) = record.get_mut("told").map(Value::take) else {
        return Err(unreadable());
    };
    let paths = |mut value: Value| {
        let mut paths = SpecialPaths::default();
        for (name, list) in LISTS {
            // Does not use `value[name]`, which panics if the value is not an object.
            let found = value.get_mut(name).map(Value::take).unwrap_or_default();
            *list(&mut paths) = serde_json::from_value(found).map_err(|_| unreadable())?;
        }
        Ok(paths)
    };
    told.into_iter().map(paths).collect()
}

#[cfg(test)]
mod tests;

//! The versions that one key of the versioned engine may have. Each version was made by one request.
//!
//! Writes and reads share the key. A request that deletes uses the key exclusively, so that the version that it deletes
//! is known.

use std::collections::BTreeMap;

use serde_json::Value;

use super::clock::Tick;
use super::outcome::{lost, wrong};
use super::register::Fault;
use super::value::Id;

/// The number of versions of a key that the engine keeps.
pub const KEPT: u64 = 10;

/// The data of a version: the request that wrote it, and the request that last patched it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Content {
    pub text: Id,
    pub patch: Option<Id>,
}

impl Content {
    /// Returns the request that made the version.
    fn maker(self) -> Id {
        self.patch.unwrap_or(self.text)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hidden {
    Deleted,
    Destroyed,
}

/// The versions that cannot be read, or `None` if the whole key was removed.
pub type State = Option<BTreeMap<u64, Hidden>>;

#[derive(Debug)]
struct Version {
    maker: Id,
    /// Unknown for a patch of a version whose content is unknown.
    content: Option<Content>,
}

#[derive(Debug, Default)]
pub struct History {
    /// The number of requests that share the key, and true if one uses it exclusively.
    shared: u32,
    exclusive: bool,
    /// The newest version that certainly exists.
    pub floor: u64,
    /// The highest version that may have been made.
    pub ceiling: u64,
    versions: BTreeMap<u64, Version>,
    on_their_way: Vec<Id>,
    /// Requests that may have taken effect, even more than once.
    unclear: Vec<Id>,
    pub hidden: BTreeMap<u64, Hidden>,
    present_since: Tick,
    /// The moment at which the last request that removed the key ended.
    removed_by: Tick,
}

impl History {
    /// Takes the key to share it with others. Returns false if that is not possible now.
    pub fn share(&mut self) -> bool {
        let free = !self.exclusive;
        self.shared += u32::from(free);
        free
    }

    /// Takes the key exclusively. Returns false if that is not possible now.
    pub fn claim(&mut self) -> bool {
        let free = !self.exclusive && self.shared == 0;
        self.exclusive |= free;
        free
    }

    pub fn release(&mut self) {
        self.shared -= u32::from(!self.exclusive);
        self.exclusive = false;
    }

    /// Notes that request `id` is about to make a version, or two if it is disturbed.
    pub fn begin(&mut self, id: Id) {
        self.ceiling += 2;
        self.on_their_way.push(id);
    }

    /// Returns true if another request may have changed the key meanwhile. `floor` is the newest version when this
    /// request began.
    pub fn has_moved(&self, floor: u64) -> bool {
        self.ceiling > floor + 2
    }

    /// Notes that the request certainly made no version.
    pub fn refused(&mut self, id: Id) {
        self.ceiling -= 2;
        self.on_their_way.retain(|other| *other != id);
    }

    /// Notes that the request made exactly one version.
    pub fn made_one(&mut self) {
        self.ceiling -= 1;
    }

    /// Notes that the request may have made one version, or two.
    pub fn unclear(&mut self, id: Id) {
        self.on_their_way.retain(|other| *other != id);
        self.unclear.push(id);
    }

    /// Notes that the request was told that it made this version. `patch` is true for a patch, which was based on the
    /// version before.
    pub fn made(&mut self, id: Id, patch: bool, version: u64, floor: u64, now: Tick) -> Result<(), Fault> {
        self.on_their_way.retain(|other| *other != id);
        if version <= floor || version > self.ceiling {
            return wrong(format!(
                "version {version} was made over {floor}, of {} in all",
                self.ceiling
            ));
        }
        let content = match patch {
            false => Some(Content {
                text: id,
                patch: None,
            }),
            true => self.content(version - 1).map(|before| Content {
                patch: Some(id),
                ..before
            }),
        };
        if let Some(known) = self.versions.get(&version) {
            if known.maker != id {
                return wrong(format!(
                    "two requests made version {version}: {:x} and {id:x}",
                    known.maker
                ));
            }
            if known.content.is_some() && content.is_some() && known.content != content {
                return wrong(format!(
                    "version {version} has {:?}, not {content:?}",
                    known.content
                ));
            }
        }
        self.found(version, now);
        let known = self.versions.get(&version).and_then(|known| known.content);
        self.insert(version, id, content.or(known));
        Ok(())
    }

    fn content(&self, version: u64) -> Option<Content> {
        self.versions.get(&version)?.content
    }

    fn insert(&mut self, version: u64, maker: Id, content: Option<Content>) {
        self.versions.insert(version, Version { maker, content });
        let oldest = self.floor.saturating_sub(KEPT + 2);
        self.versions.retain(|version, _| *version >= oldest);
    }

    fn found(&mut self, version: u64, now: Tick) {
        if self.floor == 0 {
            self.present_since = now;
        }
        self.floor = self.floor.max(version);
    }

    /// Checks the content of a version that a request read: the newest version, or the one that it asked for. `floor`
    /// is the newest version when the request began.
    pub fn read(
        &mut self,
        version: u64,
        content: Content,
        asked: Option<u64>,
        floor: u64,
        now: Tick,
    ) -> Result<(), Fault> {
        match asked {
            Some(asked) if asked != version => {
                return wrong(format!("version {version} in place of {asked}"));
            }
            None if version < floor => {
                return lost(format!("version {version} is the newest, after {floor}"));
            }
            _ => {}
        }
        if version > self.ceiling {
            return wrong(format!("version {version}, of {} in all", self.ceiling));
        }
        if self.hidden.contains_key(&version) {
            return wrong(format!("version {version} is deleted and was read"));
        }
        let maker = content.maker();
        match self.versions.get(&version) {
            Some(known) if known.maker != maker || known.content.is_some_and(|known| known != content) => {
                return wrong(format!("version {version} has {content:?}, not {known:?}"));
            }
            Some(_) => {}
            // The model has forgotten the version, because it is so old.
            None if version + KEPT < self.floor => {}
            None if !self.on_their_way.contains(&maker) && !self.unclear.contains(&maker) => {
                return wrong(format!(
                    "version {version} has {content:?}, which nobody can have made: {self:?}"
                ));
            }
            None => {}
        }
        self.found(version, now);
        self.insert(version, maker, Some(content));
        Ok(())
    }

    /// Checks the answer to a request that found no readable version. `floor` is the newest version when the request
    /// began.
    pub fn read_nothing(
        &mut self,
        version: Option<u64>,
        asked: Option<u64>,
        floor: u64,
    ) -> Result<(), Fault> {
        match version {
            Some(version) if asked.unwrap_or(version) != version => {
                wrong(format!("version {version} for {asked:?}"))
            }
            Some(version) if asked.is_none() && version < floor => {
                lost(format!("version {version}, after {floor}"))
            }
            Some(version) if self.hidden.contains_key(&version) => Ok(()),
            // The version was trimmed.
            None if asked.is_some_and(|asked| asked + KEPT <= self.ceiling) => Ok(()),
            None if floor == 0 => Ok(()),
            _ => lost(format!("version {version:?} of {floor} is not there: {self:?}")),
        }
    }

    /// Takes over the metadata that a request with exclusive use of the key read, or none if the key does not exist. It
    /// must fit one of `states`.
    pub fn adopt(&mut self, metadata: Option<&Value>, states: &[State], now: Tick) -> Result<(), Fault> {
        let Some(metadata) = metadata else {
            if self.floor > 0 && !states.contains(&None) {
                return lost(format!("the key is gone: {self:?}"));
            }
            self.reset(now);
            return Ok(());
        };
        let current = metadata["current_version"].as_u64().unwrap_or(0);
        if current < self.floor {
            return lost(format!("version {current} is the newest, after {}", self.floor));
        }
        if current > self.ceiling {
            return wrong(format!("version {current}, of {} in all", self.ceiling));
        }
        let mut told = BTreeMap::new();
        for (version, of) in metadata["versions"].as_object().into_iter().flatten() {
            let version: u64 = version.parse().unwrap_or(0);
            if of["destroyed"] == true {
                told.insert(version, Hidden::Destroyed);
            } else if of["deletion_time"].as_str().is_some_and(|time| !time.is_empty()) {
                told.insert(version, Hidden::Deleted);
            }
        }
        let kept = |version: &u64| version + KEPT > current;
        let fits = |state: &State| {
            let state = state.iter().flatten().filter(|(version, _)| kept(version));
            state.eq(told.iter().filter(|(version, _)| kept(version)))
        };
        if !states.iter().any(|state| state.is_some() && fits(state)) {
            return lost(format!("hidden are {told:?}, which is none of {states:?}"));
        }
        self.found(current, now);
        self.hidden = told;
        self.ceiling = current;
        Ok(())
    }

    /// Notes that the key was removed, with all of its versions.
    pub fn reset(&mut self, now: Tick) {
        *self = History {
            exclusive: self.exclusive,
            shared: self.shared,
            present_since: self.present_since,
            removed_by: now,
            ..History::default()
        };
    }

    /// Returns whether the key may have existed, and whether it may have been missing, at some time since `from`.
    pub fn possible(&self, from: Tick) -> (bool, bool) {
        let removed = self.exclusive || self.removed_by >= from;
        (
            self.ceiling > 0 || removed,
            self.floor == 0 || self.present_since >= from || removed,
        )
    }

    /// Returns how many entries its versions have in storage, if it is known which versions exist.
    pub fn stored_versions(&self) -> u64 {
        let kept = self.floor.saturating_sub(KEPT) + 1..=self.floor;
        let destroyed = |version: &u64| self.hidden.get(version) == Some(&Hidden::Destroyed);
        kept.filter(|version| !destroyed(version)).count() as u64
    }
}

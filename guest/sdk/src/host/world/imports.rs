//! Answers the calls of an engine.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Fault, World, check_folder, check_key};
use crate::records::Entry;
use crate::{Result, Timestamp};

/// The most bytes of an event's type and metadata, as in the host.
const LONGEST_EVENT: usize = 64 << 10;

/// The most events of a transaction, as in the host.
const MOST_EVENTS: usize = 256;

impl World {
    pub(crate) fn storage_get(&self, key: &str) -> Result<Option<Entry>> {
        check_key(key, &self.prefixes)?;
        if let Some(own) = self.own(key) {
            return Ok(own);
        }
        self.meet(|fault| match fault {
            Fault::Gets(left) => Some((left, Fault::Gets)),
            _ => None,
        })?;
        Ok(self.stored.borrow().get(key).cloned())
    }

    pub(crate) fn storage_exists(&self, key: &str) -> Result<bool> {
        Ok(self.storage_get(key)?.is_some())
    }

    pub(crate) fn storage_put(&self, entry: Entry) -> Result<()> {
        self.write(entry.key.clone(), Some(entry))
    }

    pub(crate) fn storage_delete(&self, key: &str) -> Result<()> {
        self.write(key.into(), None)
    }

    pub(crate) fn storage_list(&self, prefix: &str) -> Result<Vec<String>> {
        check_folder(prefix, &self.prefixes)?;
        self.meet(|fault| match fault {
            Fault::Lists(left) => Some((left, Fault::Lists)),
            _ => None,
        })?;
        let mut keys: BTreeSet<String> = self.stored.borrow().keys().cloned().collect();
        for (key, entry) in &*self.written.borrow() {
            match entry {
                Some(_) => keys.insert(key.clone()),
                None => keys.remove(key),
            };
        }
        let below = keys.iter().filter_map(|key| key.strip_prefix(prefix));
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
        self.may_have_effects()?;
        self.commits.set(self.commits.get() + 1);
        self.flush()?;
        self.save();
        Ok(())
    }

    pub(crate) fn send_event(&self, event_type: &str, metadata: &str) -> Result<(), String> {
        if self.events.borrow().len() - self.saved.borrow().0 >= MOST_EVENTS {
            return Err(format!("no more than {MOST_EVENTS} events in one transaction"));
        }
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

    pub(crate) fn now(&self) -> Timestamp {
        self.now.get()
    }

    /// Returns the bytes of SplitMix64, the same in each test. Fit for tests only.
    pub(crate) fn random(&self, length: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length as usize + 8);
        let mut random = self.random.get();
        while bytes.len() < length as usize {
            bytes.extend(random.next_number().to_le_bytes());
        }
        self.random.set(random);
        bytes.truncate(length as usize);
        bytes
    }
}

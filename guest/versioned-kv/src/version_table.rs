//! Keeps the metadata of a key's versions.

use std::collections::BTreeMap;

use airlock_sdk::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::model::VersionMetadata;

/// The metadata of a key's versions, by their numbers.
///
/// Each stays the stored JSON text. Most requests use one version of ten, and converting all of them would take a
/// quarter of a write's CPU time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct VersionTable(BTreeMap<u64, Box<RawValue>>);

impl VersionTable {
    /// Returns the version with a number, if it is kept.
    pub(crate) fn get(&self, number: u64) -> Result<Option<VersionMetadata>> {
        let text = self.0.get(&number).map(|text| text.get());
        text.map(serde_json::from_str)
            .transpose()
            .map_err(|_| Error::internal("the metadata of a version is not what it should be"))
    }

    /// Adds a version, or replaces the one with its number.
    pub(crate) fn put(&mut self, number: u64, version: &VersionMetadata) -> Result<()> {
        let text = serde_json::value::to_raw_value(version)
            .map_err(|_| Error::internal("the metadata of a version cannot be written as JSON"))?;
        self.0.insert(number, text);
        Ok(())
    }

    /// Returns the numbers of the versions, in order.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.0.keys().copied()
    }

    /// Returns the number of versions.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Removes the versions below a number, and returns their numbers.
    pub(crate) fn remove_below(&mut self, first_kept: u64) -> Vec<u64> {
        let kept = self.0.split_off(&first_kept);
        std::mem::replace(&mut self.0, kept).into_keys().collect()
    }
}

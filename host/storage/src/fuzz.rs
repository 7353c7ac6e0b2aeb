//! Gives the targets in `tests/fuzz` the decoders of stored data and the checks of keys. Not a stable interface: it
//! changes without notice.

use crate::commit::record::{Header, Record};
use crate::transaction::writes::Write;
use crate::{Prefixes, Result, StorageEntry, access, names};
use bytes::Bytes;
use std::collections::BTreeMap;

/// A put (`Ok`), or the key of a deletion (`Err`).
pub type RecordedWrite = std::result::Result<StorageEntry, String>;

/// Decodes a redo record. Returns the number of pieces that its header names and the writes of header and pieces, or
/// the reason why these bytes are not a record.
pub fn read_record(
    header: Bytes,
    pieces: Vec<Bytes>,
) -> std::result::Result<(u32, Vec<RecordedWrite>), &'static str> {
    let header = Header::read(header).map_err(|unreadable| unreadable.0)?;
    let count = header.pieces;
    let writes = header.writes(pieces).map_err(|unreadable| unreadable.0)?;
    let writes = writes.into_iter().map(|write| match write {
        Write::Put(entry) => Ok(entry),
        Write::Delete(key) => Err(key),
    });
    Ok((count, writes.collect()))
}

/// Encodes these writes as a redo record. Returns its header and its pieces.
pub fn write_record(writes: &[RecordedWrite]) -> (Bytes, Vec<Bytes>) {
    let writes: Vec<Write> = writes
        .iter()
        .map(|write| match write {
            Ok(entry) => Write::Put(entry.clone()),
            Err(key) => Write::Delete(key.clone()),
        })
        .collect();
    let record = Record::of(writes.iter(), &Prefixes::none());
    (record.header, record.pieces)
}

/// Checks a key that a guest names.
pub fn check_key(key: &str, declared: &Prefixes) -> Result<()> {
    access::check_key(key, declared)
}

/// Checks a folder that a guest names.
pub fn check_folder(folder: &str, declared: &Prefixes) -> Result<()> {
    access::check_folder(folder, declared)
}

/// Returns the names directly below a folder that come after `after`.
pub fn children(keys: &BTreeMap<String, ()>, folder: &str, after: &str) -> Vec<String> {
    names::children(keys, folder, after)
        .map(|(name, ())| name.to_owned())
        .collect()
}

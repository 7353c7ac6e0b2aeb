//! Checks keys and folders as the host does (`host/storage/src/access.rs`), with its texts. The conformance suite
//! compares both.

use crate::{Error, Result};

/// The longest key or folder, in bytes.
const MAX_KEY_BYTES: usize = 32_768;

/// The largest number of segments of a key or folder.
const MAX_KEY_SEGMENTS: usize = 2_048;

/// Checks a key to read, write or delete.
pub(super) fn check_key(key: &str, prefixes: &[&str]) -> Result<()> {
    if key.is_empty() {
        return invalid("the key is empty");
    }
    if key.ends_with('/') {
        return invalid("a key must not end in `/`: that is a folder");
    }
    check_path(key, key, prefixes)
}

/// Checks a folder to list.
pub(super) fn check_folder(folder: &str, prefixes: &[&str]) -> Result<()> {
    if folder.is_empty() {
        return check_granted(folder, prefixes);
    }
    match folder.strip_suffix('/') {
        Some(path) => check_path(folder, path, prefixes),
        None => invalid("a folder must be empty or end in `/`"),
    }
}

/// Checks a key or folder. `path` is `whole` without a slash at its end.
fn check_path(whole: &str, path: &str, prefixes: &[&str]) -> Result<()> {
    check_length(whole)?;
    for segment in path.split('/') {
        if segment.is_empty() {
            return invalid("keys have no leading and no doubled `/`");
        }
        if segment == "." {
            return invalid("a key must not have `.` as a segment");
        }
        if segment.contains("..") {
            return invalid("relative paths not supported: a key must not contain `..`");
        }
    }
    if path.split('/').count() > MAX_KEY_SEGMENTS {
        return invalid("a key has at most 2,048 segments");
    }
    if whole.starts_with(".airlock/") {
        return denied("keys below `.airlock/` belong to the host");
    }
    check_granted(whole, prefixes)
}

/// Checks the length of a key, which is all that a key of scratch has to meet.
pub(super) fn check_length(key: &str) -> Result<()> {
    match key.len() > MAX_KEY_BYTES {
        true => invalid("a key has at most 32,768 bytes"),
        false => Ok(()),
    }
}

fn check_granted(path: &str, prefixes: &[&str]) -> Result<()> {
    if prefixes.iter().any(|prefix| path.starts_with(prefix)) {
        return Ok(());
    }
    denied("outside the prefixes that the guest declares; add one to its `description.storage`")
}

fn invalid(why: &str) -> Result<()> {
    Err(Error::User(format!("not a storage key: {why}")))
}

fn denied(why: &str) -> Result<()> {
    Err(Error::Internal(format!("storage access denied: {why}")))
}

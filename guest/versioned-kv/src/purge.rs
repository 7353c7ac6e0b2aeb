//! Removes expired versions and versions over the limit for good, without waiting for the next write.
//!
//! Vault's engine never removes expired data, and after the limit was lowered it removes versions only with the next
//! write to the key. If the mount's option `purge` is `true`, the periodic tick does both: it destroys a version whose
//! `delete_version_after` has passed, and removes versions over the limit. It keeps what somebody deleted, because that
//! may be undeleted.
//!
//! A tick looks at a part of the keys, and the next tick continues. The position is kept in scratch, so after a restart
//! it begins again. A tick commits in batches, because other requests wait for the keys of a commit.

use airlock_sdk::{Context, Result, Timestamp};

use crate::key::Key;
use crate::layout::METADATA;
use crate::model::KeyMetadata;
use crate::settings::Settings;
use crate::{upgrade, walk};

/// The keys, and the versions, that a tick looks at. More could exhaust its memory or its time.
const BATCH_KEYS: usize = 500;
const BATCH_VERSIONS: usize = 20_000;
/// A commit has up to twice as many writes.
const COMMIT_WRITES: usize = 100;
/// The key in scratch that holds the name of the last key.
const CURSOR: &str = "purge";

/// Purges some keys.
pub(crate) fn some(cx: &Context) -> Result<()> {
    if !upgrade::may_write(cx) {
        return Ok(());
    }
    let mut settings = Settings::load(cx)?;
    let cursor = cx
        .scratch
        .get(CURSOR)
        .and_then(|cursor| String::from_utf8(cursor).ok());
    let names = walk::after(cx, METADATA, cursor.as_deref().unwrap_or_default(), BATCH_KEYS)?;
    let mut goes_on = names.len() == BATCH_KEYS;
    let (now, mut seen, mut versions, mut writes) = (cx.clock.now(), 0, 0, 0);
    let mut last = String::new();
    for name in names {
        if seen > BATCH_VERSIONS {
            goes_on = true;
            break;
        }
        last.clone_from(&name);
        let key = Key::named(cx, name);
        while let Some(mut metadata) = key.metadata()? {
            seen += metadata.versions.len();
            let purged = purge(&mut metadata, now, settings.max_versions, COMMIT_WRITES)?;
            if purged.is_empty() {
                break;
            }
            key.put_metadata(&metadata)?;
            for number in &purged {
                key.delete_data(*number)?;
            }
            versions += purged.len();
            writes += 1 + purged.len();
            if writes < COMMIT_WRITES {
                break;
            }
            // Another request may change the key or the limit after the commit, so both are read again.
            cx.storage.commit()?;
            settings = Settings::load(cx)?;
            writes = 0;
        }
    }
    if !goes_on || cx.scratch.put(CURSOR, last.as_bytes()).is_err() {
        // The end is reached, or the name does not fit into scratch: the next tick begins again.
        cx.scratch.delete(CURSOR);
    }
    if versions > 0 {
        cx.log
            .field("versions", versions)
            .info("purged what has expired or is over the limit");
    }
    Ok(())
}

/// Purges at most `most` versions in the metadata, and returns their numbers.
fn purge(metadata: &mut KeyMetadata, now: Timestamp, mount_limit: u32, most: usize) -> Result<Vec<u64>> {
    let mut purged = metadata.trim_some(mount_limit, most);
    let numbers: Vec<u64> = metadata.versions.numbers().collect();
    for number in numbers {
        if purged.len() == most {
            break;
        }
        let mut version = metadata.versions.get(number)?.unwrap_or_default();
        if !version.destroyed && version.deleted_by.is_none() && version.is_deleted(now) {
            version.destroyed = true;
            metadata.versions.put(number, &version)?;
            purged.push(number);
        }
    }
    Ok(purged)
}

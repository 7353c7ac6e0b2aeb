//! Upgrades a mount from version 1 to version 2.
//!
//! A mount that is tuned to version 2 serves at once. A key that a request asks for is upgraded immediately, and the
//! periodic tick upgrades the others in batches. Lists include keys that are not upgraded yet. Vault can be killed at
//! any moment: the old value is deleted last, and upgrading a key twice does no harm. A tick commits in batches,
//! because other requests wait for the keys of a commit.

use airlock_sdk::{Context, Result};

use crate::key::Key;
use crate::layout::VALUES;
use crate::{upgrade_note, walk};

/// The keys, and the bytes of values, that a tick upgrades. More could exhaust its memory or its time.
const BATCH_KEYS: usize = 500;
const BATCH_BYTES: usize = 4 << 20;
/// The keys that a commit upgrades, with three writes each, and the bytes of values, which the last value may exceed.
const COMMIT_KEYS: usize = 30;
const COMMIT_BYTES: usize = 1 << 20;

/// Upgrades some of the remaining keys.
pub(crate) fn some(cx: &Context) -> Result<()> {
    if upgrade_note::is_done(cx)? || !may_write(cx) {
        return Ok(());
    }
    let names = walk::after(cx, VALUES, "", BATCH_KEYS)?;
    if names.is_empty() {
        cx.log.info("nothing of version 1 is left");
        return upgrade_note::finish(cx);
    }
    let (mut keys, mut bytes, mut committed_bytes) = (0, 0, 0);
    for name in names {
        let key = Key::named(cx, name);
        if key.is_upgraded()? {
            // A crash has left the old value of an upgraded key.
            cx.storage.delete(&key.old_key())?;
        } else if let Some(value) = cx.storage.get(&key.old_key())? {
            bytes += value.len();
            key.upgrade_value(value)?;
        }
        keys += 1;
        if bytes > BATCH_BYTES {
            break;
        }
        if keys % COMMIT_KEYS == 0 || bytes - committed_bytes >= COMMIT_BYTES {
            cx.storage.commit()?;
            committed_bytes = bytes;
        }
    }
    cx.log
        .field("keys", keys)
        .info("upgraded keys from version 1 to version 2");
    Ok(())
}

/// Returns true if this server may write to the mount.
pub(crate) fn may_write(cx: &Context) -> bool {
    let replication = cx.system.replication_state().unwrap_or_default();
    let local = cx.system.local_mount().unwrap_or_default();
    let replica = replication.performance_standby
        || replication.disaster_recovery_secondary
        || (replication.performance_secondary && !local);
    !replica
}

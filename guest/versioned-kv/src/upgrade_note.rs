//! Keeps the note that nothing of version 1 is left on the mount.

use airlock_sdk::{Context, Result};
use serde::{Deserialize, Serialize};

/// The storage key of the note that nothing of version 1 is left.
pub(crate) const KEY: &str = "upgrade";

#[derive(Serialize, Deserialize)]
struct Upgrade {
    done: bool,
}

/// Returns true if something of version 1 may be left.
pub(crate) fn is_pending(cx: &Context) -> Result<bool> {
    let upgrade: Option<Upgrade> = cx.storage.get_json(KEY)?;
    Ok(!upgrade.is_some_and(|upgrade| upgrade.done))
}

/// Returns true if the mount is or was of version 2 and nothing of version 1 is left.
pub(crate) fn is_done(cx: &Context) -> Result<bool> {
    is_pending(cx).map(|pending| !pending)
}

/// Notes that nothing of version 1 is left, now or later.
pub(crate) fn finish(cx: &Context) -> Result<()> {
    cx.storage.put_json(KEY, &Upgrade { done: true })
}

//! Remembers which codes were validated, so that each is accepted once.
//!
//! Accepted codes are stored: they survive a restart, and two requests with the same code conflict, so that the second
//! runs again and finds the code used. Within the time in which a code is remembered only a few codes of a key can be
//! accepted, so the entry is small. Refused codes are remembered in scratch, only so that they are answered as in Vault:
//! if scratch forgets one, the code is refused again with another answer.

use airlock_sdk::{Context, Result, Timestamp};
use sha2_digest_0_11::{Digest, Sha256};

use crate::key::Key;

/// The storage prefix of accepted codes.
pub(crate) const USED: &str = "used/";

/// The most refused codes of a key that are remembered.
const MOST_REFUSED: usize = 64;

/// The start of a code's digest, and the last second in which the code is remembered.
type Codes = Vec<(String, u64)>;

/// Returns true if the code was validated before.
pub(crate) fn is_used(cx: &Context, name: &str, code: &str) -> Result<bool> {
    let digest = digest(code);
    let has = |codes: Codes| codes.iter().any(|(other, _)| *other == digest);
    Ok(has(accepted(cx, name)?) || has(refused(cx, name)))
}

/// Remembers a code.
///
/// # Errors
/// Those of storage.
pub(crate) fn remember(cx: &Context, name: &str, key: &Key, code: &str, is_valid: bool) -> Result<()> {
    let entry = (digest(code), now(cx).saturating_add(key.lifetime()));
    if is_valid {
        let mut codes = accepted(cx, name)?;
        codes.push(entry);
        return cx.storage.put_json(&path(name), &codes);
    }
    let mut codes = refused(cx, name);
    codes.push(entry);
    let over = codes.len().saturating_sub(MOST_REFUSED);
    codes.drain(..over);
    // Without room in scratch the code is not remembered; it stays wrong.
    let _ = cx.scratch.put_json(&path(name), &codes);
    Ok(())
}

/// Removes the entry of a key that is deleted, unless it still keeps a code from being accepted again by a new key.
pub(crate) fn forget_expired(cx: &Context, name: &str) -> Result<()> {
    if accepted(cx, name)?.is_empty() {
        cx.storage.delete(&path(name))?;
    }
    Ok(())
}

fn accepted(cx: &Context, name: &str) -> Result<Codes> {
    let codes = cx.storage.get_json(&path(name))?;
    Ok(fresh(cx, codes.unwrap_or_default()))
}

fn refused(cx: &Context, name: &str) -> Codes {
    fresh(cx, cx.scratch.get_json(&path(name)).unwrap_or_default())
}

fn fresh(cx: &Context, mut codes: Codes) -> Codes {
    let now = now(cx);
    codes.retain(|(_, until)| now <= *until);
    codes
}

fn now(cx: &Context) -> u64 {
    let Timestamp { seconds, .. } = cx.clock.now();
    u64::try_from(seconds).unwrap_or(0)
}

/// Returns 16 hexadecimal digits of a code's digest: a code may have any length.
fn digest(code: &str) -> String {
    let digest = Sha256::digest(code.as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn path(name: &str) -> String {
    format!("{USED}{name}")
}

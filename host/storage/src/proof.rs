//! Proof that storage takes a key, before a redo record promises that it will be written.
//!
//! The record itself proves that an entry is not too large, but its own keys are short and plain. Storage may refuse others:
//! a file system takes no segment of 300 bytes, a database no key of 5,000. So an empty entry is stored under every
//! unusual key, below the record's folder, and removed at once. That costs two calls for each of them.

use crate::Entry;
use crate::calls::Calls;
use crate::retry::{Failed, Patience};
use crate::writes::Write;

/// Where proofs lie below a folder of records.
pub(crate) const PROOFS: &str = "proof/";

/// Keys up to this many bytes every storage takes.
const PLAIN_KEY: usize = 256;
/// A file name may have at least 143 bytes everywhere, of which Vault's file storage uses up to 12.
const PLAIN_SEGMENT: usize = 128;

/// Makes sure that storage takes the keys of these writes. Leaves nothing behind but what it could not remove.
pub(crate) async fn prove<'w>(
    writes: impl Iterator<Item = &'w Write>,
    folder: &str,
    patience: &Patience,
    calls: &Calls,
) -> Result<(), Failed> {
    for write in writes.filter(|write| write.is_put() && !is_plain(write.key())) {
        let key = format!("{folder}{PROOFS}{}", write.key());
        let proven = patience.insist(|| calls.put(Entry::new(key.clone(), ""))).await;
        if !matches!(proven, Err(Failed::Refused(_))) {
            // One that stays does no harm, and a later start removes it.
            let _ = patience.insist(|| calls.delete(&key)).await;
        }
        proven?;
    }
    Ok(())
}

/// Removes the proofs that a crash left.
pub(crate) async fn clear(folder: &str, patience: &Patience, calls: &Calls) -> Result<(), Failed> {
    let mut ahead = vec![format!("{folder}{PROOFS}")];
    while let Some(path) = ahead.pop() {
        if !path.ends_with('/') {
            patience.insist(|| calls.delete(&path)).await?;
            continue;
        }
        let names = patience.insist(|| calls.list(&path, None)).await?;
        ahead.extend(names.into_iter().map(|name| format!("{path}{name}")));
    }
    Ok(())
}

fn is_plain(key: &str) -> bool {
    key.len() <= PLAIN_KEY
        && key.split('/').all(|segment| segment.len() <= PLAIN_SEGMENT)
        && !key.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_keys_long_segments_and_control_characters_are_unusual() {
        for plain in ["a", "team/app/database", &"s".repeat(128), &["x"; 100].join("/")] {
            assert!(is_plain(plain), "{plain}");
        }
        for unusual in ["a\0b", &"s".repeat(129), &["x"; 130].join("/")] {
            assert!(!is_plain(unusual), "{unusual}");
        }
    }
}

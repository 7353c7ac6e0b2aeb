//! Proof that storage takes a key, before a redo record promises that it will be written.
//!
//! The record itself proves that an entry is not too large, but its own keys are short and plain. Storage may refuse
//! other keys: a file system refuses a segment of 300 bytes, a database a key of 5,000. So an empty entry is stored
//! under every unusual key, below the record's folder, and removed at once. That costs two calls for each unusual key.

use crate::StorageEntry;
use crate::calls::Calls;
use crate::commit::retry::{Failed, Patience};
use crate::transaction::writes::Write;

/// The folder of the proofs, relative to a folder of records.
pub(crate) const PROOFS: &str = "proof/";

/// Every storage takes keys of up to this many bytes.
const PLAIN_KEY: usize = 256;
/// Every file system allows file names of 143 bytes, and Vault's file storage uses up to 12 of them.
const PLAIN_SEGMENT: usize = 128;

/// Makes sure that storage takes the keys of these writes. Leaves nothing behind except what it could not remove.
pub(crate) async fn prove<'w>(
    writes: impl Iterator<Item = &'w Write>,
    folder: &str,
    patience: &Patience,
    calls: &Calls,
) -> Result<(), Failed> {
    for write in writes.filter(|write| write.is_put() && !is_plain(write.key())) {
        let key = format!("{folder}{PROOFS}{}", write.key());
        let proven = patience
            .insist(|| calls.put(StorageEntry::new(key.clone(), "")))
            .await;
        if !matches!(proven, Err(Failed::Refused(_))) {
            // A proof that stays does no harm, and a later start removes it.
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

//! The guests in a mount's storage.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use airlock_storage::{Storage, StorageEntry};
use airlock_trust::Digest;
use parking_lot::Mutex;

use super::manifest::{About, Manifest};
use super::piece;
use super::{MOST, PushError, QUOTA};

const GUESTS: &str = ".airlock/guests/";
const PIECES: &str = ".airlock/pieces/";

/// The time after which a guest that nothing names, or a push that was cut off, may be removed.
const AGED: Duration = Duration::from_secs(60 * 60);

/// Guests are put together one at a time, because each is held in memory whole.
static ASSEMBLING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The guests of one mount.
pub(crate) struct Guests {
    storage: Arc<dyn Storage>,
    /// The pieces that were found to be missing, which [`put_piece`](Self::put_piece) takes.
    wanted: Mutex<BTreeSet<Digest>>,
}

/// The amounts that [`Guests::collect`] removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Collected {
    pub guests: usize,
    pub pieces: usize,
    /// Bytes of the guests before compression.
    pub bytes: u64,
}

impl Guests {
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            wanted: Mutex::default(),
        }
    }

    /// Takes the announcement of a guest. Returns its manifest, and which of its pieces are missing.
    ///
    /// The manifest of a guest that is stored already has the new signature, if there is one; [`keep`](Self::keep) stores that.
    pub async fn announce(
        &self,
        digest: Digest,
        size: u64,
        pieces: Vec<Digest>,
        signature: Option<String>,
    ) -> Result<(Manifest, Vec<Digest>), PushError> {
        let mut manifest = Manifest::new(size, pieces, signature, now())?;
        let stored = self.all().await?;
        let before = stored.get(&digest);
        if let Some(before) = before {
            manifest.signature = manifest.signature.or_else(|| before.signature.clone());
            manifest.about.clone_from(&before.about);
        }
        let others = stored.iter().filter(|(other, _)| **other != digest);
        let used: u64 = others.clone().map(|(_, manifest)| manifest.size).sum();
        if others.count() >= MOST {
            return Err(PushError::TooMany);
        }
        if used.saturating_add(size) > QUOTA {
            return Err(PushError::Full { used });
        }
        match before {
            // What is whole may run at the next start, so nothing changes it that was not checked: `keep` does.
            Some(before) if before.about.is_some() => {
                if before.pieces != manifest.pieces {
                    return Err(PushError::Recut { digest });
                }
            }
            Some(before) if *before == manifest => {}
            _ => self.write(digest, &manifest).await?,
        }
        let missing = self.missing(&manifest).await?;
        self.wanted.lock().extend(&missing);
        Ok((manifest, missing))
    }

    /// Returns the pieces of a guest that are not stored, each once.
    async fn missing(&self, manifest: &Manifest) -> Result<Vec<Digest>, PushError> {
        let stored: BTreeSet<_> = self.storage.list(PIECES).await?.into_iter().collect();
        let mut missing: Vec<_> = manifest
            .pieces
            .iter()
            .filter(|piece| !stored.contains(&piece.to_string()))
            .copied()
            .collect();
        missing.sort_unstable();
        missing.dedup();
        Ok(missing)
    }

    /// Stores a piece that a guest names.
    pub async fn put_piece(&self, digest: Digest, compressed: Vec<u8>) -> Result<(), PushError> {
        if !self.wants(digest).await? {
            return Err(PushError::Unwanted);
        }
        piece::expand(&compressed, digest).map_err(|why| PushError::Piece { digest, why })?;
        let entry = StorageEntry::new(format!("{PIECES}{digest}"), compressed);
        self.storage.put(entry).await?;
        self.wanted.lock().remove(&digest);
        Ok(())
    }

    /// Returns true if a guest names the piece. Another process may have taken the announcement.
    async fn wants(&self, digest: Digest) -> Result<bool, PushError> {
        if self.wanted.lock().contains(&digest) {
            return Ok(true);
        }
        let all = self.all().await?;
        Ok(all.values().any(|manifest| manifest.pieces.contains(&digest)))
    }

    /// Puts a guest together from its pieces, and checks each of them and the whole.
    pub async fn assemble(&self, digest: Digest, manifest: &Manifest) -> Result<Vec<u8>, PushError> {
        let _one = ASSEMBLING.lock().await;
        let mut component = Vec::with_capacity(manifest.size as usize);
        for digest in manifest.pieces.iter().copied() {
            let entry = self.storage.get(&format!("{PIECES}{digest}")).await?;
            let entry = entry.ok_or(PushError::Missing { digest })?;
            let piece =
                piece::expand(&entry.value, digest).map_err(|why| PushError::Piece { digest, why })?;
            component.extend_from_slice(&piece);
        }
        match Digest::of(&component) {
            found if found == digest => Ok(component),
            found => Err(PushError::Other { digest, found }),
        }
    }

    /// Notes that a guest is whole and was loaded with this signature, and what it says of itself.
    pub async fn keep(&self, digest: Digest, mut manifest: Manifest, about: About) -> Result<(), PushError> {
        let stored = self.manifest(digest).await?;
        manifest.about = Some(about);
        match stored == manifest {
            true => Ok(()),
            false => self.write(digest, &manifest).await,
        }
    }

    /// Returns what is stored of a guest.
    pub async fn manifest(&self, digest: Digest) -> Result<Manifest, PushError> {
        let key = format!("{GUESTS}{digest}");
        match self.storage.get(&key).await? {
            Some(entry) => Manifest::parse(&key, &entry.value),
            None => Err(PushError::NotStored { digest }),
        }
    }

    /// Returns all guests that are stored or being pushed.
    pub async fn all(&self) -> Result<BTreeMap<Digest, Manifest>, PushError> {
        let mut all = BTreeMap::new();
        for name in self.storage.list(GUESTS).await? {
            if let Ok(digest) = name.parse() {
                all.insert(digest, self.manifest(digest).await?);
            }
        }
        Ok(all)
    }

    /// Removes the guests that have aged and are not among `kept`, and then the pieces that no guest names.
    pub async fn collect(&self, kept: &BTreeSet<Digest>) -> Result<Collected, PushError> {
        let mut collected = Collected::default();
        let aged = now().saturating_sub(AGED.as_secs());
        let mut named = BTreeSet::new();
        for (digest, manifest) in self.all().await? {
            if kept.contains(&digest) || manifest.pushed > aged {
                named.extend(manifest.pieces);
                continue;
            }
            self.storage.delete(&format!("{GUESTS}{digest}")).await?;
            collected.guests += 1;
            collected.bytes += manifest.size;
        }
        for name in self.storage.list(PIECES).await? {
            if name.parse().is_ok_and(|piece| named.contains(&piece)) {
                continue;
            }
            self.storage.delete(&format!("{PIECES}{name}")).await?;
            collected.pieces += 1;
        }
        Ok(collected)
    }

    async fn write(&self, digest: Digest, manifest: &Manifest) -> Result<(), PushError> {
        let entry = StorageEntry::new(format!("{GUESTS}{digest}"), manifest.to_text());
        Ok(self.storage.put(entry).await?)
    }
}

/// Returns the seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;

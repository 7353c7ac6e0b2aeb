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

/// What [`Guests::collect`] removed.
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
mod tests {
    use airlock_storage::MemoryStorage;

    use super::super::PIECE;
    use super::*;

    /// A guest of three pieces, two of them alike.
    fn guest() -> (Vec<u8>, Vec<Digest>) {
        let mut component = vec![1; 2 * PIECE];
        component.push(2);
        let pieces = component.chunks(PIECE).map(Digest::of).collect();
        (component, pieces)
    }

    fn guests() -> (Arc<MemoryStorage>, Guests) {
        let storage = Arc::new(MemoryStorage::new());
        (storage.clone(), Guests::new(storage))
    }

    #[tokio::test]
    async fn a_push_that_was_cut_off_is_continued_by_another_process() {
        let (storage, guests) = guests();
        let (component, pieces) = guest();
        let digest = Digest::of(&component);
        let announce = async |guests: &Guests| {
            guests
                .announce(digest, component.len() as u64, pieces.clone(), None)
                .await
                .unwrap()
        };
        let (_, missing) = announce(&guests).await;
        assert_eq!(missing.len(), 2);
        guests
            .put_piece(pieces[0], piece::compress(&component[..PIECE]))
            .await
            .unwrap();

        let guests = Guests::new(storage);
        // The other process has not seen the announcement, and takes the piece all the same.
        guests
            .put_piece(pieces[2], piece::compress(&component[2 * PIECE..]))
            .await
            .unwrap();
        let (manifest, missing) = announce(&guests).await;
        assert_eq!(missing, []);
        assert_eq!(guests.assemble(digest, &manifest).await.unwrap(), component);
    }

    #[tokio::test]
    async fn what_is_missing_damaged_or_unwanted_is_named() {
        let (storage, guests) = guests();
        let (component, pieces) = guest();
        let digest = Digest::of(&component);
        let piece = || piece::compress(&component[..PIECE]);
        assert!(matches!(
            guests.put_piece(pieces[0], piece()).await,
            Err(PushError::Unwanted)
        ));
        let announced = guests.announce(digest, component.len() as u64, pieces.clone(), None);
        let (manifest, _) = announced.await.unwrap();
        assert!(matches!(
            guests.put_piece(pieces[2], piece()).await,
            Err(PushError::Piece { .. })
        ));
        assert!(matches!(
            guests.assemble(digest, &manifest).await,
            Err(PushError::Missing { .. })
        ));
        let key = format!("{PIECES}{}", pieces[0]);
        storage.put(StorageEntry::new(key, "damaged")).await.unwrap();
        assert!(matches!(
            guests.assemble(digest, &manifest).await,
            Err(PushError::Piece { .. })
        ));
    }

    fn about() -> About {
        About {
            name: "kv".into(),
            version: "1.0.0".into(),
            signer: None,
        }
    }

    #[tokio::test]
    async fn a_new_signature_replaces_the_old_one_once_it_was_checked() {
        let (_, guests) = guests();
        let digest = Digest::of(b"x");
        let announce = async |signature: Option<&str>| {
            let announced = guests.announce(digest, 1, vec![digest], signature.map(str::to_owned));
            announced.await.unwrap().0
        };
        let stored = async || guests.manifest(digest).await.unwrap().signature;
        let first = announce(Some("one")).await;
        guests.keep(digest, first, about()).await.unwrap();
        assert_eq!(announce(None).await.signature.as_deref(), Some("one"));
        let second = announce(Some("two")).await;
        assert_eq!(stored().await.as_deref(), Some("one"));
        guests.keep(digest, second, about()).await.unwrap();
        assert_eq!(stored().await.as_deref(), Some("two"));
    }

    #[tokio::test]
    async fn a_stored_guest_cannot_be_announced_with_other_pieces() {
        let (_, guests) = guests();
        let digest = Digest::of(b"x");
        let (manifest, _) = guests.announce(digest, 1, vec![digest], None).await.unwrap();
        guests.keep(digest, manifest.clone(), about()).await.unwrap();
        let other = guests.announce(digest, 1, vec![Digest::of(b"y")], None).await;
        assert!(matches!(other, Err(PushError::Recut { .. })));
        assert_eq!(guests.manifest(digest).await.unwrap().pieces, manifest.pieces);
    }

    #[tokio::test]
    async fn the_guests_of_a_mount_have_a_quota() {
        let (_, guests) = guests();
        let announce = async |number: u8| {
            let pieces = vec![Digest::of(&[number]); (super::super::LARGEST as usize) / PIECE];
            guests
                .announce(Digest::of(&[number]), super::super::LARGEST, pieces, None)
                .await
        };
        for number in 0..3 {
            announce(number).await.unwrap();
        }
        assert!(matches!(announce(3).await, Err(PushError::Full { .. })));
        // One that is announced already may come again, but not larger.
        announce(2).await.unwrap();
        let small = |size: u64| {
            guests.announce(
                Digest::of(b"small"),
                size,
                vec![Digest::of(b""); size.div_ceil(PIECE as u64) as usize],
                None,
            )
        };
        assert!(matches!(small(1).await, Err(PushError::Full { .. })));
    }

    #[tokio::test]
    async fn a_guest_that_grows_counts_by_its_new_size() {
        let (_, guests) = guests();
        let announce = async |number: u8, size: u64| {
            let pieces = vec![Digest::of(&[number]); size.div_ceil(PIECE as u64) as usize];
            guests.announce(Digest::of(&[number]), size, pieces, None).await
        };
        for number in 0..4 {
            announce(number, 1).await.unwrap();
        }
        for number in 0..2 {
            announce(number, super::super::LARGEST).await.unwrap();
        }
        announce(2, super::super::LARGEST - 1).await.unwrap();
        assert!(matches!(
            announce(3, PIECE as u64).await,
            Err(PushError::Full { .. })
        ));
    }

    #[tokio::test]
    async fn a_mount_has_a_limited_number_of_guests_however_small() {
        let (_, guests) = guests();
        for number in 0..=MOST {
            let pieces = vec![Digest::of(b"")];
            let announced = guests.announce(Digest::of(&number.to_le_bytes()), 1, pieces, None);
            assert_eq!(announced.await.is_ok(), number < MOST);
        }
    }

    #[tokio::test]
    async fn only_aged_guests_that_nothing_names_are_collected_with_their_pieces() {
        let (storage, guests) = guests();
        let put = async |text: &[u8], age: u64| {
            let digest = Digest::of(text);
            let announced = guests.announce(digest, text.len() as u64, vec![digest], None);
            let (mut manifest, _) = announced.await.unwrap();
            guests.put_piece(digest, piece::compress(text)).await.unwrap();
            manifest.pushed -= age;
            guests.write(digest, &manifest).await.unwrap();
            digest
        };
        let old = AGED.as_secs() + 1;
        let kept = put(b"kept", old).await;
        put(b"aged", old).await;
        let young = put(b"young", 0).await;
        let collected = guests.collect(&BTreeSet::from([kept])).await.unwrap();
        let expected = Collected {
            guests: 1,
            pieces: 1,
            bytes: 4,
        };
        assert_eq!(collected, expected);
        let left: Vec<_> = guests.all().await.unwrap().into_keys().collect();
        assert_eq!(BTreeSet::from_iter(left), BTreeSet::from([kept, young]));
        assert_eq!(storage.list(PIECES).await.unwrap().len(), 2);
    }
}

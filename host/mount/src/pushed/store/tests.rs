use airlock_storage::MemoryStorage;

use super::*;
use crate::pushed::PIECE;

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
        let pieces = vec![Digest::of(&[number]); (crate::pushed::LARGEST as usize) / PIECE];
        guests
            .announce(Digest::of(&[number]), crate::pushed::LARGEST, pieces, None)
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
        announce(number, crate::pushed::LARGEST).await.unwrap();
    }
    announce(2, crate::pushed::LARGEST - 1).await.unwrap();
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

//! The pieces in which a guest travels and is stored, each known by its digest. Builds of one guest have most pieces in
//! common only if they differ little; but a push that was cut off goes on where it stopped.

use std::io::{self, Write as _};

use airlock_mount::PIECE;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A guest, cut into pieces.
pub struct Pieces<'a> {
    guest: &'a [u8],
    pieces: Vec<Piece<'a>>,
}

/// One piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The digest of the bytes, in lower-case hexadecimal.
    pub sha256: String,
    bytes: &'a [u8],
}

impl<'a> Pieces<'a> {
    /// Cuts a guest.
    pub fn of(guest: &'a [u8]) -> Self {
        let pieces = guest.chunks(PIECE).map(|bytes| Piece {
            sha256: hex::encode(Sha256::digest(bytes)),
            bytes,
        });
        Self {
            guest,
            pieces: pieces.collect(),
        }
    }

    /// Returns how many pieces there are.
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Returns what the host wants to know of a guest before its pieces.
    pub fn manifest(&self, signature: Option<&str>) -> Value {
        let digests: Vec<_> = self.pieces.iter().map(|piece| &piece.sha256).collect();
        let mut manifest = json!({"size": self.guest.len(), "pieces": digests});
        if let Some(signature) = signature {
            manifest["signature"] = json!(signature);
        }
        manifest
    }

    /// Returns the pieces with these digests, each once, or the digest that none has.
    pub fn with_digests<'d>(&self, digests: &'d [String]) -> Result<Vec<&Piece<'a>>, &'d str> {
        let mut found: Vec<&Piece<'a>> = Vec::new();
        for digest in digests {
            let piece = self.pieces.iter().find(|piece| piece.sha256 == *digest);
            let piece = piece.ok_or(digest.as_str())?;
            if !found.iter().any(|other| other.sha256 == piece.sha256) {
                found.push(piece);
            }
        }
        Ok(found)
    }
}

impl Piece<'_> {
    /// Returns the piece in the form in which it is sent: compressed, in base64.
    pub fn encoded(&self) -> io::Result<String> {
        let mut compressed = ZlibEncoder::new(Vec::new(), Compression::default());
        compressed.write_all(self.bytes)?;
        Ok(STANDARD.encode(compressed.finish()?))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read as _;

    use flate2::read::ZlibDecoder;

    use super::*;

    fn guest(length: usize) -> Vec<u8> {
        let bytes = (0..length).map(|at| u8::try_from((at / 1000) % 251).unwrap());
        bytes.collect()
    }

    #[test]
    fn cuts_at_fixed_offsets() {
        for (length, count) in [(0, 0), (1, 1), (PIECE, 1), (PIECE + 1, 2), (3 * PIECE, 3)] {
            let guest = guest(length);
            let pieces = Pieces::of(&guest);
            assert_eq!(pieces.len(), count, "{length}");
            let manifest = pieces.manifest(None);
            assert_eq!(manifest["size"], length);
            assert_eq!(manifest["pieces"].as_array().unwrap().len(), count);
            assert!(manifest.get("signature").is_none());
        }
        assert_eq!(Pieces::of(&[]).manifest(Some("signed"))["signature"], "signed");
    }

    #[test]
    fn a_piece_is_sent_as_zlib_in_base64_and_is_smaller_than_a_raft_entry() {
        let guest = guest(PIECE + 7);
        let pieces = Pieces::of(&guest);
        let mut back = Vec::new();
        for piece in &pieces.pieces {
            let compressed = STANDARD.decode(piece.encoded().unwrap()).unwrap();
            let mut bytes = Vec::new();
            ZlibDecoder::new(&compressed[..]).read_to_end(&mut bytes).unwrap();
            assert_eq!(hex::encode(Sha256::digest(&bytes)), piece.sha256);
            back.extend(bytes);
        }
        assert_eq!(back, guest);

        let mut random = vec![0; PIECE];
        getrandom::fill(&mut random).unwrap();
        let encoded = Pieces::of(&random).pieces[0].encoded().unwrap();
        assert!(encoded.len() < 512 * 1024, "{}", encoded.len());
    }

    #[test]
    fn a_missing_piece_is_sent_once_and_a_strange_one_is_refused() {
        let guest = vec![0; 3 * PIECE + 1];
        let pieces = Pieces::of(&guest);
        let (same, last) = (pieces.pieces[0].sha256.clone(), pieces.pieces[3].sha256.clone());
        let asked = [same.clone(), last.clone(), same.clone()];
        let found: Vec<_> = pieces
            .with_digests(&asked)
            .unwrap()
            .into_iter()
            .map(|piece| piece.sha256.clone())
            .collect();
        assert_eq!(found, [same, last]);
        let strange = ["00".to_owned()];
        assert_eq!(pieces.with_digests(&strange), Err("00"));
    }
}

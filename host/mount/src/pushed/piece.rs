//! A piece of a guest: small enough for every storage, and named by the digest of what it holds.

use std::io::Read as _;

use airlock_trust::Digest;
use flate2::bufread::ZlibDecoder;
use thiserror::Error;

/// Bytes of a piece before compression. The last one of a guest may be shorter.
pub const PIECE: usize = 256 << 10;

/// Most bytes of a compressed piece: a little more than a piece, because random bytes grow.
const LARGEST: usize = PIECE + 4096;

/// The reason why a piece is not what its name says.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum BadPiece {
    #[error("it holds more than {} KiB", PIECE >> 10)]
    TooLarge,
    #[error("it is not compressed as RFC 1950 says, or is cut off")]
    NotZlib,
    #[error("it holds other bytes than its name says")]
    Other,
}

/// Expands a piece. However it was made, it takes no more memory than a piece has.
pub(crate) fn expand(compressed: &[u8], name: Digest) -> Result<Vec<u8>, BadPiece> {
    if compressed.len() > LARGEST {
        return Err(BadPiece::TooLarge);
    }
    let mut rest = compressed;
    let mut piece = Vec::new();
    ZlibDecoder::new(&mut rest)
        .take(PIECE as u64 + 1)
        .read_to_end(&mut piece)
        .map_err(|_| BadPiece::NotZlib)?;
    if piece.len() > PIECE {
        return Err(BadPiece::TooLarge);
    }
    // Whoever could append to a piece could store anything here.
    if !rest.is_empty() || Digest::of(&piece) != name {
        return Err(BadPiece::Other);
    }
    Ok(piece)
}

#[cfg(test)]
pub(crate) fn compress(piece: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(piece).unwrap();
    encoder.finish().unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_expanded_if_it_is_what_its_name_says() {
        for piece in [vec![], vec![7; 10], vec![0; PIECE]] {
            assert_eq!(expand(&compress(&piece), Digest::of(&piece)), Ok(piece));
        }
        let piece = compress(b"one");
        assert_eq!(expand(&piece, Digest::of(b"two")), Err(BadPiece::Other));
    }

    #[test]
    fn what_is_cut_off_appended_to_or_no_zlib_is_refused() {
        let name = Digest::of(b"one");
        let piece = compress(b"one");
        for cut in 0..piece.len() {
            assert_eq!(expand(&piece[..cut], name), Err(BadPiece::NotZlib), "{cut}");
        }
        let longer = [piece.as_slice(), b"x"].concat();
        assert_eq!(expand(&longer, name), Err(BadPiece::Other));
        assert_eq!(expand(b"plain", name), Err(BadPiece::NotZlib));
    }

    #[test]
    fn a_bomb_is_refused_when_it_is_larger_than_a_piece() {
        let bomb = vec![0; 64 << 20];
        let compressed = compress(&bomb);
        assert!(compressed.len() < LARGEST);
        assert_eq!(expand(&compressed, Digest::of(&bomb)), Err(BadPiece::TooLarge));
        assert_eq!(
            expand(&vec![0; LARGEST + 1], Digest::of(b"")),
            Err(BadPiece::TooLarge)
        );
    }
}

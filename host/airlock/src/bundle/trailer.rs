//! The layout of a bundle: the program, then the guest, then the guest's compiled code, then this trailer.
//!
//! The trailer is the last [`LENGTH`] bytes of the file. It has a magic number at both of its ends, so that damage to one of
//! them does not make a bundle look like a plain program. All numbers are little-endian:
//!
//! | bytes | content |
//! |---|---|
//! | 0–7 | [`START`] |
//! | 8–31 | lengths of the program, of the guest and of the code |
//! | 32–95 | SHA-256 of the guest and of the code |
//! | 96–111 | the baseline of the code, in ASCII, filled up with zeros |
//! | 112–143 | SHA-256 of the bytes 0–111 |
//! | 144–151 | [`FORMAT`] |
//! | 152–159 | [`END`] |
//!
//! Every version of the format ends with its number and [`END`], so that each version can name another one.
//!
//! The digests find damage. They do not find an attacker, who could write new ones: whoever can write to the file can change
//! the program in it as well. That is what the SHA-256 in Vault's catalog is for.

use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Bytes of the trailer.
pub const LENGTH: usize = 160;

const START: [u8; 8] = *b"AIRLOCK<";
const END: [u8; 8] = *b">AIRLOCK";
const FORMAT: u64 = 1;
/// Bytes before the checksum, which it covers.
const CHECKED: usize = 112;

/// Most bytes of a part: the largest guest that `--guest` takes, and the largest code that the sandbox takes from its
/// compiler.
const MOST_GUEST: u64 = 256 << 20;
const MOST_CODE: u64 = 512 << 20;

/// A part of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub length: u64,
    pub sha256: [u8; 32],
}

impl Part {
    /// Describes these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            length: bytes.len() as u64,
            sha256: Sha256::digest(bytes).into(),
        }
    }

    /// Returns true if these are the bytes that were bundled.
    pub fn is(&self, bytes: &[u8]) -> bool {
        Self::of(bytes) == *self
    }
}

/// The parts of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailer {
    /// Bytes of the program, with which the file begins.
    pub program: u64,
    /// The guest, a WebAssembly component. It follows the program.
    pub guest: Part,
    /// Its compiled code. It follows the guest.
    pub code: Part,
    /// The processors for which the code was compiled.
    pub baseline: String,
}

/// The reason why the end of a file is not a trailer, although it should be one.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum Damage {
    #[error("its end has been changed")]
    Trailer,
    #[error("its parts do not add up to its length")]
    Lengths,
    #[error("the format of its end is {0}, and this version of airlock writes and reads {FORMAT}")]
    Format(u64),
    #[error("its guest is not the one that was bundled")]
    Guest,
    #[error("its compiled code is not the one that was bundled")]
    Code,
}

impl Trailer {
    /// Returns the trailer's bytes. `baseline` has at most 16 bytes, of which those after the sixteenth would be dropped.
    pub fn encode(&self) -> [u8; LENGTH] {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend(START);
        for length in [self.program, self.guest.length, self.code.length] {
            bytes.extend(length.to_le_bytes());
        }
        bytes.extend(self.guest.sha256);
        bytes.extend(self.code.sha256);
        bytes.extend(self.baseline.bytes().chain(std::iter::repeat(0)).take(16));
        bytes.extend(Sha256::digest(&bytes));
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend(END);
        let mut trailer = [0; LENGTH];
        trailer.copy_from_slice(&bytes);
        trailer
    }

    /// Reads the last bytes of a file of this length. Returns `None` if they are not a trailer, so that the file is a plain
    /// program.
    ///
    /// # Errors
    /// [`Damage`] if they are a trailer that this version cannot use.
    pub fn decode(file: u64, bytes: &[u8; LENGTH]) -> Result<Option<Self>, Damage> {
        let (has_start, has_end) = (bytes.starts_with(&START), bytes.ends_with(&END));
        if !has_start && !has_end {
            return Ok(None);
        }
        let format = u64::from_le_bytes(array(bytes, 144));
        if has_end && format != FORMAT {
            return Err(Damage::Format(format));
        }
        let sum: [u8; 32] = array(bytes, CHECKED);
        if !has_start || !has_end || format != FORMAT || Sha256::digest(&bytes[..CHECKED])[..] != sum {
            return Err(Damage::Trailer);
        }
        let number = |at| u64::from_le_bytes(array(bytes, at));
        let trailer = Self {
            program: number(8),
            guest: Part {
                length: number(16),
                sha256: array(bytes, 32),
            },
            code: Part {
                length: number(24),
                sha256: array(bytes, 64),
            },
            baseline: name(array(bytes, 96)).ok_or(Damage::Trailer)?,
        };
        if trailer.fits(file) {
            Ok(Some(trailer))
        } else {
            Err(Damage::Lengths)
        }
    }

    /// Returns true if each part has a length that it may have, and together they are the whole file.
    fn fits(&self, file: u64) -> bool {
        let whole = self
            .program
            .checked_add(LENGTH as u64)
            .and_then(|sum| sum.checked_add(self.guest.length))
            .and_then(|sum| sum.checked_add(self.code.length));
        self.program > 0
            && (1..=MOST_GUEST).contains(&self.guest.length)
            && (1..=MOST_CODE).contains(&self.code.length)
            && whole == Some(file)
    }
}

/// Returns the bytes at a place, which the caller knows to be within the trailer.
fn array<const N: usize>(bytes: &[u8; LENGTH], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

/// Returns the text of a field that is filled up with zeros.
fn name(field: [u8; 16]) -> Option<String> {
    let length = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let (text, rest) = field.split_at(length);
    let is_text = !text.is_empty() && text.iter().all(u8::is_ascii_graphic);
    (is_text && rest.iter().all(|byte| *byte == 0)).then(|| String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trailer() -> Trailer {
        Trailer {
            program: 1000,
            guest: Part::of(b"guest"),
            code: Part::of(b"its code"),
            baseline: "x86-64".to_owned(),
        }
    }

    const FILE: u64 = 1000 + 5 + 8 + LENGTH as u64;

    /// Returns the bytes with one change and a checksum that fits.
    fn with(change: impl FnOnce(&mut [u8; LENGTH])) -> [u8; LENGTH] {
        let mut bytes = trailer().encode();
        change(&mut bytes);
        let sum = Sha256::digest(&bytes[..CHECKED]);
        bytes[CHECKED..CHECKED + 32].copy_from_slice(&sum);
        bytes
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let decoded = Trailer::decode(FILE, &trailer().encode());
        assert_eq!(decoded, Ok(Some(trailer())));
        let longest = Trailer {
            baseline: "0123456789abcdef".to_owned(),
            ..trailer()
        };
        assert_eq!(Trailer::decode(FILE, &longest.encode()), Ok(Some(longest)));
    }

    #[test]
    fn the_end_of_a_plain_program_is_not_a_trailer() {
        assert_eq!(Trailer::decode(FILE, &[0; LENGTH]), Ok(None));
        assert_eq!(Trailer::decode(FILE, &[0xff; LENGTH]), Ok(None));
        // A bundle that was cut off ends with something else.
        let mut cut = [0; LENGTH];
        cut[1..].copy_from_slice(&trailer().encode()[..LENGTH - 1]);
        assert_eq!(Trailer::decode(FILE - 1, &cut), Ok(None));
    }

    #[test]
    fn each_changed_bit_is_damage() {
        for bit in 0..LENGTH * 8 {
            let mut bytes = trailer().encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let decoded = Trailer::decode(FILE, &bytes);
            let is_format = (144..152).contains(&(bit / 8));
            match decoded {
                Err(Damage::Trailer) if !is_format => {}
                Err(Damage::Format(_)) if is_format => {}
                other => panic!("bit {bit}: {other:?}"),
            }
        }
    }

    #[test]
    fn another_format_is_named() {
        let other = with(|bytes| bytes[144] = 9);
        let damage = Trailer::decode(FILE, &other).unwrap_err();
        assert_eq!(damage, Damage::Format(9));
        assert!(
            damage
                .to_string()
                .contains("is 9, and this version of airlock writes and reads 1")
        );
    }

    #[test]
    fn lengths_that_are_not_the_files_are_refused() {
        let lengths = |file| Trailer::decode(file, &trailer().encode());
        assert_eq!(lengths(FILE - 1), Err(Damage::Lengths));
        assert_eq!(lengths(FILE + 1), Err(Damage::Lengths));
        assert_eq!(lengths(0), Err(Damage::Lengths));
        for at in [8, 16, 24] {
            for length in [0, u64::MAX, 1 << 40] {
                let changed = with(|bytes| bytes[at..at + 8].copy_from_slice(&length.to_le_bytes()));
                assert_eq!(
                    Trailer::decode(FILE, &changed),
                    Err(Damage::Lengths),
                    "{at} {length}"
                );
            }
        }
        // The sum fits, but a part is larger than any may be.
        let most = MOST_GUEST + 1;
        let changed = with(|bytes| bytes[16..24].copy_from_slice(&most.to_le_bytes()));
        assert_eq!(Trailer::decode(FILE - 5 + most, &changed), Err(Damage::Lengths));
    }

    #[test]
    fn a_baseline_that_is_not_a_name_is_refused() {
        for field in [
            *b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            *b"x86\x1b\0\0\0\0\0\0\0\0\0\0\0\0",
            *b"x86\0-64\0\0\0\0\0\0\0\0\0",
        ] {
            let changed = with(|bytes| bytes[96..112].copy_from_slice(&field));
            assert_eq!(Trailer::decode(FILE, &changed), Err(Damage::Trailer), "{field:?}");
        }
    }

    #[test]
    fn a_part_is_known_by_its_digest() {
        assert!(Part::of(b"guest").is(b"guest"));
        assert!(!Part::of(b"guest").is(b"guesT"));
        assert!(!Part::of(b"guest").is(b"gues"));
    }
}

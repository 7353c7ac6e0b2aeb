//! Writes and reads base32 (RFC 4648), with the rules and the error texts of Go's `encoding/base32`: line breaks are
//! ignored, the padding is required, and bits that are left over need not be zero.

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Encodes bytes, without padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    for group in bytes.chunks(5) {
        let mut padded = [0; 8];
        padded[3..3 + group.len()].copy_from_slice(group);
        let bits = u64::from_be_bytes(padded);
        for place in 0..(group.len() * 8).div_ceil(5) {
            let index = bits >> (35 - 5 * place) & 31;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}

/// Decodes upper-case text with padding. The error is the offset in the text without line breaks.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, usize> {
    let text: Vec<u8> = text
        .bytes()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'))
        .collect();
    let mut bytes = Vec::with_capacity(text.len() / 8 * 5);
    for (at, group) in text.chunks(8).enumerate().map(|(i, group)| (8 * i, group)) {
        let is_last = at + 8 >= text.len();
        let mut bits = 0_u64;
        let mut digits = 0;
        for (j, byte) in group.iter().enumerate() {
            if *byte == b'=' && j >= 2 && is_last {
                ends_well(&text, at, j)?;
                break;
            }
            let value = ALPHABET.iter().position(|digit| digit == byte).ok_or(at + j)?;
            bits = bits << 5 | value as u64;
            digits += 1;
        }
        if group.len() < 8 && digits == group.len() {
            // The padding is missing.
            return Err(at);
        }
        let bits = bits << (40 - 5 * digits);
        bytes.extend(&bits.to_be_bytes()[3..3 + digits * 5 / 8]);
    }
    Ok(bytes)
}

/// Checks the padding of the last group, which begins at `at` and has its first `=` at its place `j`.
fn ends_well(text: &[u8], at: usize, j: usize) -> Result<(), usize> {
    let group = &text[at..];
    if group.len() < 8 {
        return Err(text.len());
    }
    if let Some(wrong) = group[j..].iter().position(|byte| *byte != b'=') {
        return Err(at + j + wrong - 1);
    }
    // One, three and six digits do not end at a byte.
    if matches!(j, 3 | 6) {
        return Err(at + j);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_rfc_4648_are_encoded_and_decoded() {
        for (text, code) in [
            ("", ""),
            ("f", "MY======"),
            ("fo", "MZXQ===="),
            ("foo", "MZXW6==="),
            ("foob", "MZXW6YQ="),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI======"),
        ] {
            assert_eq!(encode(text.as_bytes()), code.trim_end_matches('='));
            assert_eq!(decode(code), Ok(text.as_bytes().to_vec()));
        }
    }

    /// The offsets are those that Go 1.26 gives.
    #[test]
    fn wrong_text_is_refused_where_go_refuses_it() {
        for (code, at) in [
            ("ABC1====", 3),
            ("=BCDEFGH", 0),
            ("A=======", 1),
            ("ABC=====", 3),
            ("ABCDEF==", 6),
            ("MZXW6YQ=MZXW6YTB", 7),
            ("AB==CD==", 3),
            ("ABCDEFGHé=======", 8),
            ("abcdefgh", 0),
            ("ABCDEFGHAB", 8),
            ("AB=", 3),
        ] {
            assert_eq!(decode(code), Err(at), "{code}");
        }
        assert_eq!(decode("MZXW\r\n6YTB"), Ok(b"fooba".to_vec()));
    }
}

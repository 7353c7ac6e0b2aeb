//! Tokens: what stands in a recording for a text, a number or bytes.
//!
//! - The same text has the same token everywhere in one recording, and another one in the next: tokens are drawn with
//!   HMAC-SHA-256 under a random key, which is never stored and forgotten when the recording ends.
//! - A token tells the length of its text only as a class: it is as long as the next power of two, and at least 8 characters.
//! - A text keeps its [kind](super::kinds), so that a guest can still read it as a UUID, base64, a number or a time.
//!
//! A text of one digit is its own token, and so is a word that the [vocabulary](super::vocabulary) allows.

use airlock_logical::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2_digest_0_11::Sha256;

/// The fewest characters of a token.
const SHORTEST: usize = 8;

/// The characters of tokens without a kind, and of the kinds that have fewer. 5 bits each, so that a token of 8 characters is the
/// same as that of another text in one of 10^12 pairs.
const PLAIN: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const HEX: &[u8; 16] = b"0123456789abcdef";
/// Without `+` and `/`, so that a token is one segment of a path.
const BASE64: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The longest time by which the times of a recording are moved to the past: five years, in seconds.
const FARTHEST: u64 = 5 * 365 * 24 * 60 * 60;

/// The key of one recording.
pub(crate) struct Tokens {
    key: [u8; 32],
    /// The seconds by which all times are moved to the past.
    moved: i64,
}

/// Prints nothing of the key.
impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Tokens {
    /// Draws the key of a recording.
    ///
    /// # Errors
    /// The kernel gives no random bytes.
    pub fn new() -> Result<Self, getrandom::Error> {
        let (mut key, mut moved) = ([0; 32], [0; 8]);
        getrandom::fill(&mut key)?;
        getrandom::fill(&mut moved)?;
        let year = FARTHEST / 5;
        let moved = year + u64::from_le_bytes(moved) % (FARTHEST - year);
        Ok(Self {
            key,
            moved: moved.cast_signed(),
        })
    }

    /// Returns so many bytes that depend on these and on the key. `about` keeps uses apart.
    fn draw(&self, about: &str, of: &[u8], count: usize) -> Vec<u8> {
        // The text is read once, however long its token is.
        let seed = hmac(&self.key, &[about.as_bytes(), &[0], of]);
        let blocks = (0_u64..).flat_map(|block| hmac(&seed, &[&block.to_le_bytes()]));
        blocks.take(count).collect()
    }

    fn letters(&self, about: &str, of: &str, alphabet: &[u8], count: usize) -> String {
        let drawn = self.draw(about, of.as_bytes(), count);
        drawn
            .into_iter()
            .map(|byte| char::from(alphabet[usize::from(byte) % alphabet.len()]))
            .collect()
    }

    /// Returns the token of a text without a kind.
    pub fn plain(&self, text: &str) -> String {
        let count = class(text.len());
        // It begins with a letter, as many names have to.
        let first = self.letters("first", text, &PLAIN[..26], 1);
        first + &self.letters("plain", text, PLAIN, count - 1)
    }

    pub fn hex(&self, text: &str) -> String {
        let token = self.letters("hex", text, HEX, class(text.len()));
        match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => token.to_ascii_uppercase(),
            false => token,
        }
    }

    pub fn base32(&self, text: &str) -> String {
        self.letters("base32", text, BASE32, class(text.len()))
    }

    /// Returns the token of a text in base64 that stands for so many bytes.
    pub fn base64(&self, text: &str, bytes: usize) -> String {
        let bytes = class(bytes);
        let (whole, rest) = (bytes / 3, bytes % 3);
        let mut token = self.letters("base64", text, BASE64, whole * 4);
        // The bits after the last byte have to be zero.
        let end: &[u8] = match rest {
            1 => b"AQgw",
            _ => b"AEIMQUYcgkosw048",
        };
        if rest > 0 {
            token += &self.letters("before the end", text, BASE64, rest);
            token += &self.letters("end", text, end, 1);
            token += &"=".repeat(3 - rest);
        }
        token
    }

    pub fn uuid(&self, text: &str) -> String {
        let hex = self.letters("uuid", text, HEX, 32);
        format!(
            "{}-{}-4{}-a{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[13..16],
            &hex[17..20],
            &hex[20..]
        )
    }

    /// Returns the token of a run of decimal digits: as many others, unless it is only one.
    pub fn digits(&self, digits: &str) -> String {
        if digits.len() < 2 {
            return digits.to_owned();
        }
        let drawn = self.draw("digits", digits.as_bytes(), digits.len());
        // A number that fits 16, 32 or 64 bits still does, and has no leading zero.
        let digit = |(at, byte): (usize, u8)| match (at, digits.len()) {
            (0, 10 | 20) => '1',
            (0, 5) => char::from(b'1' + byte % 5),
            (0, _) | (1, 20) => char::from(b'1' + byte % 7),
            _ => char::from(b'0' + byte % 10),
        };
        drawn.into_iter().enumerate().map(digit).collect()
    }

    /// Returns bytes of the same class of length.
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        match bytes.len() {
            0 => Vec::new(),
            length => self.draw("bytes", bytes, class(length)),
        }
    }

    /// Returns as many random bytes as a guest was given.
    pub fn random(&self, bytes: &[u8]) -> Vec<u8> {
        self.draw("random", bytes, bytes.len())
    }

    /// Returns the time to which a time is moved. All times of a recording keep their differences.
    pub fn time(&self, time: Timestamp) -> Timestamp {
        Timestamp {
            seconds: time.seconds.saturating_sub(self.moved),
            ..time
        }
    }
}

/// Returns the HMAC-SHA-256 of some bytes, one after the other.
fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // The key of HMAC-SHA-256 is a block of the hash, which is longer: it is filled up with zeros.
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new(&block.into());
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// Returns the class of a length: the next power of two, and at least 8.
fn class(length: usize) -> usize {
    length.next_power_of_two().max(SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_tells_a_class_of_length_and_no_length() {
        let tokens = Tokens::new().unwrap();
        for (length, class) in [(1, 8), (8, 8), (9, 16), (16, 16), (17, 32), (1000, 1024)] {
            let text = "x".repeat(length);
            assert_eq!(tokens.plain(&text).len(), class, "{length}");
            assert_eq!(tokens.bytes(text.as_bytes()).len(), class, "{length}");
        }
        assert!(tokens.bytes(b"").is_empty());
    }

    #[test]
    fn equal_texts_have_equal_tokens_in_one_recording_only() {
        let (one, other) = (Tokens::new().unwrap(), Tokens::new().unwrap());
        let mut seen = std::collections::HashSet::new();
        for number in 0..10_000 {
            let text = format!("text {number}");
            assert_eq!(one.plain(&text), one.plain(&text));
            assert_ne!(one.plain(&text), other.plain(&text));
            assert!(seen.insert(one.plain(&text)), "{text}");
        }
    }

    #[test]
    fn tokens_of_base64_can_be_decoded() {
        use base64::Engine as _;
        let tokens = Tokens::new().unwrap();
        for bytes in 1..200 {
            let token = tokens.base64(&format!("text {bytes}"), bytes);
            let decoded = base64::engine::general_purpose::STANDARD.decode(&token);
            assert_eq!(decoded.unwrap().len(), class(bytes), "{token}");
        }
    }

    #[test]
    fn times_keep_their_differences() {
        let tokens = Tokens::new().unwrap();
        let at = |seconds| {
            let nanoseconds = 5;
            tokens.time(Timestamp { seconds, nanoseconds })
        };
        let (first, second) = (at(1_700_000_000), at(1_700_000_090));
        assert_eq!((second.seconds - first.seconds, first.nanoseconds), (90, 5));
        assert!(first.seconds < 1_700_000_000 - 300 * 24 * 3600);
    }
}

//! Values that show where they belong: every byte follows from the mount, the key and the request that wrote it.

use airlock_tests::Dice;

/// The number of a request, and so of the value that it writes. No two requests have the same number.
pub type Id = u64;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The place of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// The mount's number among all mounts.
    pub mount: usize,
    /// The key's number on the mount.
    pub key: usize,
}

/// Returns the text that request `id` writes at a place: 10 B to 100 KiB, in most cases short.
pub fn value(place: Place, id: Id) -> String {
    let mut dice = Dice::new(id ^ ((place.mount as u64) << 56) ^ ((place.key as u64) << 40));
    let (from, to) = match dice.below(100) {
        0..70 => (10, 200),
        70..90 => (200, 4 << 10),
        90..99 => (4 << 10, 20 << 10),
        _ => (20 << 10, 100 << 10),
    };
    let length = from + dice.below(to - from + 1);
    let mut text = format!("{id:x}.");
    while text.len() < length {
        let mut word = dice.word();
        for _ in 0..10.min(length - text.len()) {
            text.push(char::from(LETTERS[(word % 64) as usize]));
            word /= 64;
        }
    }
    text
}

/// Returns the request that wrote a text at a place, or `None` if no request can have written it.
pub fn writer(place: Place, text: &str) -> Option<Id> {
    let id = Id::from_str_radix(text.split_once('.')?.0, 16).ok()?;
    (text == value(place, id)).then_some(id)
}

/// Returns the beginning of a text, for a report.
pub fn beginning(text: &str) -> String {
    let cut: String = text.chars().take(60).collect();
    format!("{cut:?} ({} bytes)", text.len())
}

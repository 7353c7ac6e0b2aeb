//! Values that say whose they are: every byte follows from the mount, the key and the request that wrote it.

use airlock_tests::Dice;

/// The number of a request, which is the number of what it writes. No two requests have the same.
pub type Id = u64;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Where a value belongs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// The mount's number, of all mounts.
    pub mount: usize,
    /// The key's number on the mount.
    pub key: usize,
}

/// What request `id` writes at a place: 10 B to 100 KiB, most of it short.
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

/// Which request wrote a text at a place; none if none can have.
pub fn writer(place: Place, text: &str) -> Option<Id> {
    let id = Id::from_str_radix(text.split_once('.')?.0, 16).ok()?;
    (text == value(place, id)).then_some(id)
}

/// The beginning of a text, for a report.
pub fn beginning(text: &str) -> String {
    let cut: String = text.chars().take(60).collect();
    format!("{cut:?} ({} bytes)", text.len())
}

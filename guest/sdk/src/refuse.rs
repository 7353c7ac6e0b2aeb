//! Stops the compiler with a text that names what is wrong.
//!
//! Constants cannot format texts, so that the parts are joined here. Functions on the way are `#[track_caller]`: the
//! compiler then shows the author's line alone, and not how the SDK found the mistake.

/// The most bytes of a text; the rest is cut off.
const LONGEST: usize = 512;

/// Stops the compiler with the joined parts.
#[track_caller]
pub(crate) const fn refuse(parts: &[&str]) -> ! {
    let mut text = [0; LONGEST];
    let mut length = 0;
    let mut i = 0;
    while i < parts.len() {
        let part = parts[i].as_bytes();
        let mut j = 0;
        while j < part.len() && length < LONGEST {
            text[length] = part[j];
            length += 1;
            j += 1;
        }
        i += 1;
    }
    match str::from_utf8(text.split_at(length).0) {
        Ok(text) => panic!("{}", text),
        // A character was cut in half, or is in half of a part.
        Err(_) => panic!("a route or a rotation is wrong; its name is too long to be shown here"),
    }
}

/// Returns a part of a text, or nothing if it would cut a character in half.
pub(crate) const fn part(text: &str, from: usize, to: usize) -> &str {
    let bytes = text.as_bytes().split_at(to).0.split_at(from).1;
    match str::from_utf8(bytes) {
        Ok(part) => part,
        Err(_) => "",
    }
}

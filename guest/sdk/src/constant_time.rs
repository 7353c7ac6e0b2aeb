//! Compares secrets.

use std::hint::black_box;

/// Compares two secrets, such as tokens, in a time that depends on their length but not on where they differ. So a caller
/// who measures the time cannot guess a secret byte by byte.
///
/// ```
/// use airlock_sdk::constant_time_eq;
///
/// assert!(constant_time_eq("s3cr3t", "s3cr3t"));
/// assert!(!constant_time_eq("s3cr3t", b"s3cr3_"));
/// ```
pub fn constant_time_eq(left: impl AsRef<[u8]>, right: impl AsRef<[u8]>) -> bool {
    let (left, right) = (left.as_ref(), right.as_ref());
    let pairs = left.iter().zip(right);
    // The compiler must not know the sum before the end, or it could stop early.
    let differs = pairs.fold(0, |differs, (left, right)| black_box(differs | (left ^ right)));
    left.len() == right.len() && differs == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_equal_bytes_of_one_length_are_equal() {
        for (left, right, expected) in [
            ("", "", true),
            ("a", "a", true),
            ("a", "b", false),
            ("a", "", false),
            ("", "a", false),
            ("ab", "a", false),
            ("ba", "aa", false),
            ("aa", "ab", false),
            ("\u{fc}", "\u{fc}", true),
        ] {
            assert_eq!(constant_time_eq(left, right), expected, "{left:?} {right:?}");
        }
    }
}

//! The points in time that a protobuf timestamp can hold, which are those that Vault can decode.

/// 0001-01-01T00:00:00Z in seconds since 1970. Go also writes this for a time that was never set.
pub const FIRST_SECOND: i64 = -62_135_596_800;

/// 9999-12-31T23:59:59Z in seconds since 1970.
pub const LAST_SECOND: i64 = 253_402_300_799;

/// Returns true if the time lies in the years 1 to 9999 and its nanoseconds are 0 to 999,999,999.
pub fn is_valid(seconds: i64, nanoseconds: u32) -> bool {
    (FIRST_SECOND..=LAST_SECOND).contains(&seconds) && nanoseconds < 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_years_1_to_9999_are_valid() {
        assert!(is_valid(FIRST_SECOND, 0) && is_valid(0, 0) && is_valid(LAST_SECOND, 999_999_999));
        assert!(
            !is_valid(FIRST_SECOND - 1, 0) && !is_valid(LAST_SECOND + 1, 0) && !is_valid(0, 1_000_000_000)
        );
    }
}

//! The part of all traces that is exported.

use std::str::FromStr;

/// The number of random bits of a trace's id that decide, as OpenTelemetry's consistent sampling does.
const BITS: u32 = 56;

/// A part of all traces, from 0 to 1. The trace's id decides, so that all who sample with the same ratio choose the same traces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio(f64);

/// A number is not a part of all traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the part of requests to trace is a number from 0 to 1, such as 0.1")]
pub struct NotARatio;

impl Ratio {
    /// All traces.
    pub const ALL: Self = Self(1.0);

    /// Returns true if the trace with this id is exported.
    pub(crate) fn samples(self, trace_id: [u8; 16]) -> bool {
        let mut low = [0; 8];
        low[1..].copy_from_slice(&trace_id[9..]);
        let random = u64::from_be_bytes(low);
        // The product is at most 2 to the 56th. An id is compared as an integer, because a double does not hold all of it.
        random < (self.0 * (1_u64 << BITS) as f64) as u64
    }
}

impl FromStr for Ratio {
    type Err = NotARatio;

    fn from_str(text: &str) -> Result<Self, NotARatio> {
        let part: f64 = text.parse().map_err(|_| NotARatio)?;
        if (0.0..=1.0).contains(&part) {
            Ok(Self(part))
        } else {
            Err(NotARatio)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_bytes_of_an_id_decide() {
        let with_low = |byte| {
            let mut id = [0xff; 16];
            id[9] = byte;
            id
        };
        let half: Ratio = "0.5".parse().unwrap();
        assert!(half.samples(with_low(0x7f)));
        assert!(!half.samples(with_low(0x80)));
        assert!(Ratio::ALL.samples([0xff; 16]));
        assert!(!"0".parse::<Ratio>().unwrap().samples([0; 16]));
    }

    #[test]
    fn refuses_what_is_not_a_part() {
        for text in ["", "x", "-0.1", "1.1", "NaN", "inf"] {
            assert_eq!(text.parse::<Ratio>(), Err(NotARatio), "{text}");
        }
    }
}

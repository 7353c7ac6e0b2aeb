//! Moments, which TOML writes as a date and time with an offset.

use std::time::SystemTime;

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time: a date and time of TOML, with its offset.
#[derive(Deserialize, Clone, Copy)]
#[serde(try_from = "toml::value::Datetime")]
pub(in crate::scenario) struct Moment(pub SystemTime);

impl TryFrom<toml::value::Datetime> for Moment {
    type Error = &'static str;

    fn try_from(moment: toml::value::Datetime) -> Result<Self, Self::Error> {
        OffsetDateTime::parse(&moment.to_string(), &Rfc3339)
            .ok()
            .filter(|moment| *moment >= OffsetDateTime::UNIX_EPOCH)
            .map(|moment| Self(moment.into()))
            .ok_or("write a moment since 1970 with its offset, such as 2026-03-01T12:00:00Z")
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn a_moment_is_read_with_its_offset() {
        let seconds = |text: &str| {
            let moment = Moment::try_from(text.parse::<toml::value::Datetime>().unwrap());
            moment.map(|moment| moment.0.duration_since(UNIX_EPOCH).unwrap().as_secs())
        };
        assert_eq!(seconds("2026-01-01T00:00:00Z"), Ok(1_767_225_600));
        assert_eq!(seconds("2024-02-29T23:59:59Z"), Ok(1_709_251_199));
        assert_eq!(seconds("2026-01-01T01:30:00+01:30"), Ok(1_767_225_600));
        for bad in ["2026-01-01", "2026-01-01T00:00:00", "1969-12-31T00:00:00Z"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}

//! The names of redo records, and the keys of their parts.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The folder of the records.
pub(crate) const RECORDS: &str = ".airlock/redo/";

/// The folder of the records that must not be replicated: those with an entry below
/// [`Settings::local`](crate::Settings::local). Whoever sets that must also tell the server that entries below this
/// prefix are local.
pub const LOCAL_RECORDS: &str = ".airlock/redo/local/";

/// The name of one record, and its folder. Its `Display` is the header's key.
#[derive(Clone)]
pub(crate) struct Id {
    pub(crate) folder: &'static str,
    pub(crate) name: String,
}

impl Id {
    /// Creates an id. Ids sort by time, and no two processes choose the same.
    pub(crate) fn new(folder: &'static str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!(
            "{:024x}-{:016x}",
            now.as_nanos(),
            RandomState::new().hash_one(now)
        );
        Self { folder, name }
    }

    /// Returns how long ago the record was begun, by this machine's clock. `None` if this crate did not choose the
    /// name.
    pub(crate) fn age(&self) -> Option<Duration> {
        let (nanoseconds, _) = self.name.split_once('-')?;
        let begun = u128::from_str_radix(nanoseconds, 16).ok()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let age = now.as_nanos().saturating_sub(begun);
        Some(Duration::from_nanos(u64::try_from(age).unwrap_or(u64::MAX)))
    }

    pub(crate) fn header(&self) -> String {
        format!("{}{}", self.folder, self.name)
    }

    pub(crate) fn piece(&self, number: u32) -> String {
        self.beside(&number.to_string())
    }

    /// Returns the key of the entry that says that the header must not be flushed.
    pub(crate) fn void(&self) -> String {
        self.beside(VOID)
    }

    /// Returns the key of the entry that says that the record cannot be flushed, and why.
    pub(crate) fn aside(&self) -> String {
        self.beside(ASIDE)
    }

    pub(crate) fn beside(&self, part: &str) -> String {
        format!("{}{}.{part}", self.folder, self.name)
    }
}

pub(crate) const VOID: &str = "void";
pub(crate) const ASIDE: &str = "aside";

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.header())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::HIDDEN;

    #[test]
    fn records_lie_where_no_guest_can_name_them() {
        assert!(RECORDS.starts_with(HIDDEN) && LOCAL_RECORDS.starts_with(RECORDS));
    }

    #[test]
    fn an_id_tells_its_age() {
        let id = Id::new(RECORDS);
        assert!(id.age().unwrap() < Duration::from_secs(60));
        let foreign = Id {
            name: "none".into(),
            ..id
        };
        assert_eq!(foreign.age(), None);
    }
}

//! The limits and the timeouts of a mount.

use crate::Prefixes;
use crate::conflict::caches::CacheLimits;
use std::time::Duration;

/// The settings of one mount: what its guest asks for, within what its operator grants.
///
/// The size of an entry has no limit here: storage [rejects](crate::Error::Rejected) an entry that it does not take.
///
/// ```
/// use airlock_storage::{Prefixes, Settings};
///
/// let settings = Settings {
///     storage: Prefixes::from_iter(["accounts/"]),
///     redo_record: true,
///     ..Settings::default()
/// };
/// assert!(!settings.storage.contain("config"));
/// ```
#[derive(Debug, Clone)]
pub struct Settings {
    /// The keys that the guest may read and write. Default: all.
    pub storage: Prefixes,
    /// The keys whose entries may be kept in memory: declared by the guest *and* granted by the operator
    /// ([`Prefixes::and`]). Default: none.
    pub cacheable: Prefixes,
    /// The keys of which the mount may remember whether they exist, once a guest has asked for that
    /// ([`Transaction::exists`](crate::Transaction::exists)): granted by the operator. Keys of more than 1,024 bytes are not
    /// among them. Default: none.
    pub remembered: Prefixes,
    /// The keys whose entries the server wraps with the seal's key because of their prefix. A redo record with one of
    /// them is wrapped too. Default: none.
    pub seal_wrapped: Prefixes,
    /// The keys whose entries the server does not replicate. A redo record with one of them is stored below
    /// [`LOCAL_RECORDS`](crate::LOCAL_RECORDS); the server has to be told not to replicate that prefix either. Default:
    /// none.
    pub local: Prefixes,
    /// Makes a commit of several keys all or nothing, even if the process is killed. Default: no.
    pub redo_record: bool,
    /// Bytes of scratch: keys, values, and 200 for each entry. Default: none.
    pub scratch_bytes: usize,
    /// Bytes of cache, keys included; and as many again for the keys of which it is only known whether they exist. Default:
    /// 4 MiB.
    pub cache_bytes: usize,
    /// The longest time for which something is cached. It bounds the effect of a change beneath the mount of which nobody tells
    /// it, such as a put that a killed process had sent. Default: 60 s.
    pub cache_age: Duration,
    /// The longest time for which a request may hold the commit lock exclusively. Default: 2 s.
    pub lock_time: Duration,
    /// The longest time for which a request waits for the commit lock or for a key that is being written. Default:
    /// 10 s.
    pub wait: Duration,
    /// The longest time for which a flush or a recovery continues without progress: each storage call has this long,
    /// retries included, and the time starts anew for the next call. Default: 10 s.
    pub flush: Duration,
    /// The longest time after which a call that was given up may still take effect. Default: 90 s, the time for which
    /// Vault works on a request unless `default_max_request_duration` says otherwise.
    pub late: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            storage: Prefixes::all(),
            cacheable: Prefixes::none(),
            remembered: Prefixes::none(),
            seal_wrapped: Prefixes::none(),
            local: Prefixes::none(),
            redo_record: false,
            scratch_bytes: 0,
            cache_bytes: 4 << 20,
            cache_age: Duration::from_secs(60),
            lock_time: Duration::from_secs(2),
            wait: Duration::from_secs(10),
            flush: Duration::from_secs(10),
            late: Duration::from_secs(90),
        }
    }
}

/// The longest key of which it is remembered whether it exists, in bytes.
const LONGEST_REMEMBERED: usize = 1024;

impl Settings {
    /// Returns true if the mount may remember whether a key exists.
    pub(crate) fn remember(&self, key: &str) -> bool {
        key.len() <= LONGEST_REMEMBERED && self.remembered.contain(key)
    }

    /// Returns the limits of the mount's cache.
    pub(crate) fn cache_limits(&self) -> CacheLimits {
        CacheLimits {
            bytes: self.cache_bytes,
            age: self.cache_age,
        }
    }
}

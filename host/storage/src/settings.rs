//! What a mount allows and how long it waits.

use crate::Prefixes;
use std::time::Duration;

/// The settings of one mount: what its guest asks for, within what its operator grants.
///
/// There is no limit on the size of an entry: what storage does not take it [rejects](crate::Error::Rejected).
#[derive(Debug, Clone)]
pub struct Settings {
    /// The keys that the guest may read and write. Default: all.
    pub storage: Prefixes,
    /// The keys whose entries may be kept in memory: declared by the guest *and* granted by the operator
    /// ([`Prefixes::and`]). Default: none.
    pub cacheable: Prefixes,
    /// The keys whose entries the server wraps with the seal's key because of where they lie. A redo record with one of
    /// them is wrapped too. Default: none.
    pub seal_wrapped: Prefixes,
    /// The keys whose entries the server does not replicate. A redo record with one of them is stored below
    /// [`LOCAL_RECORDS`](crate::LOCAL_RECORDS), which the server has to be told of. Default: none.
    pub local: Prefixes,
    /// Whether a commit of several keys is all or nothing though the process be killed. Default: no.
    pub redo_record: bool,
    /// Bytes of scratch, keys included. Default: none.
    pub scratch_bytes: usize,
    /// Bytes of cache, keys included. Default: 4 MiB.
    pub cache_bytes: usize,
    /// How long a request may hold the commit lock for itself. Default: 2 s.
    pub turn: Duration,
    /// How long a request waits for the commit lock, or for a key that is being written. Default: 10 s.
    pub wait: Duration,
    /// How long a flush or a recovery goes on without progress: each storage call has that long, retries included, and
    /// the next one starts anew. Default: 10 s.
    pub flush: Duration,
    /// How long a call that was given up may yet take effect. Default: 90 s, how long Vault works on a request unless
    /// `default_max_request_duration` says otherwise.
    pub late: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            storage: Prefixes::all(),
            cacheable: Prefixes::none(),
            seal_wrapped: Prefixes::none(),
            local: Prefixes::none(),
            redo_record: false,
            scratch_bytes: 0,
            cache_bytes: 4 << 20,
            turn: Duration::from_secs(2),
            wait: Duration::from_secs(10),
            flush: Duration::from_secs(10),
            late: Duration::from_secs(90),
        }
    }
}

//! The cost of a request.

use std::ops::AddAssign;

/// Storage calls and bytes of one transaction, or of several added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Calls that read an entry.
    pub gets: u64,
    /// Calls that stored an entry, redo records included.
    pub puts: u64,
    /// Calls that removed a key, redo records included.
    pub deletes: u64,
    /// Calls that listed a folder.
    pub lists: u64,
    /// Calls that began or ended a transaction of the storage's own.
    pub transaction_calls: u64,
    /// Reads that cost no call, because the cache or an earlier read of this transaction or of its existence check
    /// answered them.
    pub cached: u64,
    /// Reads of cacheable keys, and questions whether a key exists that may be remembered, that the mount's cache answered.
    pub cache_hits: u64,
    /// Those that it did not answer.
    pub cache_misses: u64,
    /// Bytes of values and names that storage returned.
    pub bytes_read: u64,
    /// Bytes of keys and values that were sent to storage.
    pub bytes_written: u64,
}

impl Usage {
    /// Returns the number of all storage calls.
    pub fn calls(&self) -> u64 {
        self.gets + self.puts + self.deletes + self.lists + self.transaction_calls
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.gets += other.gets;
        self.puts += other.puts;
        self.deletes += other.deletes;
        self.lists += other.lists;
        self.transaction_calls += other.transaction_calls;
        self.cached += other.cached;
        self.cache_hits += other.cache_hits;
        self.cache_misses += other.cache_misses;
        self.bytes_read += other.bytes_read;
        self.bytes_written += other.bytes_written;
    }
}

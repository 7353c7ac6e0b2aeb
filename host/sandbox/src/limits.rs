//! Limits of what one request, and one mount, may use.

use std::fmt;
use std::time::Duration;

/// The limits of a guest's requests. One request has one budget for all its attempts.
///
/// The fields are named like the settings that an exceeded limit reports, see [`Limit::setting`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes that are held for a request at once, at most 4 GiB: memory and tables of its instance (a table
    /// element counts 8), the request, what the host holds for it, the answer.
    pub memory_bytes: u64,
    /// CPU time.
    pub cpu: Duration,
    /// Time from arrival to answer, including the wait for an instance permit and for storage. A commit that has begun
    /// is finished.
    pub wall: Duration,
    /// Calls of `storage`, `scratch` and `system`. A list counts once for each call that it makes to Vault's storage:
    /// one call, and one more for each folder from which the request has deleted keys.
    pub storage_operations: u32,
    /// Bytes moved between guest and host: keys, values, names, log lines, events, the answer.
    pub transfer_bytes: u64,
    /// Log lines. Further lines are dropped.
    pub log_lines: u32,
    /// Requests of one mount that run at once.
    pub instances: u32,
    /// Requests of one mount that wait for an instance permit. Further ones are refused.
    pub queue: u32,
    /// Time, and CPU time, of `describe`, `special-paths` and `initialize`, for which Vault waits without a limit.
    pub start: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            cpu: Duration::from_secs(1),
            wall: Duration::from_secs(30),
            storage_operations: 10_000,
            transfer_bytes: 64 << 20,
            log_lines: vault_core::guest_log::MOST_LINES,
            instances: 64,
            queue: 512,
            start: Duration::from_secs(10),
        }
    }
}

/// One of the [`Limits`], or the limit of all requests together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // named like the fields
pub enum Limit {
    Memory,
    /// Memory that is held for all requests of the process, see [`SandboxSettings`](crate::SandboxSettings).
    ProcessMemory,
    Cpu,
    Wall,
    StorageOperations,
    Transfer,
    LogLines,
    Instances,
    Queue,
    Start,
}

impl Limits {
    /// Sets a limit to a number of the unit that the name of its [setting](Limit::setting) contains: MiB, milliseconds, or
    /// things. [`Limit::ProcessMemory`] is not among these limits, and changes nothing.
    #[must_use]
    pub fn with(mut self, limit: Limit, number: u32) -> Self {
        let mib = u64::from(number) << 20;
        let milliseconds = Duration::from_millis(number.into());
        match limit {
            Limit::Memory => self.memory_bytes = mib,
            Limit::ProcessMemory => {}
            Limit::Cpu => self.cpu = milliseconds,
            Limit::Wall => self.wall = milliseconds,
            Limit::StorageOperations => self.storage_operations = number,
            Limit::Transfer => self.transfer_bytes = mib,
            Limit::LogLines => self.log_lines = number,
            Limit::Instances => self.instances = number,
            Limit::Queue => self.queue = number,
            Limit::Start => self.start = milliseconds,
        }
        self
    }
}

impl Limit {
    /// The limits of one request, and of one mount: all but that of the whole process.
    pub const OF_MOUNT: [Self; 9] = [
        Self::Memory,
        Self::Cpu,
        Self::Wall,
        Self::StorageOperations,
        Self::Transfer,
        Self::LogLines,
        Self::Instances,
        Self::Queue,
        Self::Start,
    ];

    /// Returns the value of the limit in the unit that its name contains; see [`Limits::with`].
    pub fn number(self, limits: &Limits) -> u64 {
        match self {
            Self::Memory | Self::ProcessMemory | Self::Transfer => self.value(limits) >> 20,
            _ => self.value(limits),
        }
    }

    /// Returns the setting that changes the limit, as the `airlock` binary spells it.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Memory => "--memory-mib",
            Self::ProcessMemory => "--process-memory-mib",
            Self::Cpu => "--cpu-ms",
            Self::Wall => "--wall-ms",
            Self::StorageOperations => "--storage-ops",
            Self::Transfer => "--transfer-mib",
            Self::LogLines => "--log-lines",
            Self::Instances => "--instances",
            Self::Queue => "--queue",
            Self::Start => "--start-ms",
        }
    }

    /// Returns the value of the limit in [`Limits`], in bytes, milliseconds or a number of things.
    fn value(self, limits: &Limits) -> u64 {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        match self {
            // The limit of all requests is not one of these: `Exceeded::process_memory` has its value.
            Self::Memory | Self::ProcessMemory => limits.memory_bytes,
            Self::Cpu => milliseconds(limits.cpu),
            Self::Wall => milliseconds(limits.wall),
            Self::StorageOperations => limits.storage_operations.into(),
            Self::Transfer => limits.transfer_bytes,
            Self::LogLines => limits.log_lines.into(),
            Self::Instances => limits.instances.into(),
            Self::Queue => limits.queue.into(),
            Self::Start => milliseconds(limits.start),
        }
    }
}

/// An exceeded limit: which one, its value, and the setting that changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub struct Exceeded {
    /// The limit that was exceeded.
    pub limit: Limit,
    /// Its value, in bytes, milliseconds or a number of things.
    value: u64,
}

impl Exceeded {
    pub(crate) fn new(limit: Limit, limits: &Limits) -> Self {
        Self {
            limit,
            value: limit.value(limits),
        }
    }

    /// Returns the error for more memory than one request may hold.
    pub(crate) fn memory(bytes: u64) -> Self {
        Self {
            limit: Limit::Memory,
            value: bytes,
        }
    }

    /// Returns the error for more memory than all requests may hold together.
    pub(crate) fn process_memory(bytes: u64) -> Self {
        Self {
            limit: Limit::ProcessMemory,
            value: bytes,
        }
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, mib) = (self.value, self.value >> 20);
        f.write_str("over the limit of ")?;
        match self.limit {
            Limit::Memory => write!(f, "{mib} MiB of memory"),
            Limit::ProcessMemory => write!(f, "{mib} MiB of memory for all requests together"),
            Limit::Cpu => write!(f, "{value} ms of CPU time"),
            Limit::Wall => write!(f, "{value} ms from start to end"),
            Limit::StorageOperations => write!(f, "{value} calls of storage and system"),
            Limit::Transfer => write!(f, "{mib} MiB moved between guest and host"),
            Limit::LogLines => write!(f, "{value} log lines"),
            Limit::Instances => write!(f, "{value} requests at once"),
            Limit::Queue => write!(f, "{value} requests waiting"),
            Limit::Start => write!(f, "{value} ms to start"),
        }?;
        write!(f, " ({})", self.limit.setting())
    }
}

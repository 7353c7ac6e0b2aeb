//! The numbers of one mount, as text that Prometheus reads.
//!
//! 1. Each call of the guest is [counted](Metrics::count) with its operation, its outcome and what it used.
//! 2. [`control`](crate::control) answers `.airlock/metrics` with the [text](Metrics::text), in the format of OpenMetrics 1.0.
//!
//! They count since the process began. A change of guest does not reset them; a reload and a restart do, as Prometheus expects of
//! counters. Labels are words of the host and what the running guest says of itself: no path below the mount, no key, no value.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use airlock_logical::trace::TARGET;
use airlock_sandbox::{CallError, Usage};
use airlock_storage::Error as StorageError;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use time::OffsetDateTime;

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the histogram of durations, in seconds.
const SECONDS: [f64; 10] = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 10.0];

type FloatCounter = Counter<f64, AtomicU64>;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Call {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StorageCall {
    call: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Counted {
    result: &'static str,
}

/// The guest that runs on a mount.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(crate) struct Info {
    pub name: String,
    pub version: String,
    pub sha256: String,
    pub signer: String,
    pub source: &'static str,
}

/// The state of a mount when its numbers are read.
pub(crate) struct Now {
    /// True if a guest serves, as far as that is known.
    pub serves: bool,
    /// The guest that runs, if one does.
    pub info: Option<Info>,
    /// Requests that run in an instance, or are about to.
    pub running: u64,
    /// Requests that wait for an instance.
    pub waiting: u64,
    /// The state of the guest's breaker: 0 closed, 1 half-open, 2 open.
    pub breaker: u8,
}

/// The ends of a call, as [`Call::outcome`] names them.
const OUTCOMES: [&str; 16] = [
    "ok",
    "refused",
    "guest_error",
    "trap",
    "contract",
    "limit",
    "busy",
    "existence_changed",
    "hung_up",
    "conflict",
    "storage",
    "read_only",
    "unknown_outcome",
    "unserved",
    "set_aside",
    "other",
];

/// Returns a counter for each result, at zero. An alert on an increase would otherwise miss the first: to Prometheus, a number
/// that was not there before has not increased.
fn counted(results: &[&'static str]) -> Family<Counted, Counter> {
    let family = Family::default();
    for result in results {
        drop(family.get_or_create(&Counted { result }));
    }
    family
}

/// The numbers of one mount.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    since: OffsetDateTime,
    /// The calls by their outcome alone, in the order of [`OUTCOMES`].
    outcomes: [AtomicU64; OUTCOMES.len()],
    calls: Family<Call, Counter>,
    seconds: Family<Operation, Histogram, fn() -> Histogram>,
    cpu: FloatCounter,
    memory_peak: AtomicU64,
    repeats: Counter,
    conflicts: Counter,
    storage: Family<StorageCall, Counter>,
    cached: Counter,
    cache: Family<Counted, Counter>,
    unknown: Counter,
    swaps: Family<Counted, Counter>,
    tried: Family<Counted, Counter>,
    openings: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds: fn() -> Histogram = || Histogram::new(SECONDS);
        let mut metrics = Self {
            registry: Registry::with_prefix("airlock"),
            since: OffsetDateTime::now_utc(),
            outcomes: Default::default(),
            calls: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            cpu: FloatCounter::default(),
            memory_peak: AtomicU64::default(),
            repeats: Counter::default(),
            conflicts: Counter::default(),
            storage: Family::default(),
            cached: Counter::default(),
            cache: counted(&["hit", "miss"]),
            unknown: Counter::default(),
            swaps: counted(&["done", "refused"]),
            tried: counted(&["same", "different", "not_comparable", "skipped"]),
            openings: Counter::default(),
        };
        let Self {
            registry,
            calls,
            seconds,
            cpu,
            repeats,
            conflicts,
            storage,
            cached,
            cache,
            unknown,
            swaps,
            tried,
            openings,
            ..
        } = &mut metrics;
        registry.register("calls", "Calls of the guest that ended", calls.clone());
        let help = "Time from a call's arrival to its answer";
        registry.register_with_unit("call_duration", help, Unit::Seconds, seconds.clone());
        let help = "CPU time of the guest, and of the host on its behalf";
        registry.register_with_unit("guest_cpu", help, Unit::Seconds, cpu.clone());
        let help = "Times that a call began anew, after a conflict or in the lane for long ones";
        registry.register("repeats", help, repeats.clone());
        let help = "Times that another request's commit was in the way of a call";
        registry.register("conflicts", help, conflicts.clone());
        registry.register("storage_calls", "Calls of the server's storage", storage.clone());
        let help = "Reads that cost no call of the server's storage";
        registry.register("storage_reads_cached", help, cached.clone());
        let help = "Reads of keys that may be kept in memory, by whether they were";
        registry.register("cache_reads", help, cache.clone());
        let help = "Commits of which nobody knows whether they are stored";
        registry.register("commits_of_unknown_outcome", help, unknown.clone());
        registry.register("swaps", "Changes of guest", swaps.clone());
        let help = "Requests on which a guest was tried that is to take over";
        registry.register("canary_requests", help, tried.clone());
        let help = "Times that a guest was set aside because it failed again and again";
        registry.register("breaker_openings", help, openings.clone());
        metrics
    }
}

impl Metrics {
    /// Counts a call of the guest that ended. One that comes back because another guest took over has not ended.
    pub(crate) fn count<T>(
        &self,
        operation: &'static str,
        result: &airlock_sandbox::Result<T>,
        usage: &Usage,
    ) {
        let outcome = match result {
            Err(CallError::Replaced) => return,
            Err(error) => failure(error),
            Ok(_) => "ok",
        };
        traced(operation, outcome, usage);
        self.count_call(operation, outcome);
        let seconds = self.seconds.get_or_create(&Operation { operation });
        seconds.observe(usage.wall.as_secs_f64());
        self.cpu.inc_by(usage.cpu.as_secs_f64());
        self.memory_peak.fetch_max(usage.memory_bytes, Relaxed);
        self.repeats.inc_by(u64::from(usage.attempts.saturating_sub(1)));
        self.conflicts.inc_by(u64::from(usage.conflicts));
        let storage = &usage.storage;
        for (call, count) in [
            ("get", storage.gets),
            ("put", storage.puts),
            ("delete", storage.deletes),
            ("list", storage.lists),
            ("transaction", storage.transaction_calls),
        ] {
            if count > 0 {
                self.storage.get_or_create(&StorageCall { call }).inc_by(count);
            }
        }
        self.cached.inc_by(storage.cached);
        for (result, count) in [("hit", storage.cache_hits), ("miss", storage.cache_misses)] {
            if count > 0 {
                self.cache.get_or_create(&Counted { result }).inc_by(count);
            }
        }
        if matches!(result, Err(CallError::Storage(StorageError::UnknownOutcome(_)))) {
            self.unknown.inc();
        }
    }

    /// Counts a request that no guest was there to answer.
    pub(crate) fn count_unserved(&self, operation: &'static str) {
        tracing::trace!(target: TARGET, outcome = "unserved");
        self.count_call(operation, "unserved");
    }

    /// Counts a request that did not run because its guest is set aside.
    pub(crate) fn count_set_aside(&self, operation: &'static str) {
        tracing::trace!(target: TARGET, outcome = "set_aside");
        self.count_call(operation, "set_aside");
    }

    fn count_call(&self, operation: &'static str, outcome: &'static str) {
        self.calls.get_or_create(&Call { operation, outcome }).inc();
        let named = OUTCOMES.iter().position(|name| *name == outcome);
        if let Some(count) = named.and_then(|index| self.outcomes.get(index)) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Returns the time since which everything is counted.
    pub(crate) fn since(&self) -> OffsetDateTime {
        self.since
    }

    /// Returns the number of calls that ended in each way, where there were any.
    pub(crate) fn outcomes(&self) -> BTreeMap<&'static str, u64> {
        let counts = self.outcomes.iter().map(|count| count.load(Relaxed));
        let counts = OUTCOMES.into_iter().zip(counts);
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// Returns the number of changes of guest that were done, and of those that were refused.
    pub(crate) fn swaps(&self) -> BTreeMap<&'static str, u64> {
        let results = ["done", "refused"];
        let count = |result| self.swaps.get(&Counted { result }).map_or(0, |count| count.get());
        results.map(|result| (result, count(result))).into()
    }

    /// Counts that a guest was set aside.
    pub(crate) fn count_opening(&self) {
        self.openings.inc();
    }

    /// Counts an attempt to let another guest take over.
    pub(crate) fn count_swap(&self, is_done: bool) {
        let result = if is_done { "done" } else { "refused" };
        self.swaps.get_or_create(&Counted { result }).inc();
    }

    /// Counts a request on which a guest was tried: `same`, `different`, `not_comparable` or `skipped`.
    pub(crate) fn count_tried(&self, result: &'static str) {
        self.tried.get_or_create(&Counted { result }).inc();
    }

    /// Returns all numbers as text of the [`MEDIA_TYPE`].
    ///
    /// # Errors
    /// None occurs in practice: writing to a text cannot fail.
    pub(crate) fn text(&self, now: Now) -> Result<String, std::fmt::Error> {
        let mut state = Registry::with_prefix("airlock");
        let gauge = |value: u64| ConstGauge::new(value.min(i64::MAX as u64).cast_signed());
        let running = gauge(now.running);
        state.register(
            "requests_running",
            "Requests that have an instance's permit",
            running,
        );
        let help = "Requests that wait for an instance's permit";
        state.register("requests_waiting", help, gauge(now.waiting));
        let peak = gauge(self.memory_peak.load(Relaxed));
        let help = "The most memory that one call has taken";
        state.register_with_unit("call_memory_peak", help, Unit::Bytes, peak);
        let serves = gauge(now.serves.into());
        state.register("serving", "1 if a guest serves this mount, otherwise 0", serves);
        let breaker = gauge(now.breaker.into());
        let help = "2 while the guest is set aside because it failed again and again, 1 while it is tried again, otherwise 0";
        state.register("breaker_state", help, breaker);
        if let Some(info) = now.info {
            let info = prometheus_client::metrics::info::Info::new(info);
            state.register("guest", "What runs on this mount", info);
        }
        let mut out = String::new();
        text::encode_registry(&mut out, &self.registry)?;
        text::encode_registry(&mut out, &state)?;
        text::encode_eof(&mut out)?;
        Ok(out)
    }
}

/// Records in the request's trace how the call ended and what it used. Leaves out `initialize`, because its end does not answer
/// the request that waits for it.
fn traced(operation: &'static str, outcome: &'static str, usage: &Usage) {
    if operation != "initialize" {
        tracing::trace!(
            target: TARGET,
            outcome,
            attempts = usage.attempts,
            cpu_us = usage.cpu.as_micros() as u64,
            memory_bytes = usage.memory_bytes,
            storage_calls = usage.storage.calls(),
            storage_cached = usage.storage.cached,
        );
    }
}

/// Returns the word for a failure.
fn failure(error: &CallError) -> &'static str {
    match error {
        error if error.is_read_only() => "read_only",
        CallError::Guest(_) if error.status() < 500 => "refused",
        CallError::Guest(_) => "guest_error",
        CallError::Trap { .. } => "trap",
        CallError::Contract { .. } => "contract",
        CallError::Limit { .. } => "limit",
        CallError::Busy { .. } | CallError::Full { .. } => "busy",
        CallError::ExistenceChanged { .. } => "existence_changed",
        CallError::HungUp => "hung_up",
        CallError::Storage(StorageError::UnknownOutcome(_)) => "unknown_outcome",
        CallError::Storage(StorageError::Conflict) => "conflict",
        CallError::Storage(_) => "storage",
        _ => "other",
    }
}

#[cfg(test)]
mod tests;

//! A guest is tried on live traffic before it takes over.
//!
//! 1. The guest in office answers each request. Some runs are recorded ([`Trial`]): one at a time, and no large ones.
//! 2. The other guest runs the same request with what was recorded, off the caller's path, and without any effect.
//! 3. Answers and writes are [compared](compare). A difference ends it, and the guest in office stays.
//! 4. After as many requests as were asked for, none of which differed and half of which at least could be compared, the other
//!    guest takes over.
//!
//! What cannot be repeated exactly counts as not comparable. Reports name operations, statuses, fields and numbers of keys, and
//! never a value. A restart or the time limit ends it too, and the guest in office stays.

mod compare;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use airlock_sandbox::{CallError, Record, types};
use airlock_trust::Digest;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::guest_mount::GuestMount;
use compare::Answered;

/// Most requests of one trial, and most time that it takes.
pub(crate) const MOST: u32 = 100_000;
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Most bytes of the data of a request that is recorded.
const LARGEST: usize = 64 << 10;

/// A guest that is being tried.
pub(crate) struct Canary {
    pub digest: Digest,
    guest: Arc<GuestMount>,
    wanted: u32,
    tolerated: BTreeSet<String>,
    until: Instant,
    /// One request at a time is compared, so that little is held for it.
    running: Arc<Semaphore>,
    report: Mutex<Report>,
}

/// What was found so far.
#[derive(Clone, Default, Serialize)]
pub(crate) struct Report {
    /// Requests that both guests answered alike, by operation.
    same: BTreeMap<String, u32>,
    /// Requests that could not be repeated exactly, by operation.
    not_comparable: BTreeMap<String, u32>,
    /// Requests that were not tried, because another one was or because they were large.
    skipped: u32,
    /// Differences, as operation and kind.
    differences: BTreeMap<String, u32>,
    /// `running`, `passed`, `differs`, `too-few-comparable`, `timed-out` or `failed`.
    state: &'static str,
    /// The reason for `failed`.
    cause: Option<String>,
}

impl Report {
    pub fn state(&self) -> &'static str {
        self.state
    }
}

/// What to do after a request was compared.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    GoOn,
    TakeOver,
}

/// One request whose run is recorded.
pub(crate) struct Trial {
    pub record: Arc<Record>,
    answered: Mutex<Option<Answered>>,
    _one: OwnedSemaphorePermit,
}

impl Trial {
    /// Keeps the first guest's answer, unless it is no answer of the guest's.
    pub fn answered(&self, result: &airlock_sandbox::Result<Option<Box<types::Response>>>) {
        *self.answered.lock() = match result {
            Ok(response) => Some(Ok(response.clone())),
            Err(CallError::Guest(refusal)) => Some(Err(refusal.clone())),
            Err(_) => None,
        };
    }
}

impl Canary {
    pub fn new(digest: Digest, guest: Arc<GuestMount>, wanted: u32, tolerated: BTreeSet<String>) -> Self {
        Self {
            digest,
            guest,
            wanted,
            tolerated,
            until: Instant::now() + LONGEST,
            running: Arc::new(Semaphore::new(1)),
            report: Mutex::new(Report {
                state: "running",
                ..Report::default()
            }),
        }
    }

    pub fn report(&self) -> Report {
        let mut report = self.report.lock();
        if report.state == "running" && Instant::now() > self.until {
            report.state = "timed-out";
        }
        report.clone()
    }

    /// Begins to record a request, if it should be tried.
    pub fn try_one(&self, request: &types::Request) -> Option<Trial> {
        use types::Operation;
        let is_tried = matches!(
            request.operation,
            Operation::Read
                | Operation::Create
                | Operation::Update
                | Operation::Patch
                | Operation::Delete
                | Operation::List
        );
        if !is_tried || self.report().state != "running" {
            return None;
        }
        let bytes = request.data.as_ref().map_or(0, |data| data.as_str().len());
        let one = self.running.clone().try_acquire_owned();
        match one {
            Ok(one) if bytes <= LARGEST => Some(Trial {
                record: Arc::default(),
                answered: Mutex::default(),
                _one: one,
            }),
            _ => {
                self.report.lock().skipped += 1;
                None
            }
        }
    }

    /// Runs the request on the other guest, and compares.
    pub async fn compare(&self, request: Arc<types::Request>, trial: Trial) -> Next {
        let operation = request.operation.as_str().to_owned();
        let Trial {
            record,
            answered,
            _one,
        } = trial;
        let differences = async {
            let first = answered.into_inner()?;
            let second = self.guest.replay(request, Arc::into_inner(record)?).await?;
            Some(compare::differences(&first, &second, &self.tolerated))
        };
        let differences = differences.await;
        let mut report = self.report.lock();
        if report.state != "running" {
            return Next::GoOn;
        }
        match differences {
            None => *report.not_comparable.entry(operation).or_default() += 1,
            Some(differences) if differences.is_empty() => *report.same.entry(operation).or_default() += 1,
            Some(differences) => {
                for difference in &differences {
                    let kind = format!("{operation}: {difference}");
                    *report.differences.entry(kind).or_default() += 1;
                }
                report.state = "differs";
                tracing::warn!(
                    guest = self.guest.name(),
                    sha256 = %self.digest,
                    operation,
                    differences = differences.len(),
                    "a guest that is tried answers otherwise; the one that runs stays"
                );
                return Next::GoOn;
            }
        }
        let same: u32 = report.same.values().sum();
        let all = same + report.not_comparable.values().sum::<u32>();
        if all < self.wanted {
            return Next::GoOn;
        }
        if same * 2 < all {
            report.state = "too-few-comparable";
            return Next::GoOn;
        }
        report.state = "passed";
        Next::TakeOver
    }

    /// Notes that the guest could not take over.
    pub fn failed(&self, cause: String) {
        let mut report = self.report.lock();
        report.state = "failed";
        report.cause = Some(cause);
    }
}

//! A guest is tried on live traffic before it takes over.
//!
//! 1. The guest in office answers each request. Some runs are recorded ([`Trial`]): one at a time, and no large ones.
//! 2. The other guest runs the same request with what was recorded, off the caller's path, and without any effect.
//! 3. Answers and writes are [compared](compare), and differences counted.
//! 4. After as many requests as were asked for, the other guest takes over if none of them differed and at least half could be
//!    compared. Otherwise the guest in office stays.
//!
//! An existence check is a request of its own here, `check` in the report. The write after it is recorded too, although its check
//! may still be compared: it runs in the check's instance and on what the check read, and so does its second run.
//!
//! A request that cannot be repeated exactly counts as not comparable. Reports name operations, statuses, fields and numbers of
//! keys, and never a value. A restart or the time limit ends the trial too, and the guest in office stays.

pub(crate) mod compare;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use airlock_sandbox::{CallError, Record, types};
use airlock_trust::Digest;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::guest_mount::GuestMount;
use crate::pushed::Actor;
use compare::{Answered, Checked};

/// Most requests of one trial, and most time that it takes.
pub(crate) const MOST: u32 = 100_000;
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Most bytes of the data of a request that is recorded.
pub(crate) const LARGEST: usize = 64 << 10;

/// Time for which the record of an existence check is kept for its request. The check's instance is kept as long.
const CHECKED: Duration = Duration::from_secs(1);

/// Number of kinds of difference that are told apart. Guests word them, as names of fields.
const KINDS: usize = 64;

/// The name of existence checks in reports.
pub(crate) const CHECK: &str = "check";

/// A guest that is being tried.
pub(crate) struct Canary {
    pub digest: Digest,
    /// The caller who asked for the trial, and so for the change of guest at its end.
    pub by: Actor,
    wanted: u32,
    until: Instant,
    /// `None` once the trial has ended.
    tried: Mutex<Option<Arc<Tried>>>,
    /// The last existence check that was recorded, by its request's id, until the request comes.
    checked: Mutex<Option<(String, Arc<Record>)>>,
    /// One request at a time is compared, so that little is held for it.
    running: Arc<Semaphore>,
    report: Mutex<Report>,
}

/// The parts that are needed while the trial goes on.
struct Tried {
    guest: Arc<GuestMount>,
    /// The fields that may differ.
    tolerated: BTreeSet<String>,
}

/// The results so far.
#[derive(Clone, Default, Serialize)]
pub(crate) struct Report {
    /// Requests that both guests answered alike, by operation.
    same: BTreeMap<String, u32>,
    /// Requests that could not be repeated exactly, by operation.
    not_comparable: BTreeMap<String, u32>,
    /// Requests that were not tried, because another one was being tried or because they were large.
    skipped: u32,
    /// Requests that the guests answered otherwise, by operation.
    different: BTreeMap<String, u32>,
    /// Numbers of differences, by operation and kind. One request may differ in several.
    differences: BTreeMap<String, u32>,
    /// `running`, `passed`, `differs`, `too-few-comparable`, `timed-out` or `failed`.
    state: &'static str,
    /// The reason for `failed`.
    cause: Option<String>,
}

impl Report {
    /// Counts a request that the guests answered otherwise.
    fn note(&mut self, operation: String, differences: Vec<String>) {
        for difference in differences {
            let mut kind = format!("{operation}: {difference}");
            if self.differences.len() >= KINDS && !self.differences.contains_key(&kind) {
                kind = format!("{operation}: other kinds");
            }
            *self.differences.entry(kind).or_default() += 1;
        }
        *self.different.entry(operation).or_default() += 1;
    }
}

/// The next step after a request was compared.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    GoOn,
    TakeOver,
}

/// One request whose run is recorded.
pub(crate) struct Trial {
    pub record: Arc<Record>,
    kind: Kind,
    answered: Mutex<Option<First>>,
    /// Most bytes of an answer that is kept.
    largest: usize,
    /// `None` if it follows its existence check, whose trial may still have the permit.
    one: Option<OwnedSemaphorePermit>,
}

/// The kind of call that the server makes to a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    /// The existence check, which asks whether there is something at the path of a write.
    Check,
}

/// The first guest's answer.
pub(crate) enum First {
    Request(Answered),
    Check(Checked),
}

impl Trial {
    /// Begins to record a run, for as long as somebody needs that with this permit. An answer of more than `largest` bytes is not
    /// kept.
    pub fn with(kind: Kind, one: OwnedSemaphorePermit, largest: usize) -> Self {
        Self {
            record: Arc::default(),
            kind,
            answered: Mutex::default(),
            largest,
            one: Some(one),
        }
    }

    /// Returns the name under which a report counts this run of a request. It does not depend on the answer, because a run that
    /// failed has none.
    pub fn operation(&self, request: &types::Request) -> &'static str {
        match self.kind {
            Kind::Check => CHECK,
            Kind::Request => request.operation.known().unwrap_or("other"),
        }
    }

    /// Returns the record, the first guest's answer, and the permit.
    pub fn end(self) -> (Arc<Record>, Option<First>, Option<OwnedSemaphorePermit>) {
        (self.record, self.answered.into_inner(), self.one)
    }

    /// Keeps the first guest's answer, unless it is not the guest's own, or is too large.
    pub fn answered(&self, result: &airlock_sandbox::Result<Option<Box<types::Response>>>) {
        let bytes =
            |answer: &Option<Box<types::Response>>| answer.as_ref().map_or(0, |answer| answer.bytes());
        self.keep(result, bytes, First::Request);
    }

    /// Does the same for an existence check.
    pub fn checked(&self, result: &airlock_sandbox::Result<Option<bool>>) {
        self.keep(result, |_| 0, First::Check);
    }

    fn keep<T: Clone>(
        &self,
        result: &airlock_sandbox::Result<T>,
        bytes: impl FnOnce(&T) -> usize,
        first: impl FnOnce(Result<T, types::Error>) -> First,
    ) {
        let answer = match result {
            Ok(answer) if bytes(answer) <= self.largest => Ok(answer.clone()),
            Err(CallError::Guest(refusal)) if refusal.bytes() <= self.largest => Err(refusal.clone()),
            _ => return,
        };
        *self.answered.lock() = Some(first(answer));
    }
}

impl Canary {
    pub fn begin(
        digest: Digest,
        guest: Arc<GuestMount>,
        wanted: u32,
        tolerated: BTreeSet<String>,
        by: Actor,
    ) -> Arc<Self> {
        let canary = Arc::new(Self {
            digest,
            by,
            wanted,
            until: Instant::now() + LONGEST,
            tried: Mutex::new(Some(Arc::new(Tried { guest, tolerated }))),
            checked: Mutex::default(),
            running: Arc::new(Semaphore::new(1)),
            report: Mutex::new(Report {
                state: "running",
                ..Report::default()
            }),
        });
        let trial = Arc::downgrade(&canary);
        tokio::spawn(async move {
            tokio::time::sleep(LONGEST).await;
            // This ends it, also if nobody asks any more.
            trial.upgrade().map(|canary| canary.report());
        });
        canary
    }

    pub fn report(&self) -> Report {
        let mut report = self.report.lock();
        if report.state == "running" && Instant::now() >= self.until {
            self.end(&mut report, "timed-out");
        }
        report.clone()
    }

    /// Returns true if the guest is being tried, or is about to take over.
    pub fn is_open(&self) -> bool {
        self.report();
        self.tried.lock().is_some()
    }

    /// Ends the trial. Nothing of it is kept but the report.
    fn end(&self, report: &mut Report, state: &'static str) {
        report.state = state;
        *self.tried.lock() = None;
        *self.checked.lock() = None;
    }

    /// Begins to record a request, if it should be tried.
    pub fn try_request(&self, request: &types::Request) -> Option<Trial> {
        use types::Operation;
        let check = match request.operation {
            Operation::Create | Operation::Update => self.take_check(&request.id),
            Operation::Read | Operation::Patch | Operation::Delete | Operation::List => None,
            _ => return None,
        };
        self.record(Kind::Request, request, check)
    }

    /// Begins to record an existence check, if it should be tried.
    pub fn try_check(self: &Arc<Self>, request: &types::Request) -> Option<Trial> {
        let trial = self.record(Kind::Check, request, None)?;
        if !request.id.is_empty() {
            *self.checked.lock() = Some((request.id.clone(), trial.record.clone()));
            let (canary, id) = (Arc::downgrade(self), request.id.clone());
            tokio::spawn(async move {
                tokio::time::sleep(CHECKED).await;
                canary.upgrade().and_then(|canary| canary.take_check(&id));
            });
        }
        Some(trial)
    }

    /// Returns the record of a request's existence check.
    fn take_check(&self, id: &str) -> Option<Arc<Record>> {
        let check = self.checked.lock().take_if(|(checked, _)| checked == id);
        check.map(|(_, record)| record)
    }

    fn record(&self, kind: Kind, request: &types::Request, check: Option<Arc<Record>>) -> Option<Trial> {
        if self.report().state != "running" {
            return None;
        }
        let bytes = request.data.as_ref().map_or(0, |data| data.as_str().len());
        let (record, one) = match check {
            Some(check) => (Record::after(check), Ok(None)),
            None => (
                Record::default(),
                self.running.clone().try_acquire_owned().map(Some),
            ),
        };
        match one {
            Ok(one) if bytes <= LARGEST => Some(Trial {
                record: Arc::new(record),
                kind,
                answered: Mutex::default(),
                largest: usize::MAX,
                one,
            }),
            _ => {
                self.report.lock().skipped += 1;
                if let Some(tried) = &*self.tried.lock() {
                    tried.guest.metrics().count_tried("skipped");
                }
                None
            }
        }
    }

    /// Runs the request on the other guest, and compares.
    pub async fn compare(&self, request: Arc<types::Request>, trial: Trial) -> Next {
        let operation = trial.operation(&request).to_owned();
        let (record, answered, one) = trial.end();
        let _one = match one {
            Some(one) => Ok(one),
            // No more than one waits for each check.
            None => self.running.clone().acquire_owned().await,
        };
        let Some(tried) = self.tried.lock().clone() else {
            return Next::GoOn;
        };
        let Tried { guest, tolerated } = &*tried;
        let differences = async {
            match answered? {
                First::Request(first) => {
                    let second = guest.replay(request, &record).await?;
                    Some(compare::differences(&first, &second, tolerated))
                }
                First::Check(first) => {
                    let second = guest.replay_check(request, &record).await?;
                    Some(compare::check_differences(&first, &second.result))
                }
            }
        };
        let differences = differences.await;
        let mut report = self.report.lock();
        if report.state != "running" {
            return Next::GoOn;
        }
        guest.metrics().count_tried(match &differences {
            None => "not_comparable",
            Some(differences) if differences.is_empty() => "same",
            Some(_) => "different",
        });
        match differences {
            None => *report.not_comparable.entry(operation).or_default() += 1,
            Some(differences) if differences.is_empty() => *report.same.entry(operation).or_default() += 1,
            Some(differences) => report.note(operation, differences),
        }
        let [same, different, not_comparable] = [&report.same, &report.different, &report.not_comparable]
            .map(|counts| counts.values().sum::<u32>());
        if same + different + not_comparable < self.wanted {
            return Next::GoOn;
        }
        if different > 0 {
            self.end(&mut report, "differs");
            tracing::warn!(
                guest = guest.name(),
                sha256 = %self.digest,
                different,
                same,
                "a guest that was tried answers otherwise; the one that runs stays"
            );
            return Next::GoOn;
        }
        if same < not_comparable {
            self.end(&mut report, "too-few-comparable");
            return Next::GoOn;
        }
        report.state = "passed";
        Next::TakeOver
    }

    /// Notes that the guest has taken over.
    pub fn took_over(&self) {
        self.end(&mut self.report.lock(), "passed");
    }

    /// Notes that the guest could not take over.
    pub fn failed(&self, cause: String) {
        let mut report = self.report.lock();
        self.end(&mut report, "failed");
        report.cause = Some(cause);
    }
}

#[cfg(test)]
mod tests;

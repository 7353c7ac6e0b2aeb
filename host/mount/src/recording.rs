//! A mount's requests are recorded, without its secrets, to be replayed on another build of its guest.
//!
//! 1. A caller with `sudo` starts a [`Recording`], if the registration allows that (`serve --allow-record`). It ends by its time,
//!    its bytes, its number of requests, when it is stopped, when another guest takes over, or with the process.
//! 2. The guest answers each request, and each existence check before a write, as always. Some runs are recorded, as for a
//!    [canary](crate::canary): a few at a time, and no large ones.
//! 3. Off the caller's path, what was asked and heard is [replaced](redact) by [tokens], and the same guest runs the request again
//!    with them ([`second`]), on a mount of its own that has no storage. It asks for other keys than before, and gets the answers
//!    in their order.
//! 4. A [line](format) is kept of that second run: what it asked for, was told, answered and would have stored. Nothing of the first
//!    run is kept, and so nothing that the second one was not told can be in it.
//! 5. The caller fetches the lines in pieces. [`replay`] runs them on another build.
//!
//! Lines are kept in memory only. They and the key of the tokens are dropped when the caller says so, or ten minutes after the end.

mod format;
mod kinds;
mod redact;
pub mod replay;
mod second;
mod tokens;
mod vocabulary;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use airlock_logical::Json;
use airlock_sandbox::{Guest, types};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;
use types::Operation;

use crate::canary::{Kind, LARGEST, Trial};
use format::{End, Header};
use second::Running;

/// Most seconds, bytes and requests of a recording.
pub(crate) const MOST_SECONDS: u64 = 60 * 60;
pub(crate) const MOST_BYTES: usize = 16 << 20;
pub(crate) const MOST_REQUESTS: u32 = 10_000;

/// Most bytes of a piece, and so of a line.
const PIECE: usize = 256 << 10;

/// Requests that are recorded at a time. Others are skipped meanwhile.
const AT_ONCE: u32 = 4;

/// The time for which a stop waits for those that are being recorded.
const SETTLE: Duration = Duration::from_secs(5);

/// The time for which the lines are kept after the end.
const KEPT: Duration = Duration::from_secs(10 * 60);

/// The bounds of a recording.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub time: Duration,
    pub bytes: usize,
    pub requests: u32,
}

/// A recording of one mount.
pub(crate) struct Recording {
    sha256: String,
    bounds: Bounds,
    begun: Instant,
    /// `None` once it has ended.
    running: Mutex<Option<Arc<Running>>>,
    permits: Arc<Semaphore>,
    ended: Arc<Notify>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    pieces: Vec<String>,
    bytes: usize,
    end: End,
}

/// The state of a recording, for an answer.
#[derive(Serialize)]
pub(crate) struct Report {
    /// `running`, `time`, `bytes`, `requests`, `stopped`, `guest-changed` or `forgotten`.
    state: String,
    sha256: String,
    seconds: u64,
    bytes: usize,
    pieces: usize,
    recorded: u32,
    other_course: u32,
    skipped: u32,
    not_comparable: BTreeMap<String, u32>,
}

impl Recording {
    /// Begins to record what a guest does with the requests of a mount with these options.
    ///
    /// # Errors
    /// The reason why that is not possible, in a sentence for the operator.
    pub async fn begin(
        guest: Guest,
        options: &[(String, String)],
        bounds: Bounds,
    ) -> Result<Arc<Self>, String> {
        let (running, options) = Running::begin(guest.clone(), options).await?;
        let description = guest.description();
        let header = Header {
            airlock_recording: format::VERSION,
            name: description.name.clone(),
            version: description.version.clone(),
            sha256: guest.digest().to_owned(),
            options,
        };
        let recording = Arc::new(Self {
            sha256: header.sha256.clone(),
            bounds,
            begun: Instant::now(),
            permits: Arc::new(Semaphore::new(AT_ONCE as usize)),
            ended: Arc::default(),
            kept: Mutex::default(),
            running: Mutex::new(Some(Arc::new(running))),
        });
        recording
            .kept
            .lock()
            .add(&line_of(&header).ok_or("the guest's name cannot be written")?);
        let (this, ended) = (Arc::downgrade(&recording), recording.ended.clone());
        tokio::spawn(async move {
            let _early = timeout(bounds.time, ended.notified()).await;
            if let Some(recording) = this.upgrade() {
                recording.end("time");
            }
            tokio::time::sleep(KEPT).await;
            if let Some(recording) = this.upgrade() {
                recording.forget();
            }
        });
        Ok(recording)
    }

    /// Returns true while requests are recorded.
    pub fn is_running(&self) -> bool {
        self.running.lock().is_some()
    }

    /// Begins to record a request, if it should be.
    pub fn try_request(&self, request: &types::Request) -> Option<Trial> {
        use Operation::{Create, Delete, List, Patch, Read, Renew, Revoke, Update};
        let is_recorded = matches!(
            request.operation,
            Create | Read | Update | Patch | Delete | List | Renew | Revoke
        );
        is_recorded.then(|| self.trial(Kind::Request, request)).flatten()
    }

    /// Begins to record an existence check, if it should be.
    pub fn try_check(&self, request: &types::Request) -> Option<Trial> {
        self.trial(Kind::Check, request)
    }

    /// Begins to record a run, unless it is to be skipped.
    fn trial(&self, kind: Kind, request: &types::Request) -> Option<Trial> {
        if !self.is_running() {
            return None;
        }
        let bytes = bytes_of(request);
        let permit = self.permits.clone().try_acquire_owned().ok();
        let permit = permit.filter(|_| bytes <= LARGEST);
        if permit.is_none() {
            self.kept.lock().end.skipped += 1;
        }
        permit.map(|permit| Trial::with(kind, permit, PIECE))
    }

    /// Records a request or an existence check that a guest with this digest has answered.
    pub async fn keep(&self, request: Arc<types::Request>, trial: Trial, sha256: &str) {
        let operation = trial.operation(&request);
        let (record, answered, permit) = trial.end();
        if sha256 != self.sha256 {
            return self.end("guest-changed");
        }
        let Some(running) = self.running.lock().clone() else {
            return;
        };
        let line = async {
            let (heard, written) = record.take_heard()?;
            running.line(request.clone(), answered?, heard, written).await
        };
        let line = line.await;
        if !self.is_running() {
            return;
        }
        drop(permit);
        let mut kept = self.kept.lock();
        match line {
            Some((text, same_course)) => {
                if kept.bytes + text.len() > self.bounds.bytes {
                    kept.end.skipped += 1;
                    drop(kept);
                    return self.end("bytes");
                }
                kept.add(&text);
                kept.end.recorded += 1;
                kept.end.other_course += u32::from(!same_course);
            }
            None => *kept.end.not_comparable.entry(operation.to_owned()).or_default() += 1,
        }
        let is_full = kept.end.recorded >= self.bounds.requests;
        drop(kept);
        if is_full {
            self.end("requests");
        }
    }

    /// Ends it, once those requests are recorded that are being.
    pub async fn stop(&self) {
        // If they take too long, they are not in it.
        drop(timeout(SETTLE, self.permits.acquire_many(AT_ONCE)).await);
        self.end("stopped");
    }

    /// Ends it, and drops what was needed to record. Does nothing if it has ended.
    pub fn end(&self, why: &str) {
        let running = self.running.lock().take();
        if running.is_none() {
            return;
        }
        let mut kept = self.kept.lock();
        // Those that are being recorded are not in it.
        let unfinished = (AT_ONCE as usize).saturating_sub(self.permits.available_permits());
        kept.end.skipped += unfinished as u32;
        self.ended.notify_one();
        why.clone_into(&mut kept.end.ended);
        if let Some(line) = line_of(&kept.end.clone()) {
            kept.add(&line);
        }
        let End {
            recorded, skipped, ..
        } = kept.end;
        tracing::info!(why, recorded, skipped, "the recording of a mount has ended");
    }

    fn forget(&self) {
        self.end("forgotten");
        let mut kept = self.kept.lock();
        kept.pieces = Vec::new();
        "forgotten".clone_into(&mut kept.end.ended);
    }

    /// Returns some of the lines, once it has ended: all, by the numbers from 0 up to those of the [report](Self::report).
    pub fn piece(&self, number: usize) -> Option<String> {
        if self.is_running() {
            return None;
        }
        self.kept.lock().pieces.get(number).cloned()
    }

    pub fn report(&self) -> Report {
        let is_running = self.is_running();
        let kept = self.kept.lock();
        let end = kept.end.clone();
        Report {
            state: match is_running {
                true => "running".to_owned(),
                false => end.ended,
            },
            sha256: self.sha256.clone(),
            seconds: self.begun.elapsed().min(self.bounds.time).as_secs(),
            bytes: kept.bytes,
            pieces: kept.pieces.len(),
            recorded: end.recorded,
            other_course: end.other_course,
            skipped: end.skipped,
            not_comparable: end.not_comparable,
        }
    }
}

impl Kept {
    /// Adds a line to the last piece, or to a new one.
    fn add(&mut self, line: &str) {
        self.bytes += line.len();
        match self.pieces.last_mut() {
            Some(last) if last.len() + line.len() <= PIECE => last.push_str(line),
            _ => self.pieces.push(line.to_owned()),
        }
    }
}

/// Returns the bytes of a request that are as long as its caller likes.
fn bytes_of(request: &types::Request) -> usize {
    let data = |data: &Option<Json>| data.as_ref().map_or(0, |data| data.as_str().len());
    let headers = request.headers.iter();
    let headers =
        headers.map(|header| header.name.len() + header.values.iter().map(String::len).sum::<usize>());
    let secret = request.secret.as_ref().map(|secret| data(&secret.internal_data));
    request.path.len() + data(&request.data) + headers.sum::<usize>() + secret.unwrap_or(0)
}

/// Writes a line of the file.
fn line_of(line: &impl Serialize) -> Option<String> {
    serde_json::to_string(line).ok().map(|line| line + "\n")
}

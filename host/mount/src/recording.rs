//! A mount's requests are recorded, without its secrets, to be replayed on another build of its guest.
//!
//! 1. A caller with `sudo` starts a [`Recording`], if the registration allows that (`serve --allow-record`). It ends by its time,
//!    its bytes, its number of requests, when it is stopped, when another guest takes over, or with the process.
//! 2. The guest answers each request as always. Some runs are recorded, as for a [canary](crate::canary): a few at a time, and no
//!    large ones.
//! 3. Off the caller's path, what was asked and heard is [replaced](redact) by [tokens], and the same guest runs the request again
//!    with them, on a mount of its own that has no storage. It asks for other keys than before, and gets the answers in their order.
//! 4. A [line](format) is kept of that second run: what it asked for, was told, answered and would have stored. Nothing of the first
//!    run is kept, and so nothing that the second one was not told can be in it.
//! 5. The caller fetches the lines in pieces. [`replay`] runs them on another build.
//!
//! Lines are kept in memory only. They and the key of the tokens are dropped when the caller says so, or ten minutes after the end.

mod format;
mod kinds;
mod redact;
pub mod replay;
mod tokens;
mod vocabulary;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use airlock_logical::Json;
use airlock_sandbox::{CallError, Guest, MountContext, Services, aside, types};
use airlock_storage::{MemoryStorage, Settings, Told, Written};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;
use types::Operation;

use crate::canary::compare::Answered;
use crate::canary::{First, LARGEST, Trial, of_the_guest};
use format::{Answer, Asked, End, Header, Line};
use redact::Redaction;
use tokens::Tokens;
use vocabulary::Vocabulary;

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

/// What bounds a recording.
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

/// What is needed for as long as requests are recorded.
struct Running {
    guest: Guest,
    /// A mount with nothing stored, no services, and the options replaced.
    mount: Arc<MountContext>,
    redaction: Redaction,
    /// Held by the second run: one at a time, so that it takes no more of the slow lane than one request of the mount.
    second: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Kept {
    pieces: Vec<String>,
    bytes: usize,
    end: End,
}

/// What a caller is told about a recording.
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
        let mut redaction = Redaction {
            tokens: Tokens::new().map_err(|error| format!("no random bytes for tokens: {error}"))?,
            vocabulary: vocabulary(&guest).await?,
        };
        let options = redaction.options(options);
        // Its paths may depend on its options.
        if let Some(document) = document(&guest, options.clone()).await {
            redaction.vocabulary.add(&document);
        }
        let description = guest.description();
        let header = Header {
            airlock_recording: format::VERSION,
            name: description.name.clone(),
            version: description.version.clone(),
            sha256: guest.digest().to_owned(),
            options: options.clone(),
        };
        let recording = Arc::new(Self {
            sha256: header.sha256.clone(),
            bounds,
            begun: Instant::now(),
            permits: Arc::new(Semaphore::new(AT_ONCE as usize)),
            ended: Arc::default(),
            kept: Mutex::default(),
            running: Mutex::new(Some(Arc::new(Running {
                mount: nowhere(&guest, options),
                guest,
                redaction,
                second: tokio::sync::Mutex::new(()),
            }))),
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
        if !matches!(
            request.operation,
            Create | Read | Update | Patch | Delete | List | Renew | Revoke
        ) || !self.is_running()
        {
            return None;
        }
        let bytes = bytes_of(request);
        let permit = self.permits.clone().try_acquire_owned().ok();
        let trial = permit.filter(|_| bytes <= LARGEST).map(Trial::with);
        if trial.is_none() {
            self.kept.lock().end.skipped += 1;
        }
        trial
    }

    /// Records a request that a guest with this digest has answered.
    pub async fn keep(&self, request: Arc<types::Request>, trial: Trial, sha256: &str) {
        let (record, answered, permit) = trial.end();
        if sha256 != self.sha256 {
            return self.end("guest-changed");
        }
        let Some(running) = self.running.lock().clone() else {
            return;
        };
        let line = async {
            let Some(First::Request(first)) = answered else {
                return None;
            };
            let (heard, written) = record.take_heard()?;
            running.line(request.clone(), first, heard, written).await
        };
        let line = line.await;
        if !self.is_running() {
            return;
        }
        drop(permit);
        let operation = request.operation.known().unwrap_or("other");
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

impl Running {
    /// Runs a request again with tokens. Returns its line, and whether it took the same course. Returns nothing if that is not
    /// possible, if it is too large, or if the guest asked for what it could not be told.
    async fn line(
        self: &Arc<Self>,
        request: Arc<types::Request>,
        first: Answered,
        heard: airlock_sandbox::Heard,
        written: Written,
    ) -> Option<(String, bool)> {
        if !is_small(&first, &written) {
            return None;
        }
        // On another thread: `serve` has one for all of Vault's calls.
        let this = self.clone();
        let replaced = aside(move || {
            let asked = this.redaction.request(&request)?;
            Some((Arc::new(asked), this.redaction.heard(&heard)))
        });
        let (asked, heard) = replaced.await.ok()??;
        let one = self.second.lock().await;
        let rerun = self.guest.rerun(&self.mount, asked.clone(), heard, Told::InOrder);
        let rerun = rerun.await?;
        drop(one);
        let answer = of_the_guest(&rerun.outcome.result)?;
        if !is_small(&answer, &rerun.written) {
            return None;
        }
        let this = self.clone();
        let written_as = aside(move || {
            let same_course =
                rerun.left == 0 && written.len() == rerun.written.len() && is_alike(&first, &answer);
            let line = Line {
                route: this.redaction.vocabulary.pattern(&asked.path).map(str::to_owned),
                asked: Asked::of(&asked),
                told: format::Told::of(&rerun.heard),
                answer: Answer::of(&answer),
                written: format::written(&rerun.written),
                same_course,
            };
            let text = line_of(&line).filter(|text| text.len() <= PIECE)?;
            Some((text, same_course))
        });
        written_as.await.ok()?
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

/// Returns true if a line can have room for an answer and for what was written, so that they are worth decoding.
fn is_small(answer: &Answered, written: &Written) -> bool {
    let answered = match answer {
        Ok(Some(response)) => response.data.as_ref().map_or(0, |data| data.as_str().len()),
        _ => 0,
    };
    let written = written.iter();
    let written = written.map(|(key, value)| key.len() + value.as_ref().map_or(0, |entry| entry.value.len()));
    answered + written.sum::<usize>() <= PIECE
}

/// Returns true if two answers have the same status and as many fields.
fn is_alike(first: &Answered, second: &Answered) -> bool {
    let status = |error: &types::Error| CallError::Guest(error.clone()).status();
    let fields = |answer: &Option<Box<types::Response>>| {
        let data = answer.as_ref().map(|response| response.data.as_ref());
        data.map(|data| {
            data.map(|data| {
                data.decode::<BTreeMap<String, Value>>()
                    .map(|data| data.len())
                    .ok()
            })
        })
    };
    match (first, second) {
        (Ok(first), Ok(second)) => fields(first) == fields(second),
        (Err(first), Err(second)) => status(first) == status(second),
        _ => false,
    }
}

/// Writes a line of the file.
fn line_of(line: &impl Serialize) -> Option<String> {
    serde_json::to_string(line).ok().map(|line| line + "\n")
}

/// Returns a mount that has nothing: neither what is stored nor services.
fn nowhere(guest: &Guest, options: Vec<(String, String)>) -> Arc<MountContext> {
    let storage = airlock_storage::Mount::new(Arc::new(MemoryStorage::new()), Settings::default());
    MountContext::new(storage, Services::default(), options, guest.limits())
}

/// Returns the words of a guest: those of its file, and those of its OpenAPI document without options.
async fn vocabulary(guest: &Guest) -> Result<Vocabulary, String> {
    let document = document(guest, Vec::new()).await;
    let guest = guest.clone();
    aside(move || {
        let code = guest.compiled().map_err(|error| error.to_string())?;
        let mut vocabulary = Vocabulary::of(&code);
        if let Some(document) = document {
            vocabulary.add(&document);
        }
        Ok(vocabulary)
    })
    .await
    .map_err(|error| error.to_string())?
}

/// Returns the guest's OpenAPI document, if it has one. The guest is asked where it can read nothing, and what it is told has no
/// secret, so the document has none.
async fn document(guest: &Guest, options: Vec<(String, String)>) -> Option<Value> {
    let request = Arc::new(types::Request::new(Operation::Help, ""));
    let (mount, heard) = (nowhere(guest, options), airlock_sandbox::Heard::default());
    let help = guest.rerun(&mount, request, heard, Told::ByKey).await?;
    let mut data: Value = help.outcome.result.ok()??.data?.decode().ok()?;
    data.get_mut("openapi").map(Value::take)
}

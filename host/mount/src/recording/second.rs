//! The second run of a request that is recorded: the same guest runs it with tokens, and what it does then is the line of the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use airlock_sandbox::{CallError, Guest, Heard, MountContext, Rerun, Services, aside, types};
use airlock_storage::{MemoryStorage, Settings, Told, Written};
use serde_json::Value;
use types::Operation;

use super::format::{self, Answer, Asked, Line};
use super::redact::Redaction;
use super::tokens::Tokens;
use super::vocabulary::Vocabulary;
use super::{PIECE, line_of};
use crate::canary::First;

/// The parts that are needed while requests are recorded.
pub(super) struct Running {
    guest: Guest,
    /// A mount with nothing stored, no services, and the options replaced.
    mount: Arc<MountContext>,
    redaction: Redaction,
    /// Held by the second run: one at a time, so that it takes no more of the slow lane than one request of the mount.
    one: tokio::sync::Mutex<()>,
}

/// The result of a run with tokens.
struct Second {
    answer: First,
    heard: Heard,
    written: Written,
    /// The number of lookups for which it did not ask.
    left: usize,
}

impl Running {
    /// Draws the key of the tokens. Returns the mount's options with tokens, too.
    ///
    /// # Errors
    /// The reason why that is not possible, in a sentence for the operator.
    pub async fn begin(
        guest: Guest,
        options: &[(String, String)],
    ) -> Result<(Self, Vec<(String, String)>), String> {
        let mut redaction = Redaction {
            tokens: Tokens::new().map_err(|error| format!("no random bytes for tokens: {error}"))?,
            vocabulary: vocabulary(&guest).await?,
        };
        let options = redaction.options(options);
        // Its paths may depend on its options.
        if let Some(document) = document(&guest, options.clone()).await {
            redaction.vocabulary.add(&document);
        }
        let running = Self {
            mount: nowhere(&guest, options.clone()),
            guest,
            redaction,
            one: tokio::sync::Mutex::new(()),
        };
        Ok((running, options))
    }

    /// Runs a request or an existence check again with tokens. Returns its line, and whether it took the same course. Returns
    /// nothing if that is not possible, if it is too large, or if the guest asked for what it could not be told.
    pub async fn line(
        self: &Arc<Self>,
        request: Arc<types::Request>,
        first: First,
        heard: Heard,
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
        let one = self.one.lock().await;
        let second = self.run(&first, asked.clone(), heard).await?;
        drop(one);
        if !is_small(&second.answer, &second.written) {
            return None;
        }
        let this = self.clone();
        let line = aside(move || {
            let same_course =
                second.left == 0 && written.len() == second.written.len() && is_alike(&first, &second.answer);
            let line = Line {
                route: this.redaction.vocabulary.pattern(&asked.path).map(str::to_owned),
                check: matches!(first, First::Check(_)),
                asked: Asked::of(Arc::unwrap_or_clone(asked)),
                told: format::Told::of(second.heard),
                answer: Answer::of(&second.answer),
                written: format::written(&second.written),
                same_course,
            };
            let text = line_of(&line).filter(|text| text.len() <= PIECE)?;
            Some((text, same_course))
        });
        line.await.ok()?
    }

    async fn run(&self, first: &First, asked: Arc<types::Request>, heard: Heard) -> Option<Second> {
        let (guest, mount) = (&self.guest, &self.mount);
        match first {
            First::Request(_) => {
                let rerun = guest.rerun(mount, asked, heard, Told::InOrder).await?;
                Second::of(rerun, First::Request)
            }
            First::Check(_) => {
                let rerun = guest.rerun_check(mount, asked, heard, Told::InOrder).await?;
                Second::of(rerun, First::Check)
            }
        }
    }
}

impl Second {
    /// Returns nothing if the answer is not the guest's own.
    fn of<T>(rerun: Rerun<T>, answer: impl FnOnce(Result<T, types::Error>) -> First) -> Option<Self> {
        let result = match rerun.outcome.result {
            Ok(answer) => Ok(answer),
            Err(CallError::Guest(refusal)) => Err(refusal),
            Err(_) => return None,
        };
        Some(Self {
            answer: answer(result),
            heard: rerun.heard,
            written: rerun.written,
            left: rerun.left,
        })
    }
}

/// Returns true if a line can have room for an answer and for what was written, so that they are worth decoding.
fn is_small(answer: &First, written: &Written) -> bool {
    let answered = match answer {
        First::Request(Ok(Some(response))) => response.bytes(),
        First::Request(Err(refusal)) | First::Check(Err(refusal)) => refusal.bytes(),
        First::Request(Ok(None)) | First::Check(Ok(_)) => 0,
    };
    let written = written.iter();
    let written = written.map(|(key, value)| key.len() + value.as_ref().map_or(0, |entry| entry.value.len()));
    answered + written.sum::<usize>() <= PIECE
}

/// Returns true if two answers have the same status and as many fields, or are the same answer of an existence check.
fn is_alike(first: &First, second: &First) -> bool {
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
        (First::Request(Ok(first)), First::Request(Ok(second))) => fields(first) == fields(second),
        (First::Check(Ok(first)), First::Check(Ok(second))) => first == second,
        (First::Request(Err(first)), First::Request(Err(second)))
        | (First::Check(Err(first)), First::Check(Err(second))) => status(first) == status(second),
        _ => false,
    }
}

/// Returns a mount that has nothing: neither what is stored nor services.
pub(super) fn nowhere(guest: &Guest, options: Vec<(String, String)>) -> Arc<MountContext> {
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
    let (mount, heard) = (nowhere(guest, options), Heard::default());
    let help = guest.rerun(&mount, request, heard, Told::ByKey).await?;
    let mut data: Value = help.outcome.result.ok()??.data?.decode().ok()?;
    data.get_mut("openapi").map(Value::take)
}

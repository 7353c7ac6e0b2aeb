//! The result of a request.

use super::register::Fault;
use super::windows::Disturbance;

/// The end of a request.
#[derive(Debug)]
pub enum End {
    /// The request took effect, and the answer is right.
    Done,
    /// The request certainly had no effect, for a reason that its caller expects: it was a moment too late, or its
    /// condition was false.
    Refused,
    /// The caller was told that the request failed, or that its outcome is unknown.
    Failed(String),
    /// A result that must never occur.
    Fault(Fault),
}

/// A request's kind and end.
#[derive(Debug)]
pub struct Outcome {
    pub kind: &'static str,
    pub end: End,
    /// The worst disturbance of its host during the request.
    pub disturbed: Option<Disturbance>,
}

impl From<Result<End, Fault>> for End {
    fn from(result: Result<End, Fault>) -> Self {
        result.unwrap_or_else(End::Fault)
    }
}

/// Returns a fault for an answer that no request of this kind may get.
pub fn wrong<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Wrong(what.into()))
}

/// Returns a fault for an answer that lacks something that was acknowledged.
pub fn lost<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Lost(what.into()))
}

/// Compares the expected content of storage with the stored content.
pub fn compare_storage(mount: &str, mut expected: Vec<String>, mut stored: Vec<String>) -> Outcome {
    // The host's own entries are not compared, but no redo record may be left. An entry that voids one stays for an
    // hour, in case the write that it voids arrives late.
    stored.retain(|key| {
        !key.starts_with(".airlock/") || key.starts_with(".airlock/redo") && !key.ends_with(".void")
    });
    expected.sort();
    stored.sort();
    let only_in = |one: &[String], other: &[String]| -> Vec<String> {
        let only = one.iter().filter(|key| other.binary_search(key).is_err());
        only.take(10).cloned().collect()
    };
    let (missing, more) = (only_in(&expected, &stored), only_in(&stored, &expected));
    let end = match (missing.is_empty(), more.is_empty()) {
        (true, true) => Ok(End::Done),
        (false, _) => lost(format!("not in the storage of {mount}: {missing:?}")),
        (true, false) => wrong(format!("left in the storage of {mount}: {more:?}")),
    };
    Outcome {
        kind: "storage",
        end: end.into(),
        disturbed: None,
    }
}

//! What became of a request.

use super::register::Fault;
use super::windows::Disturbance;

/// How a request ended.
#[derive(Debug)]
pub enum End {
    /// It was done, and the answer is right.
    Done,
    /// It was certainly not done, for a reason that its caller expects: it was a moment too late, or its condition did not hold.
    Refused,
    /// The caller was told that it failed, or that nobody knows.
    Failed(String),
    /// What must never be.
    Fault(Fault),
}

/// A request's kind and end.
#[derive(Debug)]
pub struct Outcome {
    pub kind: &'static str,
    pub end: End,
    /// What was done to its host meanwhile.
    pub disturbed: Option<Disturbance>,
}

impl From<Result<End, Fault>> for End {
    fn from(result: Result<End, Fault>) -> Self {
        result.unwrap_or_else(End::Fault)
    }
}

/// An answer that no request of this kind may get.
pub fn wrong<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Wrong(what.into()))
}

/// An answer that does not know of something that was acknowledged.
pub fn lost<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Lost(what.into()))
}

/// What storage should hold and holds.
pub fn compare_storage(mount: &str, mut expected: Vec<String>, mut stored: Vec<String>) -> Outcome {
    // What the host keeps for itself is none of the guest's; but no redo record may be left. What voids one stays for an
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

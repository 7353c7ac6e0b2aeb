//! Native tests and the sandbox agree: one table of steps uses every feature of `airlock_sdk::testing`, natively and on
//! the guest's `.wasm` in the sandbox, and whatever one of them answers, stores, logs or sends, so does the other.
//!
//! To add a feature, add a step here, cases with it to `cases/`, and what it does to `guest/conformance`. Build the guest first:
//! `guest/build.sh conformance`. `coverage.rs` demands a step for each public function of `airlock_sdk::testing`.
//!
//! Not compared, because a native test cannot have it: the limits of memory, time and calls, traps, and the texts of faults that a
//! test ordered.

#![allow(missing_docs, clippy::unwrap_used)]

mod cases;
mod coverage;
mod native;
mod sandbox;

use serde_json::{Value, json};

/// One step of a case.
#[derive(Clone, Debug)]
pub enum Step {
    Read(&'static str, Value),
    Write(&'static str, Value),
    Patch(&'static str, Value),
    Delete(&'static str),
    List(&'static str),
    ListWith(&'static str, Value),
    Help(&'static str),
    /// Updates a path without an existence check.
    Update(&'static str, Value),
    /// Updates `act` as this entity.
    As(&'static str, Value),
    /// Makes the existence check of an update.
    Exists(&'static str, Value),
    /// Asks for the special paths.
    SpecialPaths,
    /// Reads the entry at a key without the engine.
    Stored(&'static str),
    /// Does the step, whose answer has a lease, and keeps the lease.
    Keep(Box<Step>),
    /// Renews the lease that was kept last, by so many seconds.
    Renew(u64),
    Revoke,
    Tick,
    /// Asks for an immediate rollback.
    Rollback,
    Rotate,
    /// Advances the clock by so many seconds.
    Advance(u64),
    /// Sets the clock to so many seconds after the start of 1970.
    SetTime(i64),
    /// Stores JSON without the engine, which is then told of it.
    Store(&'static str, Value),
    Restart,
    /// Does the step, which reads this key first, while another request changes the key to the same value: the step meets
    /// a conflict, and runs again.
    Conflict(&'static str, Box<Step>),
    /// Makes storage fail from now on.
    Fault(Fault),
}

/// A failure of storage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    None,
    ReadOnly,
    Busy,
    /// All reads fail, after this number of further ones.
    Gets(usize),
    Puts(usize),
    Deletes(usize),
    Lists(usize),
    /// All commits fail, after this number of further ones, each of which stores or deletes one entry.
    Commits(usize),
}

/// The state of a mount before its first step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Start {
    /// Nothing.
    New,
    /// An option.
    Option,
    /// An option, entities, groups, a password policy, lease times and a time of its own, all of them from the start on.
    Set,
    /// The same but for option and time. Natively it is set after the mount has started, so that its log until then differs.
    SetLater,
    /// Dice that do not roll: natively a replaced dependency, in the sandbox an option.
    FixedDice,
}

/// The number of the fixed dice.
pub const DICE: u8 = 6;

/// The time at which a mount that is [set](Start::Set) starts, in seconds after the start of 1970.
pub const STARTS_AT: i64 = 1_700_000_000;

/// The answer of one side to the caller.
pub struct Told {
    pub status: u16,
    pub error: Option<String>,
    pub data: Value,
    pub keys: Vec<String>,
    pub warnings: Vec<String>,
    pub lease: Option<Value>,
}

impl Told {
    fn data(data: Value) -> Self {
        Self {
            status: 200,
            error: None,
            data,
            keys: Vec::new(),
            warnings: Vec::new(),
            lease: None,
        }
    }

    fn error(status: u16, error: String) -> Self {
        Self {
            status,
            error: Some(error),
            ..Self::data(Value::Null)
        }
    }
}

/// One of the two sides.
pub trait Side {
    /// Takes a step. Returns what the caller is told, if it was a request.
    fn take(&mut self, step: &Step) -> Option<Told>;
    /// Returns what is stored, the time, and what was logged and sent since the last call.
    fn state(&mut self) -> [(&'static str, Value); 4];
}

fn shown(told: Option<Told>, faulty: bool) -> Vec<(&'static str, Value)> {
    let Some(told) = told else { return Vec::new() };
    // The text of a fault that the test ordered is the double's own.
    let error = if faulty && told.status >= 500 {
        Value::Null
    } else {
        told.error.into()
    };
    vec![
        ("status", told.status.into()),
        ("error", error),
        ("data", told.data),
        ("keys", told.keys.into()),
        ("warnings", told.warnings.into()),
        ("lease", told.lease.into()),
    ]
}

#[test]
fn native_tests_and_the_sandbox_agree() {
    let mut differences = Vec::new();
    for (name, start, steps) in cases::all() {
        // Only where it is meant may a slow machine look like storage that is busy.
        let is_busy = steps.iter().any(|step| matches!(step, Step::Fault(Fault::Busy)));
        let mut native = native::Native::new(start);
        let mut sandbox = sandbox::Sandbox::new(start, is_busy);
        let mut faulty = false;
        for (number, step) in steps.iter().enumerate() {
            if let Step::Fault(fault) = step {
                faulty = *fault != Fault::None;
            }
            let mut both = [&mut native as &mut dyn Side, &mut sandbox].map(|side| {
                let mut all = shown(side.take(step), faulty);
                all.extend(side.state());
                all
            });
            let sandbox = both[1].drain(..).collect::<Vec<_>>();
            for ((what, native), (_, sandbox)) in both[0].iter().zip(&sandbox) {
                if native != sandbox {
                    let at = format!("{name}, step {}, {step:?}", number + 1);
                    differences.push(format!(
                        "{at}\n  {what} native:  {native}\n  {what} sandbox: {sandbox}"
                    ));
                }
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// Returns a log line in the form that both sides share.
pub fn line(level: &str, message: &str, fields: &[(String, String)]) -> Value {
    json!([level.trim_start_matches("Level::"), message, fields])
}

/// Returns the names of special paths in the form that both sides share, without the host's own.
pub fn special_paths<const N: usize>(lists: [Vec<String>; N]) -> Value {
    let own = |path: &String| path.trim_end_matches("/*") != ".airlock";
    let sorted = lists.map(|list| {
        let mut list: Vec<String> = list.into_iter().filter(own).collect();
        list.sort_unstable();
        list
    });
    json!(sorted.to_vec())
}

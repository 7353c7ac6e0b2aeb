//! The table of steps, by subject. Each case has a mount of its own.

use serde_json::{Value, json};

use crate::{Start, Step};
use Step::*;

mod around;
mod faults;
mod leases;
mod log;
mod operations;
mod rotations;
mod scratch;
mod start;
mod storage;
mod templates;

type Case = (&'static str, Start, Vec<Step>);

/// Returns all cases: the name, what the mount starts with, and the steps.
pub fn all() -> Vec<Case> {
    [
        start::all(),
        operations::all(),
        storage::all(),
        faults::all(),
        scratch::all(),
        log::all(),
        around::all(),
        leases::all(),
        templates::all(),
        rotations::all(),
    ]
    .concat()
}

fn act(data: Value) -> Step {
    Update("act", data)
}

fn acts(what: &[&str]) -> Vec<Step> {
    what.iter().map(|what| act(json!({ "what": what }))).collect()
}

fn keys(what: &str, keys: &[&str]) -> Vec<Step> {
    let step = |key: &&str| act(json!({ "what": what, "key": key, "value": "1" }));
    keys.iter().map(step).collect()
}

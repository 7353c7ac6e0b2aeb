//! Compares a list of a folder with the keys that may be in it. Each folder holds [`FOLDER`] keys.

use std::collections::BTreeSet;

use airlock_tests::Answer;

use super::outcome::{End, lost, wrong};
use super::register::Fault;

/// The most keys in a folder.
pub const FOLDER: usize = 20;

/// Judges the answer to a list. `possible` returns, for a key, whether it may be present and whether it may be absent.
pub fn judge_list(
    folder: usize,
    answer: &Answer,
    possible: impl Fn(usize) -> (bool, bool),
) -> Result<End, Fault> {
    if !matches!(answer.status, 200 | 404) {
        return wrong(format!("{answer:?}"));
    }
    let names = answer.data()["keys"].as_array().map(Vec::as_slice);
    let names = names.unwrap_or_default().iter().filter_map(|name| name.as_str());
    let mut names: BTreeSet<&str> = names.collect();
    for key in folder * FOLDER..(folder + 1) * FOLDER {
        let listed = names.remove(&*format!("k{key}"));
        let (present, absent) = possible(key);
        match listed {
            true if !present => return wrong(format!("{key} is listed and not there")),
            false if !absent => return lost(format!("{key} is there and not listed")),
            _ => {}
        }
    }
    match names.first() {
        Some(name) => wrong(format!("nobody wrote {name}")),
        None => Ok(End::Done),
    }
}

//! A history of transactions, and their effect on a plain map.

use std::collections::{BTreeMap, BTreeSet};

/// Scratch keys are like other keys, below this prefix, except that no list shows them and that only commits that
/// succeed set them.
pub const SCRATCH: &str = "\u{0}scratch/";

/// One step, with its answer.
#[derive(Debug, Clone)]
pub enum Step {
    Get(String, Option<u64>),
    Exists(String, bool),
    List(String, Vec<String>),
    /// A page of a folder: the folder, the name before the page, the most names, and the answer.
    Page(String, String, usize, Vec<String>),
    Put(String, u64),
    Delete(String),
}

/// The knowledge whether a transaction has taken effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Committed,
    /// A prefix of its writes took effect: some, all or none.
    SomePrefix,
    /// All of its writes took effect, or none.
    AllOrNothing,
}

#[derive(Debug, Clone)]
pub struct Recorded {
    pub began: u64,
    /// The time of its commit call. Most transactions took effect in this order, so the search tries it first.
    pub asked: u64,
    pub ended: u64,
    pub steps: Vec<Step>,
    pub outcome: Outcome,
}

pub type State = BTreeMap<String, u64>;

impl Recorded {
    /// Returns the ways in which it can have taken effect: each is the number of its steps that count.
    pub fn variants(&self) -> Vec<usize> {
        match self.outcome {
            Outcome::Committed | Outcome::AllOrNothing => vec![self.steps.len()],
            Outcome::SomePrefix => (1..=self.steps.len()).rev().collect(),
        }
    }

    /// Runs the first steps. Returns the step that would have answered differently, if there is one.
    pub fn run(&self, steps: usize, state: &mut State) -> Option<&Step> {
        let scratch = state
            .range(SCRATCH.to_owned()..)
            .take_while(|(key, _)| key.starts_with(SCRATCH));
        let scratch: Vec<_> = scratch.map(|(key, value)| (key.clone(), *value)).collect();
        let wrong = self.steps[..steps].iter().find(|step| !step.run(state));
        if self.outcome != Outcome::Committed {
            state.retain(|key, _| !key.starts_with(SCRATCH));
            state.extend(scratch);
        }
        wrong
    }
}

impl Step {
    fn run(&self, state: &mut State) -> bool {
        match self {
            Step::Get(key, value) => return state.get(key) == value.as_ref(),
            Step::Exists(key, exists) => return state.contains_key(key) == *exists,
            Step::List(folder, names) => return list(state, folder) == *names,
            Step::Page(folder, after, limit, names) => {
                let page = list(state, folder).into_iter().filter(|name| name > after);
                return page.take(*limit).eq(names.iter().cloned());
            }
            Step::Put(key, value) => drop(state.insert(key.clone(), *value)),
            Step::Delete(key) => drop(state.remove(key)),
        }
        true
    }
}

/// Returns the part of the state that storage holds: everything except scratch.
pub fn stored(state: &State) -> State {
    let stored = state.iter().filter(|(key, _)| !key.starts_with(SCRATCH));
    stored.map(|(key, value)| (key.clone(), *value)).collect()
}

fn list(state: &State, folder: &str) -> Vec<String> {
    let stored = state.keys().filter(|key| !key.starts_with(SCRATCH));
    let below = stored.filter_map(|key| key.strip_prefix(folder));
    let names = below.map(|rest| rest.split_inclusive('/').next().unwrap_or(rest).to_owned());
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

//! Checks that a history could have happened one transaction at a time.
//!
//! The search starts with empty storage. It takes a transaction that may come next in time, runs its steps on a plain
//! map, and continues if every read and list gives what was recorded; otherwise it takes the transaction back and tries
//! another. A transaction may come next if no remaining transaction had ended before it began. So an order that is
//! found is a proof, and it respects the clock as well (strict serializability). Two things keep the search short
//! without missing an order: it never searches the same state twice, and it does not overwrite a value before all
//! transactions that read it have done so (each value is written only once).

use super::history::{Outcome, Recorded, State, Step};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// The furthest point of a search without result.
#[derive(Debug, Default)]
pub struct DeadEnd {
    /// The number of transactions that had their place.
    pub placed: usize,
    state: State,
    candidates: Vec<Candidate>,
}

impl DeadEnd {
    /// Returns, for each transaction that might have come next, the step that contradicts this point.
    pub fn explain(&self, history: &[Recorded]) -> String {
        let stuck = self.candidates.iter().map(|(index, steps)| {
            let wrong = history[*index].run(*steps, &mut self.state.clone());
            format!("{:?}: {wrong:?} while {:?}\n", history[*index], self.state)
        });
        stuck.collect()
    }
}

/// A transaction, and the number of its steps that it is assumed to have done.
type Candidate = (usize, usize);

/// One transaction that was put in its place, and the alternatives if it cannot stay there.
struct Choice {
    taken: usize,
    before: State,
    first: usize,
    others: Vec<Candidate>,
}

struct Search<'h> {
    history: &'h [Recorded],
    /// The transactions that certainly took effect, ordered by their beginning.
    certain: Vec<usize>,
    unknown: Vec<usize>,
    placed: Vec<bool>,
    /// All of `certain` before this index have their place.
    first: usize,
    /// For each value, the number of transactions without a place that have read it.
    readers: HashMap<(&'h str, u64), usize>,
    state: State,
}

/// An order in which the transactions could have run one at a time, and the state that they leave.
#[derive(Debug)]
pub struct Serial {
    pub order: Vec<usize>,
    pub state: State,
}

/// Looks for such an order.
pub fn order(history: &[Recorded]) -> Result<Serial, DeadEnd> {
    let mut search = Search::new(history);
    // The hashes are the same in every run, so that a history has the same outcome in every run.
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let marks: Vec<u64> = (0..history.len()).map(|index| hasher.hash_one(index)).collect();
    let mut seen = HashSet::new();
    let (mut mark, mut placed) = (0, 0);
    let mut dead_end = DeadEnd::default();
    let mut choices: Vec<Choice> = Vec::new();
    let mut candidates = search.next();
    while search.first < search.certain.len() {
        if let Some((index, steps)) = candidates.pop() {
            let Some(after) = search.after(index, steps) else {
                continue;
            };
            if !seen.insert((mark ^ marks[index], hasher.hash_one(&after))) {
                continue;
            }
            let (before, first) = (std::mem::replace(&mut search.state, after), search.first);
            search.place(index, true);
            (mark, placed) = (mark ^ marks[index], placed + 1);
            choices.push(Choice {
                taken: index,
                before,
                first,
                others: candidates,
            });
            candidates = search.next();
            if placed > dead_end.placed {
                dead_end = DeadEnd {
                    placed,
                    state: search.state.clone(),
                    candidates: candidates.clone(),
                };
            }
        } else {
            let Some(choice) = choices.pop() else {
                return Err(dead_end);
            };
            search.place(choice.taken, false);
            (mark, placed) = (mark ^ marks[choice.taken], placed - 1);
            (search.state, search.first, candidates) = (choice.before, choice.first, choice.others);
        }
    }
    Ok(Serial {
        order: choices.iter().map(|choice| choice.taken).collect(),
        state: search.state,
    })
}

impl<'h> Search<'h> {
    fn new(history: &'h [Recorded]) -> Self {
        let is_certain = |index: &usize| history[*index].outcome == Outcome::Committed;
        let (mut certain, unknown): (Vec<_>, Vec<_>) = (0..history.len()).partition(is_certain);
        certain.sort_by_key(|index| history[*index].began);
        let mut readers = HashMap::new();
        for index in &certain {
            for value in values_read(&history[*index]) {
                *readers.entry(value).or_default() += 1;
            }
        }
        let placed = vec![false; history.len()];
        Self {
            history,
            certain,
            unknown,
            placed,
            first: 0,
            readers,
            state: State::new(),
        }
    }

    /// Returns the transactions that may come next, each in all its variants. The most likely comes last, because it is
    /// taken first.
    fn next(&self) -> Vec<Candidate> {
        let mut first_end = u64::MAX;
        let mut candidates = Vec::new();
        for index in self.certain[self.first..]
            .iter()
            .copied()
            .filter(|index| !self.placed[*index])
        {
            if self.history[index].began > first_end {
                break;
            }
            first_end = first_end.min(self.history[index].ended);
            candidates.push(index);
        }
        candidates.extend(self.unknown.iter().copied().filter(|index| !self.placed[*index]));
        candidates.retain(|index| self.history[*index].began <= first_end);
        candidates.sort_by_key(|index| std::cmp::Reverse(self.history[*index].asked));
        let variants = |index: usize| {
            self.history[index]
                .variants()
                .into_iter()
                .map(move |steps| (index, steps))
        };
        candidates.into_iter().flat_map(variants).collect()
    }

    /// Returns the state after a transaction, if it can be next.
    fn after(&self, index: usize, steps: usize) -> Option<State> {
        let recorded = &self.history[index];
        let mut after = self.state.clone();
        if recorded.run(steps, &mut after).is_some() {
            return None;
        }
        let overwritten = self
            .state
            .iter()
            .filter(|(key, value)| after.get(*key) != Some(*value));
        let is_still_read = |(key, value): (&String, &u64)| {
            let own = values_read(recorded).any(|read| read == (key.as_str(), *value));
            let own = usize::from(own && recorded.outcome == Outcome::Committed);
            self.readers
                .get(&(key.as_str(), *value))
                .is_some_and(|readers| *readers > own)
        };
        let is_lost = overwritten.into_iter().any(is_still_read);
        (!is_lost).then_some(after)
    }

    fn place(&mut self, index: usize, placed: bool) {
        self.placed[index] = placed;
        if self.history[index].outcome == Outcome::Committed {
            for value in values_read(&self.history[index]) {
                let readers = self.readers.entry(value).or_default();
                *readers = if placed { *readers - 1 } else { *readers + 1 };
            }
        }
        while self.first < self.certain.len() && self.placed[self.certain[self.first]] {
            self.first += 1;
        }
    }
}

/// Returns the values that a transaction read from others, each once.
fn values_read(recorded: &Recorded) -> impl Iterator<Item = (&str, u64)> {
    let steps = &recorded.steps;
    steps.iter().enumerate().filter_map(move |(at, step)| {
        let Step::Get(key, Some(value)) = step else {
            return None;
        };
        let before = steps[..at].iter().any(|step| match step {
            Step::Get(earlier, _) | Step::Put(earlier, _) | Step::Delete(earlier) => earlier == key,
            Step::Exists(..) | Step::List(..) | Step::Page(..) => false,
        });
        (!before).then_some((key.as_str(), *value))
    })
}

#[cfg(test)]
mod tests {
    use super::super::history::{Outcome, Recorded, Step};
    use super::order;

    fn get(key: &str, value: impl Into<Option<u64>>) -> Step {
        Step::Get(key.into(), value.into())
    }

    fn put(key: &str, value: u64) -> Step {
        Step::Put(key.into(), value)
    }

    fn list(folder: &str, names: &[&str]) -> Step {
        Step::List(folder.into(), names.iter().map(|name| name.to_string()).collect())
    }

    fn ran(began: u64, ended: u64, steps: Vec<Step>) -> Recorded {
        Recorded {
            began,
            asked: ended,
            ended,
            steps,
            outcome: Outcome::Committed,
        }
    }

    #[test]
    fn an_order_is_found_although_the_transactions_ended_in_another() {
        let history = [
            ran(1, 9, vec![get("a", None), put("a", 1)]),
            ran(2, 4, vec![get("a", 1), put("a", 2)]),
            ran(3, 8, vec![list("", &[]), get("a", None)]),
            ran(5, 6, vec![get("a", 2), list("", &["a"])]),
        ];
        assert_eq!(order(&history).unwrap().order, [2, 0, 1, 3]);
    }

    #[test]
    fn a_lost_update_has_no_order() {
        let add = |value| vec![get("n", None), put("n", value)];
        assert_eq!(
            order(&[ran(1, 3, add(1)), ran(2, 4, add(2))]).unwrap_err().placed,
            1
        );
    }

    #[test]
    fn write_skew_has_no_order() {
        let take = |mine| vec![get("x", None), get("y", None), put(mine, 1)];
        assert!(order(&[ran(1, 3, take("x")), ran(2, 4, take("y"))]).is_err());
    }

    #[test]
    fn half_a_transaction_has_no_order() {
        let history = [
            ran(1, 4, vec![put("a", 1), put("b", 1)]),
            ran(2, 3, vec![get("a", 1), get("b", None)]),
        ];
        assert!(order(&history).is_err());
    }

    #[test]
    fn a_phantom_has_no_order() {
        let make = |key| vec![list("", &[]), put(key, 1)];
        assert!(order(&[ran(1, 3, make("a/b")), ran(2, 4, make("c/d"))]).is_err());
    }

    #[test]
    fn a_read_of_what_was_true_before_it_began_has_no_order() {
        assert!(order(&[ran(1, 2, vec![put("a", 1)]), ran(3, 4, vec![get("a", None)])]).is_err());
    }

    #[test]
    fn a_transaction_of_unknown_outcome_may_have_any_allowed_effect() {
        let steps = vec![put("a", 1), put("b", 1)];
        let saw = |a, b| ran(3, 4, vec![get("a", a), get("b", b)]);
        for (outcome, half) in [(Outcome::SomePrefix, true), (Outcome::AllOrNothing, false)] {
            let unknown = Recorded {
                began: 1,
                asked: 2,
                ended: 2,
                steps: steps.clone(),
                outcome,
            };
            assert!(order(&[unknown.clone(), saw(None, None)]).is_ok());
            assert!(order(&[unknown.clone(), saw(Some(1), Some(1))]).is_ok());
            assert_eq!(order(&[unknown.clone(), saw(Some(1), None)]).is_ok(), half);
            assert!(order(&[unknown, saw(None, Some(1))]).is_err());
        }
    }
}

//! The callers of one server, and the count of their requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use airlock_tests::Dice;

use super::clock::Clock;
use super::outcome::{End, Outcome};
use super::register::Fault;
use super::site::{Call, Engine};
use super::windows::Disturbance;

/// A mount's share of the requests: its weight among all weights.
pub struct Target {
    pub weight: usize,
    pub engine: Box<dyn Engine>,
}

/// The results of requests of one kind.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub done: u64,
    pub refused: u64,
    pub failed: BTreeMap<Option<Disturbance>, u64>,
    pub lost: u64,
    pub wrong: u64,
}

/// The results of all requests.
#[derive(Debug, Default)]
pub struct Tally {
    pub kinds: BTreeMap<&'static str, Counts>,
    /// The number of requests that were in flight during a disturbance, by the kind of disturbance.
    pub disturbed: BTreeMap<Disturbance, u64>,
    /// The texts of failures, and their numbers.
    pub failures: BTreeMap<String, u64>,
    /// The first faults.
    pub faults: Vec<String>,
}

impl Tally {
    pub fn add(&mut self, outcome: &Outcome, mount: &str) {
        let counts = self.kinds.entry(outcome.kind).or_default();
        if let Some(disturbance) = outcome.disturbed {
            *self.disturbed.entry(disturbance).or_default() += 1;
        }
        let fault = match &outcome.end {
            End::Done => return counts.done += 1,
            End::Refused => return counts.refused += 1,
            End::Failed(why) => {
                *counts.failed.entry(outcome.disturbed).or_default() += 1;
                let during = outcome
                    .disturbed
                    .map_or("nothing".to_owned(), |what| what.to_string());
                let text = format!("during {during}: {}", brief(why));
                if self.failures.len() < 60 || self.failures.contains_key(&text) {
                    *self.failures.entry(text).or_default() += 1;
                }
                return;
            }
            End::Fault(fault) => fault,
        };
        match fault {
            Fault::Lost(_) => counts.lost += 1,
            Fault::Wrong(_) => counts.wrong += 1,
        }
        if self.faults.len() < 30 {
            let text: String = format!("{fault:?}").chars().take(1_500).collect();
            self.faults.push(format!(
                "{} {mount} (disturbed: {:?}): {text}",
                outcome.kind, outcome.disturbed
            ));
        }
    }
}

/// Returns an error's text on one line, without the parts that differ each time.
fn brief(why: &str) -> String {
    let words: Vec<&str> = why.split_whitespace().collect();
    let text = words.join(" ").replace("1 error occurred: * ", "");
    let text = text.split(" unix ").next().unwrap_or_default();
    text.chars().take(140).collect()
}

/// The requests of all callers, and their targets.
pub struct Pool {
    pub targets: Vec<Target>,
    /// The targets of one request in `hostile_every`.
    pub hostile: Vec<Target>,
    pub hostile_every: u64,
    pub seed: u64,
    /// The number of the first request.
    pub first: u64,
    pub total: u64,
    pub clock: Arc<Clock>,
    pub tally: Mutex<Tally>,
    turns: Mutex<Turns>,
    changed: Condvar,
}

#[derive(Default)]
struct Turns {
    begun: u64,
    paused: bool,
}

impl Pool {
    pub fn new(seed: u64, first: u64, total: u64, hostile_every: u64, clock: Arc<Clock>) -> Self {
        Pool {
            targets: Vec::new(),
            hostile: Vec::new(),
            hostile_every,
            seed,
            first,
            total,
            clock,
            tally: Mutex::default(),
            turns: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Makes one request after the other until all are made. Each caller's thread runs this.
    pub fn call(&self, caller: usize) {
        let _leaving = Leaving(self);
        while let Some(number) = self.next() {
            self.clock.begin(caller);
            let mut call = Call {
                id: self.first + number,
                dice: Dice::new(self.seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ (self.first + number)),
            };
            let targets =
                match number % self.hostile_every == self.hostile_every - 1 && !self.hostile.is_empty() {
                    true => &self.hostile,
                    false => &self.targets,
                };
            let engine = draw(targets, &mut call.dice);
            let outcome = engine.call(&mut call);
            self.clock.end(caller);
            self.add(&outcome, engine);
        }
    }

    pub fn add(&self, outcome: &Outcome, engine: &dyn Engine) {
        self.tally
            .lock()
            .unwrap()
            .add(outcome, engine.site().mount.name());
    }

    fn next(&self) -> Option<u64> {
        let mut turns = self.turns.lock().unwrap();
        while turns.paused {
            turns = self.changed.wait(turns).unwrap();
        }
        if turns.begun == self.total {
            return None;
        }
        turns.begun += 1;
        self.changed.notify_all();
        Some(turns.begun - 1)
    }

    /// Lets nobody begin a request until [`Pool::resume`].
    pub fn pause(&self) {
        self.turns.lock().unwrap().paused = true;
    }

    pub fn resume(&self) {
        self.turns.lock().unwrap().paused = false;
        self.changed.notify_all();
    }

    /// Waits until this many requests have begun.
    pub fn wait_for(&self, begun: u64) {
        let mut turns = self.turns.lock().unwrap();
        while turns.begun < begun {
            turns = self.changed.wait(turns).unwrap();
        }
    }

    pub fn begun(&self) -> u64 {
        self.turns.lock().unwrap().begun
    }

    pub fn engines(&self) -> impl Iterator<Item = &dyn Engine> {
        self.targets
            .iter()
            .chain(&self.hostile)
            .map(|target| &*target.engine)
    }
}

/// Ends the run if a caller panics; otherwise those who wait for its requests would wait forever.
struct Leaving<'a>(&'a Pool);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.turns.lock().unwrap().begun = self.0.total;
            self.0.resume();
        }
    }
}

fn draw<'a>(targets: &'a [Target], dice: &mut Dice) -> &'a dyn Engine {
    let mut drawn = dice.below(targets.iter().map(|target| target.weight).sum());
    for target in targets {
        if drawn < target.weight {
            return &*target.engine;
        }
        drawn -= target.weight;
    }
    unreachable!("the weights were summed up")
}

impl Tally {
    /// Returns the sum of all kinds.
    pub fn sum(&self) -> Counts {
        let mut sum = Counts::default();
        for counts in self.kinds.values() {
            sum.done += counts.done;
            sum.refused += counts.refused;
            sum.lost += counts.lost;
            sum.wrong += counts.wrong;
            for (during, failed) in &counts.failed {
                *sum.failed.entry(*during).or_default() += failed;
            }
        }
        sum
    }
}

impl Counts {
    pub fn all(&self) -> u64 {
        self.done + self.refused + self.lost + self.wrong + self.failed.values().sum::<u64>()
    }
}

//! A mount of the adversary that is asked to misbehave, and one beside it, of the same guest in the same process, that is not.

use std::sync::Mutex;

use airlock_tests::{Answer, Server};

use super::added::Added;
use super::outcome::{End, Outcome, compare_storage, lost, wrong};
use super::register::Fault;
use super::site::{Call, Engine, Site};

/// The limits under which the adversary runs.
pub const LIMITS: [&str; 5] = [
    "--cpu-ms=200",
    "--memory-mib=16",
    "--storage-ops=100",
    "--transfer-mib=8",
    "--log-lines=50",
];

/// What it is told to do, the status of the answer, and a word of its error.
const COMMANDS: [(&str, u16, &str); 26] = [
    ("loop", 500, "--cpu-ms"),
    ("write-then-loop", 500, "--cpu-ms"),
    ("commit-then-loop", 500, "--cpu-ms"),
    ("trap", 500, "unreachable"),
    ("panic", 500, "adversary"),
    ("overflow", 500, "descend"),
    ("write-then-trap", 500, "unreachable"),
    ("commit-then-trap", 500, "unreachable"),
    ("memory", 500, "--memory-mib"),
    ("one-allocation", 500, "adversary"),
    ("aliased-list", 500, "--transfer-mib"),
    ("huge-answer", 500, "adversary"),
    ("storage", 400, "--storage-ops"),
    ("storage-ignoring-errors", 500, "limit"),
    ("lists", 400, "--storage-ops"),
    ("puts", 400, "--transfer-mib"),
    ("log", 200, ""),
    ("outside", 400, "denied"),
    ("list-root", 400, "denied"),
    ("not-json", 500, "adversary"),
    ("not-an-object", 500, "adversary"),
    ("status-200", 500, "adversary"),
    ("write-then-fail", 400, "changed my mind"),
    ("event-then-fail", 400, "changed my mind"),
    ("scratch", 400, ""),
    ("no-such-command", 400, "no such misbehaviour"),
];

pub struct Hostile {
    site: Site,
}

impl Hostile {
    pub fn new(site: Site) -> Self {
        Hostile { site }
    }
}

fn judge(answer: &Answer, status: u16, word: &str) -> Result<End, Fault> {
    // On a busy machine the limit of time may come before any other.
    let of_time = answer.status == 500 && answer.errors().contains("--cpu-ms");
    match of_time || (answer.status == status && answer.errors().contains(word)) {
        true => Ok(End::Done),
        false => wrong(format!("{answer:?} in place of {status} with {word:?}")),
    }
}

impl Engine for Hostile {
    fn site(&self) -> &Site {
        &self.site
    }

    fn call(&self, call: &mut Call) -> Outcome {
        let (command, status, word) = call.dice.pick(&COMMANDS);
        let sent = self.site.send(self.site.begin(), "GET", command, None);
        let end = match sent.any_answer() {
            Ok(answer) => match judge(answer, status, word) {
                // What a process that ends answers is no answer of the guest.
                Err(_) if sent.disturbed.is_some() && answer.status >= 500 => {
                    End::Failed(format!("{} {}", answer.status, answer.errors()))
                }
                Err(fault) => Err(Fault::Wrong(format!("{command}: {fault:?}"))).into(),
                Ok(end) => end,
            },
            Err(failed) => failed,
        };
        sent.outcome("hostile", end)
    }

    fn serves(&self) -> bool {
        self.site.mount.read("ok").status == 200
    }

    /// What failed has left nothing; what committed before it failed has left that.
    fn verify(&self, server: &Server) -> Vec<Outcome> {
        let name = self.site.mount.name();
        let stored = server.stored_keys(name);
        let written = server.stored(name, "adversary/written");
        let expected = written.iter().map(|_| "adversary/written".to_owned());
        let mut outcomes = vec![compare_storage(name, expected.collect(), stored)];
        if written.is_some_and(|written| written != "1") {
            outcomes[0].end = wrong("what came after a commit was stored, though the request failed").into();
        }
        outcomes
    }
}

/// What a caller of the mount beside the hostile one sees.
pub struct Neighbour {
    site: Site,
    counted: Mutex<Added>,
}

impl Neighbour {
    pub fn new(site: Site) -> Self {
        Neighbour {
            site,
            counted: Mutex::default(),
        }
    }

    fn increment(&self) -> Outcome {
        let before = {
            let mut counted = self.counted.lock().unwrap();
            counted.begin(1);
            counted.surely
        };
        let sent = self.site.send(self.site.begin(), "GET", "increment", None);
        let mut counted = self.counted.lock().unwrap();
        let most = counted.at_most();
        let outcome = sent.judge("neighbour", |answer| match answer.data()["count"].as_u64() {
            Some(count) if answer.status == 200 && count > before && count <= most => Ok(End::Done),
            _ => lost(format!("{answer:?}, after {before}, {most} at most")),
        });
        counted.end(1, &outcome);
        outcome
    }

    fn read(&self, command: &str, field: &str, value: Option<u64>) -> Outcome {
        let sent = self.site.send(self.site.begin(), "GET", command, None);
        sent.judge("neighbour", |answer| match answer.data()[field].as_u64() {
            found if answer.status == 200 && found == value => Ok(End::Done),
            _ => wrong(format!("{command}: {answer:?}")),
        })
    }
}

impl Engine for Neighbour {
    fn site(&self) -> &Site {
        &self.site
    }

    fn call(&self, call: &mut Call) -> Outcome {
        match call.dice.below(10) {
            0..4 => self.increment(),
            4 => self.read("mark", "", None),
            5 => self.read("scan", "marked", Some(0)),
            6 => self.read("served", "served", Some(1)),
            _ => self.read("ok", "", None),
        }
    }

    fn serves(&self) -> bool {
        self.site.mount.read("ok").status == 200
    }

    fn verify(&self, server: &Server) -> Vec<Outcome> {
        let name = self.site.mount.name();
        let mut outcomes = vec![self.increment()];
        let key = "adversary/count".to_owned();
        outcomes.push(compare_storage(name, vec![key], server.stored_keys(name)));
        outcomes
    }
}

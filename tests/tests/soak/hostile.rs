//! A mount that is asked for harm, of the adversary or of a guest of the corpus, and its neighbour, a mount of the same
//! guest in the same process that is not.

use std::sync::Mutex;

use airlock_tests::{Answer, Server, hostile};
use serde_json::json;

use super::added::Added;
use super::outcome::{End, Outcome, compare_storage, lost, wrong};
use super::register::Fault;
use super::site::{Call, Engine, Site};

/// The limits under which the adversary runs. It is never set aside, because every answer is compared.
pub const LIMITS: [&str; 6] = [
    "--breaker=0",
    "--cpu-ms=200",
    "--memory-mib=16",
    "--storage-ops=100",
    "--transfer-mib=8",
    "--log-lines=50",
];

/// The commands to the adversary, each with the status of the answer and a word of its error.
const COMMANDS: [(&str, u16, &str); 26] = [
    ("loop", 500, "--cpu-ms"),
    ("write-then-loop", 500, "--cpu-ms"),
    ("commit-then-loop", 500, "--cpu-ms"),
    ("trap", 500, "unreachable"),
    ("panic", 500, "as after a panic"),
    ("overflow", 500, "descend"),
    ("write-then-trap", 500, "unreachable"),
    ("commit-then-trap", 500, "unreachable"),
    ("memory", 500, "--memory-mib"),
    ("one-allocation", 500, "--memory-mib"),
    ("aliased-list", 500, "--transfer-mib"),
    ("huge-answer", 500, "--memory-mib"),
    ("storage", 400, "--storage-ops"),
    ("storage-ignoring-errors", 500, "limit"),
    ("lists", 400, "--storage-ops"),
    ("puts", 400, "--transfer-mib"),
    ("log", 200, ""),
    ("outside", 400, "denied"),
    ("list-root", 400, "denied"),
    ("not-json", 500, "not a JSON object"),
    ("not-an-object", 500, "not a JSON object"),
    ("status-200", 500, "an error of status 200"),
    ("write-then-fail", 400, "changed my mind"),
    ("event-then-fail", 400, "changed my mind"),
    ("scratch", 400, "scratch is full"),
    ("no-such-command", 400, "no such misbehaviour"),
];

/// The kind of the requests for harm.
pub const HOSTILE: &str = "hostile";
/// The kind of the requests for harm that were told that their CPU time was used up, when another answer was expected.
pub const OUT_OF_TIME: &str = "hostile, out of time";

/// One harmful act that a guest can be asked for.
struct Harm {
    name: String,
    method: &'static str,
    path: String,
    status: u16,
    words: Vec<String>,
    or: Option<(u16, String)>,
}

/// A mount that is only asked for harm.
pub struct Hostile {
    site: Site,
    harms: Vec<Harm>,
    /// The key and the value that it may leave in storage, if they are known.
    leaves: Option<(&'static str, &'static str)>,
}

impl Hostile {
    /// Makes the mount of the adversary, which commits at most this entry before it fails.
    pub fn adversary(site: Site) -> Self {
        let harm = |(path, status, word): (&str, u16, &str)| Harm {
            name: path.to_owned(),
            method: "GET",
            path: path.to_owned(),
            status,
            words: vec![word.to_owned()],
            or: None,
        };
        Hostile {
            site,
            harms: COMMANDS.into_iter().map(harm).collect(),
            leaves: Some(("adversary/written", "1")),
        }
    }

    /// Makes the mount of a guest of the corpus. Returns `None` if the guest does its harm when it is mounted or
    /// loaded.
    pub fn of_the_corpus(guest: &hostile::Hostile, site: impl FnOnce() -> Site) -> Option<Self> {
        let hostile::Harm::Request { method, path } = &guest.harm else {
            return None;
        };
        let harm = Harm {
            name: guest.name.clone(),
            method,
            path: path.clone(),
            status: guest.status,
            words: guest.words.clone(),
            or: guest.or.clone(),
        };
        Some(Hostile {
            site: site(),
            harms: vec![harm],
            leaves: None,
        })
    }
}

impl Harm {
    /// Returns the request's kind and result.
    fn judge(&self, answer: &Answer) -> (&'static str, Result<End, Fault>) {
        let errors = answer.errors();
        let expected = answer.status == self.status && self.words.iter().all(|words| errors.contains(words));
        let or = |(status, words): &(u16, String)| answer.status == *status && errors.contains(words);
        let expected = expected || self.or.as_ref().is_some_and(or);
        // On a busy machine the guest may reach the CPU limit before any other.
        let of_time = answer.status == 500 && errors.contains("--cpu-ms");
        match (expected, of_time) {
            (true, _) => (HOSTILE, Ok(End::Done)),
            (false, true) => (OUT_OF_TIME, Ok(End::Done)),
            (false, false) => (
                HOSTILE,
                wrong(format!(
                    "{}: {answer:?} in place of {} with {:?}",
                    self.name, self.status, self.words
                )),
            ),
        }
    }
}

impl Engine for Hostile {
    fn site(&self) -> &Site {
        &self.site
    }

    fn call(&self, call: &mut Call) -> Outcome {
        let harm = &self.harms[call.dice.below(self.harms.len())];
        let body = (harm.method == "PUT").then(|| json!({"value": "x"}));
        let sent = self
            .site
            .send(self.site.begin(), harm.method, &harm.path, body.as_ref());
        let (kind, end) = match sent.any_answer() {
            Ok(answer) => match harm.judge(answer) {
                // An answer from a process that is ending is not the guest's answer.
                (kind, Err(_)) if sent.disturbed.is_some() && answer.status >= 500 => (
                    kind,
                    End::Failed(format!("{} {}", answer.status, answer.errors())),
                ),
                (kind, judged) => (kind, judged.into()),
            },
            Err(failed) => (HOSTILE, failed),
        };
        sent.outcome(kind, end)
    }

    fn serves(&self) -> bool {
        self.site.mount.read("ok").status == 200
    }

    /// Checks that the mount serves, that failed requests have left nothing, and that only what was committed before a
    /// failure is stored.
    fn verify(&self, server: &Server) -> Vec<Outcome> {
        let sent = self.site.send(self.site.begin(), "GET", "ok", None);
        let mut outcomes = vec![sent.judge(HOSTILE, |answer| match answer.status {
            200 => Ok(End::Done),
            _ => wrong(format!("{answer:?}")),
        })];
        if let Some((key, value)) = self.leaves {
            let name = self.site.mount.name();
            let written = server.stored(name, key);
            let expected = written.iter().map(|_| key.to_owned());
            let mut compared = compare_storage(name, expected.collect(), server.stored_keys(name));
            if written.is_some_and(|written| written != value) {
                compared.end = wrong("what came after a commit was stored, though the request failed").into();
            }
            outcomes.push(compared);
        }
        outcomes
    }
}

/// The view of a caller of the mount beside the hostile one.
pub struct Neighbour {
    site: Site,
    /// The adversary's count. None for a guest of the corpus, which only serves.
    counted: Option<Mutex<Added>>,
}

impl Neighbour {
    pub fn of_the_adversary(site: Site) -> Self {
        Neighbour {
            site,
            counted: Some(Mutex::default()),
        }
    }

    pub fn of_the_corpus(site: Site) -> Self {
        Neighbour { site, counted: None }
    }

    fn increment(&self, counted: &Mutex<Added>) -> Outcome {
        let before = {
            let mut counted = counted.lock().unwrap();
            counted.begin(1);
            counted.surely
        };
        let sent = self.site.send(self.site.begin(), "GET", "increment", None);
        let mut counted = counted.lock().unwrap();
        let most = counted.at_most();
        let outcome = sent.judge("neighbour", |answer| match answer.data()["count"].as_u64() {
            Some(count) if answer.status == 200 && count > before && count <= most => Ok(End::Done),
            _ => lost(format!("{answer:?}, after {before}, {most} at most")),
        });
        counted.end(1, &outcome);
        outcome
    }

    /// Reads, and checks that `field` has this value if a field is given.
    fn read(&self, command: &str, field: Option<(&str, u64)>) -> Outcome {
        let sent = self.site.send(self.site.begin(), "GET", command, None);
        sent.judge("neighbour", |answer| {
            let as_expected = field.is_none_or(|(name, value)| answer.data()[name] == value);
            match answer.status == 200 && as_expected {
                true => Ok(End::Done),
                false => wrong(format!("{command}: {answer:?}")),
            }
        })
    }
}

impl Engine for Neighbour {
    fn site(&self) -> &Site {
        &self.site
    }

    fn call(&self, call: &mut Call) -> Outcome {
        match (&self.counted, call.dice.below(10)) {
            (Some(counted), 0..4) => self.increment(counted),
            (Some(_), 4) => self.read("mark", None),
            (Some(_), 5) => self.read("scan", Some(("marked", 0))),
            (Some(_), 6) => self.read("served", Some(("served", 1))),
            _ => self.read("ok", None),
        }
    }

    fn serves(&self) -> bool {
        self.site.mount.read("ok").status == 200
    }

    fn verify(&self, server: &Server) -> Vec<Outcome> {
        let name = self.site.mount.name();
        let Some(counted) = &self.counted else {
            return vec![self.read("ok", None)];
        };
        let outcome = self.increment(counted);
        let stored = compare_storage(name, vec!["adversary/count".to_owned()], server.stored_keys(name));
        vec![outcome, stored]
    }
}

//! A mount of the versioned KV guest, in version 2.

mod alone;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use airlock_tests::{Answer, Server};
use serde_json::json;

use super::folder::{FOLDER, judge_list};
use super::history::{Content, History, KEPT};
use super::outcome::{End, Outcome, lost, wrong};
use super::register::Fault;
use super::site::{Call, Engine, Sent, Site};
use super::value::{Id, beginning, value, writer};

const BUSY: usize = 4;

pub struct Versioned {
    site: Site,
    keys: Vec<Mutex<History>>,
    /// The most entries that disturbed requests may have left in storage, because this guest does not use redo records.
    left: AtomicU64,
}

/// The ways in which a request makes a version.
#[derive(Clone, Copy, PartialEq)]
enum Write {
    Put,
    /// A write with check-and-set: it gives the number of the version that must be the newest.
    Cas,
    Patch,
}

impl Versioned {
    pub fn new(site: Site, keys: usize) -> Self {
        Versioned {
            site,
            keys: (0..keys).map(|_| Mutex::default()).collect(),
            left: AtomicU64::new(0),
        }
    }

    /// Returns the first key from a drawn one on that `take` can get.
    fn key(&self, call: &mut Call, take: fn(&mut History) -> bool) -> usize {
        let drawn = match call.dice.below(8) {
            0 => call.dice.below(BUSY),
            _ => call.dice.below(self.keys.len()),
        };
        let mut keys = (drawn..self.keys.len()).chain(0..drawn).cycle();
        keys.find(|key| take(&mut self.keys[*key].lock().unwrap()))
            .unwrap()
    }

    fn write(&self, call: &mut Call, write: Write) -> Outcome {
        let key = self.key(call, History::share);
        let begun = self.site.begin();
        let floor = {
            let mut history = self.keys[key].lock().unwrap();
            history.begin(call.id);
            history.floor
        };
        let text = || value(self.site.place(key), call.id);
        let (kind, method, body) = match write {
            Write::Put => ("v2 put", "POST", json!({"data": {"text": text()}})),
            Write::Cas => (
                "v2 cas",
                "POST",
                json!({"data": {"text": text()}, "options": {"cas": floor}}),
            ),
            Write::Patch => (
                "v2 patch",
                "PATCH",
                json!({"data": {"patched": format!("{:x}", call.id)}}),
            ),
        };
        let sent = self.site.send(begun, method, &path("data", key), Some(&body));
        let mut history = self.keys[key].lock().unwrap();
        let outcome = sent.judge(kind, |answer| {
            judge_write(&mut history, call.id, write, floor, &sent, answer)
        });
        if sent.disturbed.is_some() || matches!(outcome.end, End::Failed(_)) {
            history.unclear(call.id);
            self.left.fetch_add(1, Ordering::SeqCst);
        } else if matches!(outcome.end, End::Done) {
            history.made_one();
        }
        history.release();
        outcome
    }

    fn read(&self, key: usize, version: Option<u64>) -> Outcome {
        let begun = self.site.begin();
        let floor = self.keys[key].lock().unwrap().floor;
        let query = version
            .map(|version| format!("?version={version}"))
            .unwrap_or_default();
        let sent = self.site.send(begun, "GET", &(path("data", key) + &query), None);
        sent.judge(
            if version.is_some() {
                "v2 read version"
            } else {
                "v2 read"
            },
            |answer| self.judge_read(key, version, floor, &sent, answer),
        )
    }

    fn judge_read(
        &self,
        key: usize,
        asked: Option<u64>,
        floor: u64,
        sent: &Sent,
        answer: &Answer,
    ) -> Result<End, Fault> {
        let version = answer.data()["metadata"]["version"].as_u64();
        let mut history = self.keys[key].lock().unwrap();
        match (answer.status, version) {
            (200, Some(version)) => {
                let data = &answer.data()["data"];
                let text = data["text"].as_str().unwrap_or_default();
                let Some(writer) = writer(self.site.place(key), text) else {
                    return wrong(format!("nobody wrote {}", beginning(text)));
                };
                let patch = data["patched"]
                    .as_str()
                    .map(|patch| Id::from_str_radix(patch, 16));
                let content = Content {
                    text: writer,
                    patch: patch.transpose().or_else(|_| wrong(format!("{data}")))?,
                };
                history.read(version, content, asked, floor, sent.ended)?;
            }
            (404, _) => history.read_nothing(version, asked, floor)?,
            _ => return wrong(format!("{answer:?}")),
        }
        Ok(End::Done)
    }

    fn list(&self, call: &mut Call) -> Outcome {
        let folder = call.dice.below(self.keys.len() / FOLDER);
        let sent = self
            .site
            .send(self.site.begin(), "LIST", &format!("metadata/f{folder}"), None);
        sent.judge("v2 list", |answer| {
            judge_list(folder, answer, |key| {
                self.keys[key].lock().unwrap().possible(sent.begun)
            })
        })
    }
}

fn path(folder: &str, key: usize) -> String {
    format!("{folder}/f{}/k{key}", key / FOLDER)
}

fn judge_write(
    history: &mut History,
    id: Id,
    write: Write,
    floor: u64,
    sent: &Sent,
    answer: &Answer,
) -> Result<End, Fault> {
    let disturbed = sent.disturbed.is_some();
    let refused = match answer.status {
        200 => {
            let version = answer.data()["version"].as_u64().unwrap_or(0);
            if write == Write::Cas && version != floor + 1 {
                return wrong(format!(
                    "version {version} was made where {floor} had to be the newest"
                ));
            }
            history.made(id, write == Write::Patch, version, floor, sent.ended)?;
            return Ok(End::Done);
        }
        400 => write == Write::Cas && answer.errors().contains("check-and-set parameter did not match"),
        412 => write != Write::Patch && floor == 0,
        404 => write == Write::Patch,
        _ => false,
    };
    let expected = match answer.status {
        // A patch needs a readable version.
        404 => floor == 0 || history.hidden.contains_key(&floor),
        _ => history.has_moved(floor),
    };
    // The request took effect, and then Vault sent it again, so that it met its own version.
    if refused && !expected && disturbed {
        return Ok(End::Failed(format!("{} {}", answer.status, answer.errors())));
    }
    if !refused || !expected {
        return wrong(format!("{answer:?}, with {history:?}"));
    }
    if !disturbed {
        history.refused(id);
    }
    Ok(End::Refused)
}

impl Engine for Versioned {
    fn site(&self) -> &Site {
        &self.site
    }

    fn call(&self, call: &mut Call) -> Outcome {
        let read = |call: &mut Call, old: bool| {
            let key = self.key(call, History::share);
            let floor = self.keys[key].lock().unwrap().floor;
            let version =
                (old && floor > 0).then(|| floor - call.dice.below(floor.min(KEPT) as usize) as u64);
            let outcome = self.read(key, version);
            self.keys[key].lock().unwrap().release();
            outcome
        };
        match call.dice.below(100) {
            0..38 => read(call, false),
            38..48 => read(call, true),
            48..70 => self.write(call, Write::Put),
            70..77 => self.write(call, Write::Cas),
            77..86 => self.write(call, Write::Patch),
            86..92 => self.list(call),
            _ => self.alone(call),
        }
    }

    fn serves(&self) -> bool {
        self.site.mount.list("metadata/f0").status < 429
    }

    fn verify(&self, server: &Server) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let (mut keys, mut versions) = (0, 0);
        for (key, history) in self.keys.iter().enumerate() {
            assert!(history.lock().unwrap().claim(), "a key is still in use");
            outcomes.push(self.inspect(key, &[]));
            history.lock().unwrap().release();
            outcomes.push(self.read(key, None));
            let (floor, stored) = {
                let history = history.lock().unwrap();
                (history.floor, history.stored_versions())
            };
            for version in (floor.saturating_sub(KEPT) + 1..=floor).step_by(3) {
                outcomes.push(self.read(key, Some(version)));
            }
            keys += u64::from(floor > 0);
            versions += stored;
        }
        let name = self.site.mount.name();
        let stored = server.stored_keys(name);
        let count = |folder: &str| stored.iter().filter(|key| key.starts_with(folder)).count() as u64;
        let (found_keys, found_versions) = (count("metadata/"), count("versions/"));
        let left = self.left.load(Ordering::SeqCst);
        let found = format!(
            "{name} has {found_keys} keys of {keys}, {found_versions} versions of {versions}, {left} may be left"
        );
        let end = if found_keys < keys || found_versions < versions {
            lost(found)
        } else if found_keys > keys || found_versions > versions + left || count(".airlock/redo") > 0 {
            wrong(found)
        } else {
            Ok(End::Done)
        };
        outcomes.push(Outcome {
            kind: "storage",
            end: end.into(),
            disturbed: None,
        });
        outcomes
    }
}

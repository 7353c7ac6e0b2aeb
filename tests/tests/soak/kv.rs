//! A mount of the KV guest with few keys, which callers create, update, read, delete and list at the same time.

use std::sync::Mutex;

use airlock_tests::{Answer, Server};
use serde_json::json;

use super::folder::{FOLDER, judge_list};
use super::outcome::{End, Outcome, compare_storage, wrong};
use super::register::{Content, Ended, Fault, Register};
use super::site::{Call, Engine, Sent, Site};
use super::value::{beginning, value, writer};

/// The number of keys that are used far more often than others, so that requests meet each other.
const BUSY: usize = 8;

pub struct Kv {
    site: Site,
    keys: Vec<Mutex<Register>>,
}

impl Kv {
    pub fn new(site: Site, keys: usize) -> Self {
        Kv {
            site,
            keys: (0..keys).map(|_| Mutex::default()).collect(),
        }
    }

    fn key(&self, call: &mut Call) -> usize {
        match call.dice.below(12) {
            0 => call.dice.below(BUSY),
            _ => call.dice.below(self.keys.len()),
        }
    }

    fn read(&self, key: usize) -> Outcome {
        let sent = self.site.send(self.site.begin(), "GET", &path(key), None);
        sent.judge("kv read", |answer| self.judge_read(key, &sent, answer))
    }

    fn judge_read(&self, key: usize, sent: &Sent, answer: &Answer) -> Result<End, Fault> {
        let content = match answer.status {
            200 => {
                let text = answer.data()["value"].as_str().unwrap_or_default();
                match writer(self.site.place(key), text) {
                    Some(id) => Content::Written(id),
                    None => return wrong(format!("nobody wrote {}", beginning(text))),
                }
            }
            400 if answer.errors().contains("key not found") => Content::Absent,
            _ => return wrong(format!("{answer:?}")),
        };
        let mut register = self.keys[key].lock().unwrap();
        register.read(content, sent.begun, sent.ended)?;
        Ok(End::Done)
    }

    /// Writes, or deletes.
    fn change(&self, call: &mut Call, content: Content) -> Outcome {
        let key = self.key(call);
        let begun = self.site.begin();
        {
            let mut register = self.keys[key].lock().unwrap();
            register.begin(call.id, content, begun.at, self.site.host.windows.is_open());
        }
        let (kind, sent) = match content {
            Content::Absent => ("kv delete", self.site.send(begun, "DELETE", &path(key), None)),
            Content::Written(id) => {
                let body = json!({ "value": value(self.site.place(key), id) });
                ("kv write", self.site.send(begun, "PUT", &path(key), Some(&body)))
            }
        };
        let mut register = self.keys[key].lock().unwrap();
        let (end, how) = judge_change(&register, call, content, &sent);
        let ended = register.end(call.id, how, self.site.clock.tick(), self.site.clock.oldest());
        if how == Ended::Unknown && !self.site.host.windows.is_open() {
            register.settle(self.site.clock.tick());
        }
        sent.outcome(kind, end.and_then(|end| ended.map(|()| end)))
    }

    fn list(&self, call: &mut Call) -> Outcome {
        let folder = call.dice.below(self.keys.len() / FOLDER);
        let sent = self
            .site
            .send(self.site.begin(), "LIST", &format!("f{folder}"), None);
        sent.judge("kv list", |answer| {
            judge_list(folder, answer, |key| {
                self.keys[key].lock().unwrap().possible(sent.begun, None)
            })
        })
    }
}

fn path(key: usize) -> String {
    format!("f{}/k{key}", key / FOLDER)
}

fn judge_change(
    register: &Register,
    call: &Call,
    content: Content,
    sent: &Sent,
) -> (Result<End, Fault>, Ended) {
    let answer = match sent.answer() {
        Ok(answer) => answer,
        Err(failed) => return (Ok(failed), Ended::Unknown),
    };
    let disturbed = sent.disturbed.is_some();
    let (present, absent) = register.possible(sent.begun, Some(call.id));
    let message = answer.data()["message"].as_str().unwrap_or_default();
    match (answer.status, content) {
        (200, _) if disturbed => (Ok(End::Done), Ended::DoneDisturbed),
        (200, Content::Absent) if message == "key deleted" => (Ok(End::Done), Ended::Done),
        (200, Content::Written(_)) => match message {
            "key created" if absent => (Ok(End::Done), Ended::Done),
            "key updated" if present => (Ok(End::Done), Ended::Done),
            _ => (wrong(format!("{message:?}, with {register:?}")), Ended::Done),
        },
        (412, Content::Written(_)) if present && absent && !disturbed => (Ok(End::Refused), Ended::Refused),
        (412, Content::Written(_)) if present && absent => (Ok(End::Refused), Ended::Unknown),
        // The request took effect, and then Vault sent it again, so that it met its own key.
        (412, Content::Written(_)) if disturbed => (Ok(End::Failed("412".into())), Ended::Unknown),
        _ => (wrong(format!("{answer:?}, with {register:?}")), Ended::Unknown),
    }
}

impl Engine for Kv {
    fn site(&self) -> &Site {
        &self.site
    }

    fn call(&self, call: &mut Call) -> Outcome {
        match call.dice.below(100) {
            0..50 => {
                let key = self.key(call);
                self.read(key)
            }
            50..86 => self.change(call, Content::Written(call.id)),
            86..94 => self.change(call, Content::Absent),
            _ => self.list(call),
        }
    }

    fn serves(&self) -> bool {
        self.site.mount.list("f0").status < 429
    }

    fn disturb(&self) {
        for key in &self.keys {
            key.lock().unwrap().disturb();
        }
    }

    fn settle(&self) -> Vec<Outcome> {
        for key in &self.keys {
            key.lock().unwrap().settle(self.site.clock.tick());
        }
        Vec::new()
    }

    fn verify(&self, server: &Server) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = (0..self.keys.len()).map(|key| self.read(key)).collect();
        let there = |key: &usize| self.keys[*key].lock().unwrap().certain() != Some(Content::Absent);
        let expected = (0..self.keys.len())
            .filter(there)
            .map(|key| format!("kv/{}", path(key)));
        let name = self.site.mount.name();
        outcomes.push(compare_storage(
            name,
            expected.collect(),
            server.stored_keys(name),
        ));
        outcomes
    }
}

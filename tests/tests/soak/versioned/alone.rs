//! Requests that need exclusive use of a key: deleting, undeleting, destroying and removing.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use airlock_tests::Answer;
use serde_json::{Value, json};

use super::super::history::{Hidden, History, KEPT, State};
use super::super::outcome::{End, Outcome, wrong};
use super::super::register::Fault;
use super::super::site::{Call, Sent};
use super::{Versioned, path};

impl Versioned {
    /// Reads a key's metadata and then perhaps deletes, undeletes, destroys or removes, with exclusive use of the key.
    pub(super) fn alone(&self, call: &mut Call) -> Outcome {
        let key = self.key(call, History::claim);
        let mut outcome = self.inspect(key, &[]);
        let newest = self.keys[key].lock().unwrap().floor;
        if matches!(outcome.end, End::Done) && newest > 0 {
            let version = newest - call.dice.below(newest.min(3) as usize) as u64;
            let body = json!({ "versions": [version] });
            outcome = match call.dice.below(5) {
                0 => self.hide(key, "v2 delete", "DELETE", "data", None, |hidden| {
                    hidden.entry(newest).or_insert(Hidden::Deleted);
                }),
                1 => self.hide(key, "v2 undelete", "POST", "undelete", Some(&body), |hidden| {
                    if hidden.get(&version) == Some(&Hidden::Deleted) {
                        hidden.remove(&version);
                    }
                }),
                2 => self.hide(key, "v2 destroy", "POST", "destroy", Some(&body), |hidden| {
                    hidden.insert(version, Hidden::Destroyed);
                }),
                3 => self.remove(key),
                _ => outcome,
            };
        }
        self.keys[key].lock().unwrap().release();
        outcome
    }

    fn hide(
        &self,
        key: usize,
        kind: &'static str,
        method: &str,
        folder: &str,
        body: Option<&Value>,
        change: impl FnOnce(&mut BTreeMap<u64, Hidden>),
    ) -> Outcome {
        let before = self.keys[key].lock().unwrap().hidden.clone();
        let mut after = before.clone();
        change(&mut after);
        let sent = self
            .site
            .send(self.site.begin(), method, &path(folder, key), body);
        let outcome = sent.judge(kind, expect_no_content);
        match outcome.end {
            End::Done if outcome.disturbed.is_none() => {
                self.keys[key].lock().unwrap().hidden = after;
                outcome
            }
            End::Done => self.or_fault(outcome, self.inspect(key, &[Some(after)])),
            _ => self.or_fault(outcome, self.inspect(key, &[Some(before), Some(after)])),
        }
    }

    fn remove(&self, key: usize) -> Outcome {
        let sent = self
            .site
            .send(self.site.begin(), "DELETE", &path("metadata", key), None);
        let outcome = sent.judge("v2 remove", expect_no_content);
        if sent.disturbed.is_some() {
            self.left.fetch_add(KEPT, Ordering::SeqCst);
        }
        match outcome.end {
            End::Done if outcome.disturbed.is_none() => {
                let mut history = self.keys[key].lock().unwrap();
                history.reset(self.site.clock.tick());
                outcome
            }
            End::Done => self.or_fault(outcome, self.inspect(key, &[None])),
            // The metadata goes last, as in Vault: it is gone, or unchanged while some of the versions may be gone. Then the
            // removal is repeated, as by a user.
            _ => {
                let hidden = self.keys[key].lock().unwrap().hidden.clone();
                let outcome = self.or_fault(outcome, self.inspect(key, &[None, Some(hidden)]));
                self.or_fault(outcome, self.remove_again(key))
            }
        }
    }

    /// Removes a key until that is done while nothing is done to the host.
    fn remove_again(&self, key: usize) -> Outcome {
        let sent = self.send_undisturbed("DELETE", key);
        let outcome = sent.judge("v2 remove", expect_no_content);
        if matches!(outcome.end, End::Done) {
            let mut history = self.keys[key].lock().unwrap();
            history.reset(self.site.clock.tick());
        }
        outcome
    }

    /// Sends a request for a key's metadata until nothing is done to the host meanwhile.
    fn send_undisturbed(&self, method: &str, key: usize) -> Sent {
        loop {
            let sent = self
                .site
                .send(self.site.begin(), method, &path("metadata", key), None);
            if sent.disturbed.is_none() {
                return sent;
            }
            self.site.host.windows.wait_until_closed();
        }
    }

    /// Returns the result of a request, unless the undisturbed check afterwards found a fault or failed.
    fn or_fault(&self, outcome: Outcome, found: Outcome) -> Outcome {
        if matches!(found.end, End::Fault(_) | End::Failed(_)) {
            found
        } else {
            outcome
        }
    }

    /// Reads the metadata of a key that nobody else uses. It must fit one of `states`, or the known state if there are
    /// none.
    pub(super) fn inspect(&self, key: usize, states: &[State]) -> Outcome {
        self.send_undisturbed("GET", key).judge("v2 metadata", |answer| {
            let mut history = self.keys[key].lock().unwrap();
            let known = [Some(history.hidden.clone())];
            let states = if states.is_empty() { &known } else { states };
            let metadata = match answer.status {
                200 => Some(answer.data()),
                404 => None,
                _ => return wrong(format!("{answer:?}")),
            };
            history.adopt(metadata, states, self.site.clock.tick())?;
            Ok(End::Done)
        })
    }
}

fn expect_no_content(answer: &Answer) -> Result<End, Fault> {
    match answer.status {
        200 | 204 => Ok(End::Done),
        _ => wrong(format!("{answer:?}")),
    }
}

//! A mount of the bank guest: a counter, accounts between which money moves in transactions, and notes.
//!
//! The large accounts have more money than all transfers together can move, so that their balances are known. The small
//! ones are emptied all the time, and so removed; only their sum is known.

use std::sync::{Mutex, RwLock};

use airlock_tests::{Answer, Server};
use serde_json::{Value, json};

use super::added::Added;
use super::outcome::{End, Outcome, compare_storage, lost, wrong};
use super::register::Fault;
use super::site::{Call, Engine, Sent, Site};

const LARGE: usize = 16;
const IN_LARGE: u64 = 10_000_000;
const SMALL: usize = 5;
const IN_SMALL: u64 = 5;
const TOTAL: u64 = LARGE as u64 * IN_LARGE + SMALL as u64 * IN_SMALL;
const NOTES: usize = 40;

/// The known state of the mount.
#[derive(Clone, Default)]
struct Known {
    count: u64,
    counted: Added,
    balances: [u64; LARGE],
    received: [Added; LARGE],
    sent: [Added; LARGE],
}

pub struct Bank {
    site: Site,
    known: Mutex<Known>,
    /// The notes that were certainly made.
    notes: Mutex<[bool; NOTES]>,
    largest_note: u32,
    /// Requests lock it for reading. The comparison of the mount with the model locks it for writing, so that no
    /// request runs beside it.
    gate: RwLock<()>,
}

impl Bank {
    /// Opens the accounts of a new mount.
    pub fn new(site: Site) -> Self {
        let mount = &site.mount;
        mount
            .write("limit", json!({"amount": 2 * IN_LARGE}))
            .expect_success("limit");
        mount.write("count", json!({})).expect_success("the first count");
        for large in 0..LARGE {
            mount
                .write(&format!("accounts/l{large}"), json!({"balance": IN_LARGE}))
                .expect_success("open");
        }
        for small in 0..SMALL {
            mount
                .write(&format!("accounts/s{small}"), json!({"balance": IN_SMALL}))
                .expect_success("open");
        }
        let known = Known {
            count: 1,
            balances: [IN_LARGE; LARGE],
            ..Known::default()
        };
        Bank {
            // Parts of the record of a large note may stay for an hour after a crash. Without crashes no parts stay.
            largest_note: if site.host.steady { 100 << 10 } else { 8 << 10 },
            site,
            known: Mutex::new(known),
            notes: Mutex::new([false; NOTES]),
            gate: RwLock::default(),
        }
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Sent {
        self.site.send(self.site.begin(), method, path, body)
    }

    fn count(&self) -> Outcome {
        let before = {
            let mut known = self.known.lock().unwrap();
            known.counted.begin(1);
            known.count + known.counted.surely
        };
        let sent = self.send("PUT", "count", Some(&json!({})));
        let mut known = self.known.lock().unwrap();
        let most = known.count + known.counted.at_most();
        let outcome = sent.judge("bank count", |answer| {
            let counted = expect_number(answer, "count")?;
            match counted {
                _ if counted <= before => lost(format!("counted {counted} after {before}")),
                _ if counted > most => wrong(format!("counted {counted}, of {most} at most")),
                _ => Ok(End::Done),
            }
        });
        known.counted.end(1, &outcome);
        outcome
    }

    fn read_count(&self) -> (Outcome, Option<u64>) {
        let before = {
            let known = self.known.lock().unwrap();
            known.count + known.counted.surely
        };
        let sent = self.send("GET", "count", None);
        let mut read = None;
        let known = self.known.lock().unwrap();
        let most = known.count + known.counted.at_most();
        let outcome = sent.judge("bank read", |answer| {
            let count = expect_number(answer, "count")?;
            read = Some(count);
            match count {
                _ if count < before => lost(format!("the count is {count} after {before}")),
                _ if count > most => wrong(format!("the count is {count}, of {most} at most")),
                _ => Ok(End::Done),
            }
        });
        (outcome, read)
    }

    fn transfer(&self, call: &mut Call) -> Outcome {
        let (from, to) = (call.dice.below(LARGE), call.dice.below(LARGE - 1));
        let to = (from + 1 + to) % LARGE;
        let amount = 1 + call.dice.below(9) as u64;
        {
            let mut known = self.known.lock().unwrap();
            known.sent[from].begin(amount);
            known.received[to].begin(amount);
        }
        let body = json!({"from": format!("l{from}"), "to": format!("l{to}"), "amount": amount});
        let sent = self.send("PUT", "transfer", Some(&body));
        let outcome = sent.judge("bank transfer", |answer| match answer.status {
            204 => Ok(End::Done),
            _ => wrong(format!("{answer:?}")),
        });
        let mut known = self.known.lock().unwrap();
        known.sent[from].end(amount, &outcome);
        known.received[to].end(amount, &outcome);
        outcome
    }

    /// Makes a transfer between accounts that hold almost nothing.
    fn small_transfer(&self, call: &mut Call) -> Outcome {
        let from = call.dice.below(SMALL);
        let to = (from + 1) % SMALL;
        let amount = 1 + call.dice.below(IN_SMALL as usize);
        let body = json!({"from": format!("s{from}"), "to": format!("s{to}"), "amount": amount});
        let sent = self.send("PUT", "transfer", Some(&body));
        sent.judge("bank transfer", |answer| match answer.status {
            204 => Ok(End::Done),
            400 if answer.errors().contains("not enough") => Ok(End::Refused),
            _ => wrong(format!("{answer:?}")),
        })
    }

    fn total(&self) -> Outcome {
        let sent = self.send("GET", "total", None);
        // An account that is listed but missing means that half of a transfer was seen. That is wrong, and not merely a
        // failure.
        if let Ok(answer) = sent.any_answer()
            && answer.errors().contains("listed")
        {
            return sent.outcome("bank total", wrong(answer.errors()));
        }
        sent.judge("bank total", |answer| match expect_number(answer, "total")? {
            TOTAL => Ok(End::Done),
            total => wrong(format!("{total} in all accounts, not {TOTAL}")),
        })
    }

    /// Reads a large account, and checks that its balance is possible.
    fn read_account(&self, account: usize) -> (Outcome, Option<u64>) {
        let (sent_before, received_before) = {
            let known = self.known.lock().unwrap();
            (known.sent[account].surely, known.received[account].surely)
        };
        let sent = self.send("GET", &format!("accounts/l{account}"), None);
        let known = self.known.lock().unwrap();
        let (out, into) = (known.sent[account], known.received[account]);
        let base = known.balances[account];
        let least = (base + received_before).saturating_sub(out.at_most());
        let most = (base + into.at_most()).saturating_sub(sent_before);
        let mut read = None;
        let outcome = sent.judge("bank read", |answer| {
            let balance = expect_number(answer, "balance")?;
            read = Some(balance);
            match (least..=most).contains(&balance) {
                true => Ok(End::Done),
                false => lost(format!("l{account} holds {balance}, not {least} to {most}")),
            }
        });
        (outcome, read)
    }

    fn note(&self, call: &mut Call) -> Outcome {
        let name = call.dice.below(NOTES);
        // The length follows from the name, so that it does not matter who made the note last.
        let bytes = self.note_length(name);
        if call.dice.below(2) == 0 {
            let known = self.notes.lock().unwrap()[name];
            let body = json!({ "bytes": bytes });
            let sent = self.send("PUT", &format!("notes/n{name}"), Some(&body));
            let outcome = sent.judge("bank note", |answer| match answer.status {
                204 => Ok(End::Done),
                // Another request made the note a moment before.
                412 if sent.disturbed.is_some() || !known => Ok(End::Refused),
                _ => wrong(format!("{answer:?}")),
            });
            if matches!(outcome.end, End::Done) {
                self.notes.lock().unwrap()[name] = true;
            }
            outcome
        } else {
            self.read_note(name)
        }
    }

    fn note_length(&self, name: usize) -> u32 {
        1 + (name as u32 * 7919 * 13) % self.largest_note
    }

    fn read_note(&self, name: usize) -> Outcome {
        let known = self.notes.lock().unwrap()[name];
        let sent = self.send("GET", &format!("notes/n{name}"), None);
        sent.judge("bank read", |answer| match answer.status {
            404 if !known => Ok(End::Done),
            404 => lost(format!("note {name} is not there")),
            _ if expect_number(answer, "bytes")? == u64::from(self.note_length(name)) => Ok(End::Done),
            _ => wrong(format!("{answer:?}")),
        })
    }

    /// Compares the mount with the model while nobody uses it, and takes the values that it finds as known.
    fn compare(&self) -> Vec<Outcome> {
        let _alone = self.gate.write().unwrap();
        let (counted, count) = self.read_count();
        let mut outcomes = vec![self.total(), counted];
        let mut found = Known {
            count: count.unwrap_or_default(),
            ..Known::default()
        };
        for account in 0..LARGE {
            let (outcome, balance) = self.read_account(account);
            found.balances[account] = balance.unwrap_or_default();
            outcomes.push(outcome);
        }
        if outcomes.iter().all(|outcome| matches!(outcome.end, End::Done)) {
            *self.known.lock().unwrap() = found;
        }
        outcomes
    }
}

fn expect_number(answer: &Answer, name: &str) -> Result<u64, Fault> {
    match (answer.status, answer.data()[name].as_u64()) {
        (200, Some(number)) => Ok(number),
        _ => wrong(format!("{answer:?}")),
    }
}

impl Engine for Bank {
    fn site(&self) -> &Site {
        &self.site
    }

    fn call(&self, call: &mut Call) -> Outcome {
        let _beside_others = self.gate.read().unwrap();
        match call.dice.below(100) {
            0..12 => self.count(),
            12..22 => self.read_count().0,
            22..46 => self.transfer(call),
            46..58 => self.small_transfer(call),
            58..64 => self.total(),
            64..84 => self.read_account(call.dice.below(LARGE)).0,
            _ => self.note(call),
        }
    }

    fn serves(&self) -> bool {
        self.site.mount.read("count").status == 200
    }

    fn settle(&self) -> Vec<Outcome> {
        self.compare()
    }

    fn verify(&self, server: &Server) -> Vec<Outcome> {
        let mut outcomes = self.compare();
        outcomes.extend((0..NOTES).map(|name| self.read_note(name)));
        let name = self.site.mount.name();
        let mut expected: Vec<String> = ["count", "settings/limit"].map(str::to_owned).into();
        expected.extend((0..LARGE).map(|account| format!("account/l{account}")));
        let notes = (0..NOTES).filter(|name| self.site.mount.read(&format!("notes/n{name}")).status == 200);
        expected.extend(notes.map(|name| format!("note/n{name}")));
        if expected.iter().any(|key| key.starts_with("note/")) {
            expected.push("noted".into());
        }
        let small =
            (0..SMALL).filter(|small| self.site.mount.read(&format!("accounts/s{small}")).status == 200);
        expected.extend(small.map(|small| format!("account/s{small}")));
        outcomes.push(compare_storage(name, expected, server.stored_keys(name)));
        outcomes
    }
}

//! Checks the histories of real concurrent runs: the transactions could have run one at a time.
//!
//! There are ten thousand transactions for each way of flushing, on storage with random delays, errors, lost answers
//! and outages: reads, questions whether a key exists, writes, deletions, lists, scratch, commits in the middle of a request, existence checks that
//! requests continue, and sudden invalidations. At the end the stored entries are read without the mount, and must be
//! what the transactions leave in that order.
//!
//! The random choices are the same in each run, and their seed is printed; `AIRLOCK_SEED`, a number or the word
//! `random`, changes them. The same seed repeats a run as far as the scheduler allows.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "serializability/chaos.rs"]
mod chaos;
#[path = "serializability/history.rs"]
mod history;
#[path = "serializability/search.rs"]
mod search;

use airlock_storage::{
    Attempt, Error, MemoryStorage, Mount, Prefixes, Result, Settings, Storage, StorageEntry, Transaction,
    TransactionalStorage,
};
use chaos::Chaos;
use fastrand::Rng;
use history::{Outcome, Recorded, SCRATCH, State, Step};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const TRANSACTIONS: usize = 10_000;
const CALLERS: u64 = 12;
const KEYS: [&str; 8] = ["a", "f/a", "f/b", "f/g/a", "f/g/b", "h/i/j/a", "h/i/k", "s"];
const FOLDERS: [&str; 6] = ["", "f/", "f/g/", "h/", "h/i/", "h/i/j/"];

struct Run {
    mount: Arc<Mount>,
    clock: AtomicU64,
    values: AtomicU64,
    history: Mutex<Vec<Recorded>>,
    failed_commit: Outcome,
}

/// The transaction that is being recorded.
struct Recording {
    began: u64,
    steps: Vec<Step>,
}

impl Run {
    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn record(&self) -> Recording {
        Recording {
            began: self.now(),
            steps: Vec::new(),
        }
    }

    async fn commit(&self, transaction: &mut Transaction, recording: &mut Recording) -> Result<()> {
        let asked = self.now();
        let result = transaction.commit().await;
        let outcome = match &result {
            Ok(()) => Outcome::Committed,
            Err(Error::UnknownOutcome(_)) => self.failed_commit,
            Err(_) => return result,
        };
        let Recording { began, steps } = std::mem::replace(recording, self.record());
        self.history.lock().push(Recorded {
            began,
            asked,
            ended: self.now(),
            steps,
            outcome,
        });
        result
    }

    async fn step(
        &self,
        rng: &mut Rng,
        transaction: &mut Transaction,
        recording: &mut Recording,
    ) -> Result<()> {
        let key = *rng.choice(&KEYS).unwrap();
        let value = self.values.fetch_add(1, Ordering::Relaxed);
        let bytes = value.to_le_bytes().to_vec();
        let step = match rng.u32(..100) {
            0..15 => Step::Exists(key.into(), transaction.exists(key).await?),
            15..40 => {
                let found = transaction.get(key).await?;
                Step::Get(key.into(), found.map(|entry| number(&entry.value)))
            }
            40..65 => {
                if rng.u32(..3) > 0 {
                    recording.steps.push(look(rng, transaction, key).await?);
                }
                transaction.put(StorageEntry::new(key, bytes)).await?;
                Step::Put(key.into(), value)
            }
            65..75 => {
                if rng.bool() {
                    recording.steps.push(look(rng, transaction, key).await?);
                }
                transaction.delete(key).await?;
                Step::Delete(key.into())
            }
            75..90 => {
                let folder = *rng.choice(&FOLDERS).unwrap();
                if rng.bool() {
                    Step::List(folder.into(), transaction.list(folder).await?)
                } else {
                    let (after, limit) = (*rng.choice(&["", "a", "f/"]).unwrap(), rng.usize(1..4));
                    let names = transaction.list_page(folder, after, limit).await?;
                    Step::Page(folder.into(), after.into(), limit, names)
                }
            }
            90..95 => {
                let found = transaction.scratch_get("s").await?;
                Step::Get(format!("{SCRATCH}s"), found.map(|bytes| number(&bytes)))
            }
            _ => {
                transaction.scratch_put("s", bytes.into()).await?;
                Step::Put(format!("{SCRATCH}s"), value)
            }
        };
        recording.steps.push(step);
        Ok(())
    }

    /// Makes one attempt of a request; it may commit before its end.
    async fn attempt(
        &self,
        rng: &mut Rng,
        attempt: Attempt,
        recording: &mut Recording,
    ) -> (Result<()>, bool) {
        let mut transaction = match self.begin(rng, attempt, recording).await {
            Ok(transaction) => transaction,
            Err(error) => return (Err(error), false),
        };
        for step in 0..rng.u32(1..6) {
            if step > 0 && rng.u32(..12) == 0 {
                let result = self.commit(&mut transaction, recording).await;
                if result.is_err() {
                    return (result, transaction.has_committed());
                }
            }
            if let Err(error) = self.step(rng, &mut transaction, recording).await {
                return (Err(error), transaction.has_committed());
            }
        }
        let result = self.commit(&mut transaction, recording).await;
        (result, transaction.has_committed())
    }

    /// Begins a transaction. Sometimes makes an existence check first, which is part of the transaction if that
    /// continues it.
    async fn begin(&self, rng: &mut Rng, attempt: Attempt, recording: &mut Recording) -> Result<Transaction> {
        *recording = self.record();
        if attempt != Attempt::FIRST || rng.u32(..4) > 0 {
            return self.mount.begin(attempt).await;
        }
        let mut check = self.mount.begin(attempt).await?;
        let key = *rng.choice(&KEYS).unwrap();
        let looked = look(rng, &mut check, key).await?;
        let request_id = self.now().to_string();
        check.keep_reads(&request_id)?;
        let began = recording.began;
        let transaction = self.mount.begin_with_reads(&request_id).await?;
        *recording = self.record();
        if transaction.continues_check() {
            recording.began = began;
            recording.steps.push(looked);
        }
        Ok(transaction)
    }

    async fn caller(&self, seed: u64, requests: usize) {
        let mut rng = Rng::with_seed(seed);
        for _ in 0..requests {
            if rng.u32(..50) == 0 {
                self.mount.invalidate(rng.choice(&KEYS).unwrap());
            }
            let mut attempt = Attempt::FIRST;
            let mut recording = self.record();
            let result = loop {
                let (result, has_committed) = self.attempt(&mut rng, attempt, &mut recording).await;
                if result != Err(Error::Conflict) || has_committed {
                    break result;
                }
                attempt = attempt.next();
            };
            if let Err(Error::UnknownOutcome(_)) = result {
                self.look_at_everything().await;
            }
        }
    }

    /// Finds out what a commit of unknown outcome has done; otherwise the search would have to guess for long.
    async fn look_at_everything(&self) {
        loop {
            let mut recording = self.record();
            let Ok(mut transaction) = self.mount.begin(Attempt::FIRST).await else {
                continue;
            };
            for key in KEYS {
                let Ok(found) = transaction.get(key).await else {
                    break;
                };
                recording
                    .steps
                    .push(Step::Get(key.into(), found.map(|entry| number(&entry.value))));
            }
            if recording.steps.len() == KEYS.len()
                && self.commit(&mut transaction, &mut recording).await.is_ok()
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Reads a key, or asks whether it exists.
async fn look(rng: &mut Rng, transaction: &mut Transaction, key: &str) -> Result<Step> {
    Ok(match rng.bool() {
        true => Step::Exists(key.into(), transaction.exists(key).await?),
        false => {
            let found = transaction.get(key).await?;
            Step::Get(key.into(), found.map(|entry| number(&entry.value)))
        }
    })
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

/// Returns the stored entries of the callers, read without the mount.
fn stored(memory: &MemoryStorage) -> State {
    let mut entries = memory.entries();
    entries.retain(|entry| !entry.key.starts_with(".airlock/"));
    let numbers = entries.into_iter();
    numbers.map(|entry| (entry.key, number(&entry.value))).collect()
}

/// Panics unless the transactions have a serial order that leaves what is stored.
fn check_history(mut history: Vec<Recorded>, stored: &State, now: u64, seed: u64) {
    // The last transaction reads everything, so that the search looks for an order that ends with the stored entries.
    let read = |key: &str| Step::Get(key.into(), stored.get(key).copied());
    history.push(Recorded {
        began: now,
        asked: now + 1,
        ended: now + 2,
        steps: KEYS.iter().map(|key| read(key)).collect(),
        outcome: Outcome::Committed,
    });
    match search::order(&history) {
        Ok(serial) => assert_eq!(&history::stored(&serial.state), stored, "seed {seed}"),
        Err(dead_end) => {
            let (placed, all) = (dead_end.placed, history.len());
            panic!(
                "no serial order: {placed} of {all} have a place, seed {seed}; then\n{}",
                dead_end.explain(&history)
            );
        }
    }
}

/// Runs the callers and checks their history. `memory` is where the storage keeps its entries.
fn check(storage: Arc<dyn Storage>, memory: &MemoryStorage, redo_record: bool, failed_commit: Outcome) {
    let seed = match std::env::var("AIRLOCK_SEED").as_deref() {
        Err(_) => 1,
        Ok("random") => fastrand::u64(..),
        Ok(seed) => seed.parse().expect("AIRLOCK_SEED is a number or the word random"),
    };
    println!("drawn with AIRLOCK_SEED={seed}");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let settings = Settings {
        cacheable: Prefixes::from_iter(["f/", "s"]),
        remembered: Prefixes::from_iter(["a", "h/"]),
        redo_record,
        scratch_bytes: 1000,
        flush: Duration::from_millis(20),
        late: Duration::from_millis(50),
        ..Settings::default()
    };
    let chaos = Chaos::over(storage.clone(), seed);
    let run = Arc::new(Run {
        mount: Mount::new(Arc::new(chaos.clone()), settings.clone()),
        clock: AtomicU64::new(0),
        values: AtomicU64::new(1),
        history: Mutex::default(),
        failed_commit,
    });
    runtime.block_on(async {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let run = run.clone();
                let requests = TRANSACTIONS.div_ceil(CALLERS as usize);
                tokio::spawn(async move { run.caller(seed.wrapping_add(caller), requests).await })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
        run.mount.drain().await;
        // The next start flushes a record whose flush was given up.
        Mount::new(storage, settings).recover().await.unwrap();
    });
    let stored = stored(memory);
    let history = std::mem::take(&mut *run.history.lock());
    let unknown = history
        .iter()
        .filter(|recorded| recorded.outcome != Outcome::Committed)
        .count();
    println!(
        "{} transactions, {unknown} of unknown outcome, {} pages cut, seed {seed}",
        history.len(),
        chaos.cut_pages()
    );
    assert!(
        history.len() > TRANSACTIONS * 8 / 10,
        "too few were committed to prove anything"
    );
    assert!(chaos.cut_pages() > 100, "pages were not cut");
    check_history(history, &stored, run.now(), seed);
}

#[test]
fn writes_in_the_guests_order_are_serializable() {
    let memory = Arc::new(MemoryStorage::new());
    check(memory.clone(), &memory, false, Outcome::SomePrefix);
}

#[test]
fn writes_behind_a_redo_record_are_serializable_and_never_half() {
    let memory = Arc::new(MemoryStorage::new());
    check(memory.clone(), &memory, true, Outcome::AllOrNothing);
}

#[test]
fn writes_in_the_storages_own_transactions_are_serializable_and_never_half() {
    let storage = Arc::new(TransactionalStorage::new());
    check(storage.clone(), storage.memory(), false, Outcome::AllOrNothing);
    assert_eq!(storage.open_transactions(), 0);
}

/// The check also compares entries that nobody read any more.
#[test]
#[should_panic(expected = "no serial order: 1 of 2")]
fn a_last_write_that_is_not_stored_is_found() {
    check_history(vec![wrote("a", 7)], &State::new(), 10, 0);
}

#[test]
#[should_panic(expected = "assertion `left == right` failed")]
fn an_entry_that_nobody_wrote_is_found() {
    let stored = State::from([("a".to_owned(), 7), ("of nobody".to_owned(), 1)]);
    check_history(vec![wrote("a", 7)], &stored, 10, 0);
}

fn wrote(key: &str, value: u64) -> Recorded {
    Recorded {
        began: 1,
        asked: 2,
        ended: 3,
        steps: vec![Step::Put(key.into(), value)],
        outcome: Outcome::Committed,
    }
}

//! The world of the models: a ledger, a storage, and transactions that use both as the crate's own do, without waiting.

use crate::conflict::cache::Cached;
use crate::conflict::caches::{CacheLimits, Kept};
use crate::conflict::counters::{Footprint, Sample, Size};
use crate::conflict::ledger::{Fence, Generation, Ledger, Stored, footprint};
use crate::conflict::protocol;
use crate::conflict::scratch::ScratchWrites;
use crate::sync::Mutex;
use crate::{Result, StorageEntry, names};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) ledger: Arc<Ledger>,
    storage: Arc<Mutex<BTreeMap<String, u64>>>,
}

/// Runs a model under every interleaving of its threads.
pub(crate) fn model(
    size: Size,
    stored: &'static [(&'static str, u64)],
    threads: impl Fn(World) + Sync + Send + 'static,
) {
    let cache = CacheLimits {
        bytes: 1 << 20,
        age: Duration::from_secs(3600),
    };
    loom::model(move || {
        let entries = stored
            .iter()
            .map(|(key, value)| (key.to_string(), *value))
            .collect();
        threads(World {
            ledger: Arc::new(Ledger::new(size, cache, 0)),
            storage: Arc::new(Mutex::new(entries)),
        });
    });
}

impl World {
    pub(crate) fn stored(&self, key: &str) -> Option<u64> {
        self.storage.lock().get(key).copied()
    }

    pub(crate) fn store(&self, key: &str, value: u64) {
        self.storage.lock().insert(key.to_owned(), value);
    }

    fn list(&self, folder: &str) -> Vec<String> {
        let storage = self.storage.lock();
        let names = storage.keys().filter_map(|key| names::name_in(folder, key));
        names
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }
}

/// Returns the output of a future that has nothing to wait for.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the storage of the models answers at once"),
    }
}

/// The error if something that was read has been written, or is being written.
#[derive(Debug)]
pub(crate) struct Conflict;

pub(crate) struct Transaction {
    world: World,
    cacheable: bool,
    samples: Vec<Sample>,
    existed: HashMap<String, bool>,
    writes: Vec<(String, Option<u64>)>,
}

impl Transaction {
    pub(crate) fn new(world: &World) -> Self {
        let world = world.clone();
        Self {
            world,
            cacheable: false,
            samples: Vec::new(),
            existed: HashMap::new(),
            writes: Vec::new(),
        }
    }

    /// Begins a transaction whose keys may be cached.
    pub(crate) fn cached(world: &World) -> Self {
        Self {
            cacheable: true,
            ..Self::new(world)
        }
    }

    pub(crate) fn get(&mut self, key: &str) -> Result<Option<u64>, Conflict> {
        if self.cacheable {
            self.exists(key)?;
        }
        let get = || async {
            Ok(self
                .world
                .stored(key)
                .map(|value| StorageEntry::new(key, value.to_le_bytes().to_vec())))
        };
        let cacheable = self.cacheable.then(Generation::default);
        let found = now(protocol::read::<Option<StorageEntry>, _>(
            &self.world.ledger,
            key,
            cacheable,
            get,
        ))
        .ok_or(Conflict)?
        .unwrap();
        self.samples.push(found.sample);
        self.existed.insert(key.to_owned(), found.value.is_some());
        Ok(found
            .value
            .map(|entry| u64::from_le_bytes(entry.value[..].try_into().unwrap())))
    }

    /// Finds out whether a key exists, which may be cached.
    pub(crate) fn exists(&mut self, key: &str) -> Result<bool, Conflict> {
        let get = || async { Ok(self.world.stored(key).map(|_| StorageEntry::new(key, vec![]))) };
        let cacheable = Some(Generation::default());
        let found = now(protocol::read::<bool, _>(&self.world.ledger, key, cacheable, get))
            .ok_or(Conflict)?
            .unwrap();
        self.samples.push(found.sample);
        self.existed.insert(key.to_owned(), found.value);
        Ok(found.value)
    }

    pub(crate) fn list(&mut self, folder: &str) -> Result<Vec<String>, Conflict> {
        let list = || async { Ok(self.world.list(folder)) };
        let found = now(protocol::list(&self.world.ledger, folder, list))
            .ok_or(Conflict)?
            .unwrap();
        self.samples.push(found.sample);
        Ok(found.value)
    }

    pub(crate) fn put(&mut self, key: &str, value: u64) {
        self.writes.push((key.to_owned(), Some(value)));
    }

    pub(crate) fn delete(&mut self, key: &str) {
        self.writes.push((key.to_owned(), None));
    }

    pub(crate) fn commit(self) -> Result<(), Conflict> {
        let fence = self.flush(Footprint::default())?;
        assert!(fence.is_none());
        Ok(())
    }

    /// Commits with puts that each took two tries.
    pub(crate) fn commit_at_the_second_try(self) -> Option<Fence> {
        let keys: Vec<String> = self.writes.iter().map(|(key, _)| key.clone()).collect();
        let retried = self.world.ledger.keys(&keys);
        let fence = self.flush(retried).expect("it is alone");
        assert!(fence.is_some());
        fence
    }

    fn flush(self, retried: Footprint) -> Result<Option<Fence>, Conflict> {
        if self.writes.is_empty() {
            return if self.world.ledger.stand(self.samples) {
                Ok(None)
            } else {
                Err(Conflict)
            };
        }
        let (world, stored) = (self.world.clone(), self.outcome());
        let writes = self.writes.clone();
        let flush = async move {
            for (key, value) in writes {
                match value {
                    Some(value) => world.store(&key, value),
                    None => drop(world.storage.lock().remove(&key)),
                }
            }
            Ok::<_, ()>(retried)
        };
        let marks = self.mark()?;
        now(protocol::carry_out(marks, stored, flush)).map_err(|_| Conflict)
    }

    /// Makes a commit whose flush fails with unknown outcome.
    pub(crate) fn commit_in_vain(self) -> Fence {
        let stored = self.outcome();
        let marks = self.mark().expect("it is alone");
        let failed = now(protocol::carry_out(marks, stored, async { Err(()) }));
        failed.err().expect("the flush failed").1.give_up()
    }

    fn mark(&self) -> Result<crate::conflict::ledger::Marks, Conflict> {
        let ledger = &self.world.ledger;
        let log = self
            .writes
            .iter()
            .map(|(key, value)| (key.as_str(), value.is_some()));
        let footprint = footprint(&ledger.places, log, |key| self.existed.get(key).copied(), []);
        ledger.mark(self.samples.clone(), footprint).map_err(|_| Conflict)
    }

    fn outcome(&self) -> Stored {
        let copy = |value: &Option<u64>| {
            Cached::copy_of(value.map(u64::to_le_bytes).as_ref().map(|v| (&v[..], false)))
        };
        let kept = |(key, value): &(String, Option<u64>)| {
            if self.cacheable {
                return Some((key.clone(), Kept::Value(copy(value))));
            }
            let asked = self.existed.contains_key(key);
            asked.then(|| (key.clone(), Kept::Existence(value.is_some())))
        };
        let keys = self.writes.iter().filter_map(kept);
        Stored {
            generation: Generation::default(),
            keys: keys.collect(),
            scratch: ScratchWrites::default(),
        }
    }
}

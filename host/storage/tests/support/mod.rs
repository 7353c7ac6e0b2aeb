//! Helpers that the tests share.
#![allow(dead_code, missing_docs, clippy::unwrap_used)] // each test binary uses a part

use airlock_faults::FaultyStorage;
use airlock_storage::{
    Attempt, Error, MemoryStorage, Mount, Prefixes, Result, Settings, StorageEntry, Transaction,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Returns settings with which a failing call does not take long.
pub fn settings() -> Settings {
    Settings {
        lock_time: Duration::from_millis(300),
        wait: Duration::from_secs(5),
        flush: Duration::from_millis(100),
        late: Duration::from_millis(200),
        ..Settings::default()
    }
}

pub fn cacheable(prefix: &str) -> Settings {
    Settings {
        cacheable: Prefixes::from_iter([prefix]),
        ..settings()
    }
}

/// A mount, the storage under it with its faults, and the memory under that.
pub struct Bed {
    pub mount: Arc<Mount>,
    pub storage: FaultyStorage,
    pub memory: Arc<MemoryStorage>,
}

impl Bed {
    pub fn new(settings: Settings) -> Self {
        Self::over(Arc::default(), settings)
    }

    pub fn over(memory: Arc<MemoryStorage>, settings: Settings) -> Self {
        let storage = FaultyStorage::over(memory.clone());
        let mount = Mount::new(Arc::new(storage.clone()), settings);
        Self {
            mount,
            storage,
            memory,
        }
    }

    pub fn with(keys: &[(&str, &str)], settings: Settings) -> Self {
        let memory = keys
            .iter()
            .map(|(key, value)| StorageEntry::new(*key, value.to_string()))
            .collect();
        Self::over(Arc::new(memory), settings)
    }

    /// Starts a task that has the mount.
    pub fn spawn<F>(&self, task: impl FnOnce(Arc<Mount>) -> F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        tokio::spawn(task(self.mount.clone()))
    }

    pub async fn begin(&self) -> Transaction {
        self.mount.begin(Attempt::FIRST).await.unwrap()
    }

    /// Returns everything that is stored, as text.
    pub fn stored(&self) -> Vec<(String, String)> {
        stored(&self.memory)
    }
}

pub fn stored(memory: &MemoryStorage) -> Vec<(String, String)> {
    let text = |entry: StorageEntry| (entry.key, String::from_utf8(entry.value.to_vec()).unwrap());
    memory.entries().into_iter().map(text).collect()
}

/// Returns expected contents, to compare with [`stored`].
pub fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect()
}

pub async fn get(transaction: &mut Transaction, key: &str) -> Result<Option<String>> {
    let entry = transaction.get(key).await?;
    Ok(entry.map(|entry| String::from_utf8(entry.value.to_vec()).unwrap()))
}

pub async fn put(transaction: &mut Transaction, key: &str, value: &str) -> Result<()> {
    transaction.put(StorageEntry::new(key, value.to_owned())).await
}

/// Makes and commits one write.
pub async fn store(mount: &Arc<Mount>, key: &str, value: &str) -> Result<()> {
    let mut transaction = mount.begin(Attempt::FIRST).await?;
    put(&mut transaction, key, value).await?;
    transaction.commit().await
}

/// Makes and commits two writes, of the keys `a` and `b`.
pub async fn store_two(mount: &Arc<Mount>, value: &str) -> Result<()> {
    let mut transaction = mount.begin(Attempt::FIRST).await?;
    put(&mut transaction, "a", value).await?;
    put(&mut transaction, "b", value).await?;
    transaction.commit().await
}

/// Makes one read.
pub async fn read(mount: &Arc<Mount>, key: &str) -> Result<Option<String>> {
    let mut transaction = mount.begin(Attempt::FIRST).await?;
    let value = get(&mut transaction, key).await?;
    transaction.commit().await?;
    Ok(value)
}

/// Runs a request as a host does: again after a conflict, and with the exclusive commit lock after three conflicts. The
/// request returns its transaction together with its result.
pub async fn run<T, F>(mount: &Arc<Mount>, mut request: impl FnMut(Transaction) -> F) -> Result<T>
where
    F: Future<Output = (Transaction, Result<T>)>,
{
    let mut attempt = Attempt::FIRST;
    loop {
        let (mut transaction, result) = request(mount.begin(attempt).await?).await;
        let ended = match result {
            Ok(value) => transaction.commit().await.map(|()| value),
            Err(error) => Err(error),
        };
        match ended {
            Err(Error::Conflict) if !transaction.has_committed() => attempt = attempt.next(),
            ended => return ended,
        }
    }
}

/// Adds one to a number.
pub async fn increment(mut transaction: Transaction, key: &str) -> (Transaction, Result<()>) {
    let result = async {
        let number: u64 = get(&mut transaction, key)
            .await?
            .map_or(0, |number| number.parse().unwrap());
        put(&mut transaction, key, &(number + 1).to_string()).await
    };
    let result = result.await;
    (transaction, result)
}

pub fn is_unknown<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::UnknownOutcome(_)))
}

/// Returns when storage has this value at a key, put there by a call for which nobody waits.
pub async fn until_stored(memory: &MemoryStorage, key: &str, value: Option<&str>) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    let is_stored = || {
        let entries = memory.entries();
        let entry = entries.iter().find(|entry| entry.key == key);
        entry.map(|entry| &*entry.value) == value.map(str::as_bytes)
    };
    while !is_stored() {
        assert!(std::time::Instant::now() < deadline, "{key} did not come to be");
        tokio::task::yield_now().await;
    }
}

/// Returns the stored entries without the host's own.
pub fn stored_by_guests(memory: &MemoryStorage) -> Vec<(String, String)> {
    let mut entries = memory.entries();
    entries.retain(|entry| !entry.key.starts_with(".airlock/"));
    stored(&entries.into_iter().collect())
}

/// Returns the keys of the host's own entries.
pub fn hidden(memory: &MemoryStorage) -> Vec<String> {
    let keys = memory.entries().into_iter().map(|entry| entry.key);
    keys.filter(|key| key.starts_with(".airlock/")).collect()
}

/// Makes records so old that their process cannot be alive, so that their remains may be removed.
pub fn aged(entries: Vec<StorageEntry>) -> Vec<StorageEntry> {
    let old = |key: String| match key.split_once('-') {
        Some((time, rest)) => {
            let folder = time.rfind('/').map_or(0, |slash| slash + 1);
            format!("{}{:024x}-{rest}", &time[..folder], 1)
        }
        None => key,
    };
    let aged = entries.into_iter().map(|entry| StorageEntry {
        key: old(entry.key),
        ..entry
    });
    aged.collect()
}

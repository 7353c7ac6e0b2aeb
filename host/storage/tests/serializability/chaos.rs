//! Storage that is slow and fails at random.

use airlock_storage::{Error, Result, Storage, StorageEntry, StorageTransaction};
use async_trait::async_trait;
use fastrand::Rng;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// This is longer than a flush is tried in the tests, so that some commits end with an unknown outcome.
const OUTAGE: Duration = Duration::from_millis(30);

#[derive(Clone)]
pub struct Chaos {
    inner: Arc<dyn Storage>,
    dice: Arc<Mutex<Dice>>,
    cut_pages: Arc<AtomicU64>,
}

struct Dice {
    rng: Rng,
    out_until: Instant,
}

/// The fate of one call.
enum Fate {
    Fails,
    LosesItsAnswer,
    Works,
}

impl Chaos {
    pub fn over(inner: Arc<dyn Storage>, seed: u64) -> Self {
        let dice = Dice {
            rng: Rng::with_seed(seed),
            out_until: Instant::now(),
        };
        Self {
            inner,
            dice: Arc::new(Mutex::new(dice)),
            cut_pages: Arc::default(),
        }
    }

    /// Returns the number of pages that did not contain all the rest of their folder.
    pub fn cut_pages(&self) -> u64 {
        self.cut_pages.load(Ordering::Relaxed)
    }

    async fn dawdle(&self) {
        let (yields, long) = {
            let rng = &mut self.dice.lock().rng;
            (rng.u32(..4), rng.u32(..200) == 0)
        };
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
        if long {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn fate(&self) -> Fate {
        let dice = &mut *self.dice.lock();
        if dice.rng.u32(..4000) == 0 {
            dice.out_until = Instant::now() + OUTAGE;
        }
        if Instant::now() < dice.out_until || dice.rng.u32(..100) == 0 {
            return if dice.rng.bool() {
                Fate::Fails
            } else {
                Fate::LosesItsAnswer
            };
        }
        Fate::Works
    }

    async fn through<T>(&self, effect: impl Future<Output = Result<T>>) -> Result<T> {
        let broken = || Err(Error::Backend("chaos".into()));
        self.dawdle().await;
        let answer = match self.fate() {
            Fate::Fails => broken(),
            Fate::LosesItsAnswer => effect.await.and_then(|_| broken()),
            Fate::Works => effect.await,
        };
        self.dawdle().await;
        answer
    }
}

#[async_trait]
impl Storage for Chaos {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>> {
        self.through(self.inner.get(key)).await
    }

    async fn put(&self, entry: StorageEntry) -> Result<()> {
        self.through(self.inner.put(entry)).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.through(self.inner.delete(key)).await
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>> {
        self.through(self.inner.list(folder)).await
    }

    async fn list_page(&self, folder: &str, after: &str, limit: usize) -> Result<Vec<String>> {
        self.through(async {
            // One more name than was asked for shows whether the page is cut.
            let mut names = self.inner.list_page(folder, after, limit + 1).await?;
            self.cut_pages
                .fetch_add((names.len() > limit).into(), Ordering::Relaxed);
            names.truncate(limit);
            Ok(names)
        })
        .await
    }

    async fn begin(&self) -> Result<Option<Box<dyn StorageTransaction>>> {
        let Some(inner) = self.inner.begin().await? else {
            return Ok(None);
        };
        Ok(Some(Box::new(ChaosTransaction {
            inner,
            chaos: self.clone(),
        })))
    }
}

struct ChaosTransaction {
    inner: Box<dyn StorageTransaction>,
    chaos: Chaos,
}

#[async_trait]
impl StorageTransaction for ChaosTransaction {
    async fn put(&mut self, entry: StorageEntry) -> Result<()> {
        self.chaos.through(self.inner.put(entry)).await
    }

    async fn delete(&mut self, key: &str) -> Result<()> {
        self.chaos.through(self.inner.delete(key)).await
    }

    async fn commit(&mut self) -> Result<()> {
        self.chaos.through(self.inner.commit()).await
    }

    async fn rollback(&mut self) -> Result<()> {
        self.inner.rollback().await
    }
}

//! Lets a mount keep in memory what it stores, if the server allows it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use airlock_sandbox::{System, SystemError};
use airlock_storage::Mount;

/// The pause before the server is asked again. It doubles, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Longest time that the server may take to answer. Vault waits for the mount meanwhile.
const ANSWER: Duration = Duration::from_secs(2);

/// Allows caching if the server does. While the server does not answer, nothing is cached, and the server is asked
/// again for as long as the mount exists.
pub async fn follow(mount: &Arc<Mount>, system: &Arc<dyn System>) {
    follow_from(mount, system, FIRST_PAUSE).await;
}

async fn follow_from(mount: &Arc<Mount>, system: &Arc<dyn System>, mut pause: Duration) {
    mount.allow_caching(false);
    if let Ok(allowed) = may_cache(&**system).await {
        mount.allow_caching(allowed);
        return;
    }
    let (mount, system): (Weak<_>, _) = (Arc::downgrade(mount), system.clone());
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(pause).await;
            let allowed = may_cache(&*system).await;
            let Some(mount) = mount.upgrade() else { return };
            if let Ok(allowed) = allowed {
                mount.allow_caching(allowed);
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    });
}

/// Asks the server. A server that does not know the question allows caching.
async fn may_cache(system: &dyn System) -> Result<bool, SystemError> {
    match tokio::time::timeout(ANSWER, system.caching_disabled()).await {
        Ok(Ok(disabled)) => Ok(!disabled),
        Ok(Err(SystemError::Unsupported)) => Ok(true),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(SystemError::Failed("the server took too long".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    use airlock_faults::{Call, FaultyStorage};
    use airlock_storage::{Attempt, MemoryStorage, Prefixes, Settings, Storage as _, StorageEntry};
    use async_trait::async_trait;

    use super::*;

    /// A server that fails until it is repaired, and then says what it allows.
    struct Failing {
        mended: AtomicBool,
        disabled: bool,
    }

    #[async_trait]
    impl System for Failing {
        async fn caching_disabled(&self) -> Result<bool, SystemError> {
            match self.mended.load(SeqCst) {
                true => Ok(self.disabled),
                false => Err(SystemError::Failed("no answer".into())),
            }
        }
    }

    async fn mount() -> (Arc<Mount>, FaultyStorage) {
        let storage = FaultyStorage::new(MemoryStorage::new());
        storage.put(StorageEntry::new("a", "1")).await.unwrap();
        let settings = Settings {
            cacheable: Prefixes::all(),
            ..Settings::default()
        };
        (Mount::new(Arc::new(storage.clone()), settings), storage)
    }

    /// Returns true if a second read is answered from memory.
    async fn caches(mount: &Arc<Mount>, storage: &FaultyStorage) -> bool {
        let read = async || {
            let mut transaction = mount.begin(Attempt::FIRST).await.unwrap();
            transaction.get("a").await.unwrap();
            transaction.commit().await.unwrap();
        };
        read().await;
        let gets = storage.calls(Call::Get);
        read().await;
        storage.calls(Call::Get) == gets
    }

    #[tokio::test]
    async fn nothing_is_cached_until_the_server_has_answered() {
        let (mount, storage) = mount().await;
        let failing = Arc::new(Failing {
            mended: AtomicBool::new(false),
            disabled: false,
        });
        let system: Arc<dyn System> = failing.clone();
        follow_from(&mount, &system, Duration::from_millis(1)).await;
        assert!(!caches(&mount, &storage).await);

        failing.mended.store(true, SeqCst);
        while !caches(&mount, &storage).await {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_server_that_cannot_say_allows_it_and_one_that_forbids_it_is_heeded() {
        struct Silent;
        impl System for Silent {}
        let forbidding = Failing {
            mended: AtomicBool::new(true),
            disabled: true,
        };
        for (system, allowed) in [
            (Arc::new(Silent) as Arc<dyn System>, true),
            (Arc::new(forbidding), false),
        ] {
            let (mount, storage) = mount().await;
            follow(&mount, &system).await;
            assert_eq!(caches(&mount, &storage).await, allowed);
        }
    }
}

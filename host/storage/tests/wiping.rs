//! Cached values do not stay in freed memory.
//!
//! The allocator of this test looks at every block before it is freed, and counts those that still contain the secret.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use airlock_storage::{MemoryStorage, Settings, StorageEntry};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use support::*;

const SECRET: [u8; 48] = *b"a very secret value, not to be left in memory!!!";
static FREED_WITH_SECRET: AtomicUsize = AtomicUsize::new(0);

struct Watching;

// SAFETY: every call is passed to the system's allocator unchanged.
#[allow(unsafe_code)] // a global allocator cannot be written without
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // The block is zeroed, so that all of it may be read, including what its owner never wrote.
        // SAFETY: the caller keeps `GlobalAlloc`'s promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is initialised (above), it is `layout.size()` bytes long, and nobody else uses it while it
        // is being freed.
        let bytes = unsafe { std::slice::from_raw_parts(block, layout.size()) };
        if bytes.windows(SECRET.len()).any(|window| window == SECRET) {
            FREED_WITH_SECRET.fetch_add(1, Ordering::SeqCst);
        }
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

#[tokio::test]
async fn evicted_cached_and_scratch_values_are_wiped() {
    // The storage's own copies are static or outlive the count.
    let memory: Arc<MemoryStorage> = Arc::default();
    for n in 0..3 {
        memory.insert(StorageEntry::new(format!("k{n}"), &SECRET[..]));
    }
    let bed = Bed::over(
        memory,
        Settings {
            cache_bytes: 600,
            scratch_bytes: 1000,
            ..cacheable("k")
        },
    );
    drop(vec![SECRET]);
    assert_eq!(
        FREED_WITH_SECRET.swap(0, Ordering::SeqCst),
        1,
        "the allocator watches"
    );
    for n in 0..3 {
        read(&bed.mount, &format!("k{n}")).await.unwrap();
    }
    let mut transaction = bed.begin().await;
    let cached = transaction.get("k2").await.unwrap().unwrap();
    assert_eq!((&cached.value[..], transaction.usage().cached), (&SECRET[..], 1));
    transaction
        .scratch_put("s", SECRET[..].to_vec().into())
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    // This is the request's own copy, which a host's own allocator wipes.
    FREED_WITH_SECRET.store(0, Ordering::SeqCst);
    drop((transaction, cached));
    bed.mount.adopt(settings());
    bed.mount.allow_caching(false);
    assert_eq!(FREED_WITH_SECRET.load(Ordering::SeqCst), 0);
}

//! Measures the cost of a transaction for a request that nobody disturbs, compared with passing the same storage calls
//! through.
//!
//! Run it with `cargo bench -p airlock-storage`. The storage is a map in memory, so nearly all of the time is this
//! crate's own work. The difference within each pair should stay below 5 µs.
#![allow(missing_docs, clippy::unwrap_used)]

use airlock_storage::{Attempt, MemoryStorage, Mount, Prefixes, Settings, Storage, StorageEntry};
use bytes::Bytes;
use divan::Bencher;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

const KEY: &str = "roles/production/database/readonly";
const VALUE: Bytes = Bytes::from_static(&[7; 256]);

fn main() {
    divan::main();
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn storage() -> Arc<dyn Storage> {
    Arc::new(MemoryStorage::from_iter([StorageEntry::new(KEY, VALUE)]))
}

fn mount(cacheable: Prefixes) -> Arc<Mount> {
    Mount::new(
        storage(),
        Settings {
            cacheable,
            ..Settings::default()
        },
    )
}

#[divan::bench]
fn read_passed_through(bencher: Bencher<'_, '_>) {
    let (runtime, storage) = (runtime(), storage());
    bencher.bench_local(|| runtime.block_on(async { storage.get(KEY).await.unwrap() }));
}

fn read(bencher: Bencher<'_, '_>, cacheable: Prefixes) {
    let (runtime, mount) = (runtime(), mount(cacheable));
    bencher.bench_local(|| {
        runtime.block_on(async {
            let mut transaction = mount.begin(Attempt::FIRST).await.unwrap();
            let entry = transaction.get(KEY).await.unwrap();
            transaction.commit().await.unwrap();
            entry
        })
    });
}

#[divan::bench]
fn read_in_a_transaction(bencher: Bencher<'_, '_>) {
    read(bencher, Prefixes::none());
}

#[divan::bench]
fn read_from_the_cache(bencher: Bencher<'_, '_>) {
    read(bencher, Prefixes::all());
}

#[divan::bench]
fn update_passed_through(bencher: Bencher<'_, '_>) {
    let (runtime, storage) = (runtime(), storage());
    bencher.bench_local(|| {
        runtime.block_on(async {
            storage.get(KEY).await.unwrap();
            storage.put(StorageEntry::new(KEY, VALUE)).await.unwrap();
        })
    });
}

fn update(bencher: Bencher<'_, '_>, cacheable: Prefixes) {
    let (runtime, mount) = (runtime(), mount(cacheable));
    bencher.bench_local(|| {
        runtime.block_on(async {
            let mut transaction = mount.begin(Attempt::FIRST).await.unwrap();
            transaction.get(KEY).await.unwrap();
            transaction.put(StorageEntry::new(KEY, VALUE)).await.unwrap();
            transaction.commit().await.unwrap();
        })
    });
}

#[divan::bench]
fn update_in_a_transaction(bencher: Bencher<'_, '_>) {
    update(bencher, Prefixes::none());
}

#[divan::bench]
fn update_in_a_transaction_that_caches(bencher: Bencher<'_, '_>) {
    update(bencher, Prefixes::all());
}

//! Recovery that is killed at each of its storage calls, on storage so slow that every request gives up before one call
//! is done. After the last start everything acknowledged is stored, nothing is half done, and that one start was
//! enough.
//!
//! The clock stands still while anybody works, so hours of waiting take no time.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use airlock_faults::{Call, Fault, FaultyStorage};
use airlock_storage::{Attempt, MemoryStorage, Mount, Prefixes, Settings, StorageEntry};
use std::sync::Arc;
use std::time::Duration;
use support::*;
use tokio::time::timeout;

/// The time that each storage call takes.
const SLOW: Duration = Duration::from_secs(8);
/// The time after which recovery gives a call up.
const FLUSH: Duration = Duration::from_secs(10);
/// The time after which a request gives up.
const REQUEST: Duration = Duration::from_secs(5);

fn recorded() -> Settings {
    Settings {
        redo_record: true,
        flush: FLUSH,
        ..Settings::default()
    }
}

/// Commits these values and kills the process at a put, counted from 1. Returns what is stored then.
async fn killed_at(put_call: u64, values: &[(&str, &str)], settings: Settings) -> Vec<StorageEntry> {
    let bed = Bed::with(&[("kept", "of an earlier commit")], settings);
    bed.storage.nth(Call::Put, put_call, Fault::Kill);
    let mut transaction = bed.begin().await;
    for (key, value) in values {
        put(&mut transaction, key, value).await.unwrap();
    }
    transaction.delete("gone").await.unwrap();
    transaction.commit().await.unwrap();
    bed.mount.drain().await;
    assert!(!hidden(&bed.memory).is_empty(), "there is something to recover");
    bed.memory
        .insert(StorageEntry::new("gone", "unless the commit is done"));
    aged(bed.memory.entries())
}

/// The entries that a crash left, and those that are stored after recovery.
struct Crashed {
    name: &'static str,
    left: Vec<StorageEntry>,
    recovered: Vec<(String, String)>,
}

async fn crashed() -> Vec<Crashed> {
    let small = [("a", "1"), ("b", "1")];
    let long = "x".repeat(40_000);
    let large = [("a", long.as_str()), ("b", long.as_str()), ("c", long.as_str())];
    let other = [("other/a", "1"), ("other/b", "1")];
    let local = Settings {
        local: Prefixes::from_iter(["other/"]),
        ..recorded()
    };
    let with = |values: &[&[(&str, &str)]]| {
        let mut stored = pairs(&[("kept", "of an earlier commit")]);
        values.iter().for_each(|values| stored.extend(pairs(values)));
        stored.sort();
        stored
    };
    let rubbish = [
        (".airlock/redo/1", "void"),
        (".airlock/redo/1.void", ""),
        (".airlock/redo/2.0", "of a commit that was never made"),
        (".airlock/redo/2.1", "of a commit that was never made"),
        (".airlock/redo/proof/x", ""),
        (".airlock/redo/proof/team/y", ""),
    ];
    let rubbish = rubbish.map(|(key, value)| StorageEntry::new(key, value));
    let both = |one: Vec<StorageEntry>, other: Vec<StorageEntry>| one.into_iter().chain(other).collect();
    vec![
        Crashed {
            name: "before the first write of a small record",
            left: killed_at(2, &small, recorded()).await,
            recovered: with(&[&small]),
        },
        Crashed {
            name: "in the middle of a small record",
            left: killed_at(3, &small, recorded()).await,
            recovered: with(&[&small]),
        },
        Crashed {
            name: "before the first write of a record in pieces",
            left: killed_at(5, &large, recorded()).await,
            recovered: with(&[&large]),
        },
        Crashed {
            name: "with two records, one of them local",
            left: both(
                killed_at(2, &small, recorded()).await,
                killed_at(2, &other, local).await,
            ),
            recovered: with(&[&small, &other]),
        },
        Crashed {
            name: "with rubbish beside a record",
            left: both(killed_at(2, &small, recorded()).await, rubbish.to_vec()),
            recovered: with(&[&small]),
        },
    ]
}

/// Runs one process: requests come until one is served or the process is killed. Returns true if one was served.
async fn start(memory: &Arc<MemoryStorage>, kill: Option<(u64, Fault)>) -> bool {
    let storage = FaultyStorage::over(memory.clone());
    let last = kill.as_ref().map_or(u64::MAX, |(call, _)| *call);
    if let Some((call, fault)) = kill {
        storage.nth(Call::Any, call, fault);
    }
    storage.every(Call::Any, Fault::Delay(SLOW));
    let mount = Mount::new(Arc::new(storage.clone()), recorded());
    let mut requests = 0;
    let is_served = loop {
        requests += 1;
        let begun = timeout(REQUEST, mount.begin(Attempt::FIRST)).await;
        if storage.calls(Call::Any) >= last {
            break false;
        }
        match begun {
            Ok(begun) => break begun.is_ok(),
            Err(_) => assert!(requests < 1_000, "recovery makes no progress"),
        }
    };
    let waited = REQUEST * requests;
    let needed = SLOW * u32::try_from(storage.calls(Call::Any)).unwrap();
    assert!(
        waited <= needed + REQUEST,
        "{waited:?} for calls that take {needed:?}"
    );
    mount.drain().await;
    is_served
}

/// Makes the last start, which must serve and must leave the right entries.
async fn start_for_good(memory: &Arc<MemoryStorage>, crashed: &Crashed, killed: &str) {
    let case = format!("{}, {killed}", crashed.name);
    assert!(start(memory, None).await, "{case}: one start is not enough");
    assert!(
        stored_by_guests(memory) == crashed.recovered,
        "{case}: {:?}",
        memory.entries()
    );
    assert_eq!(hidden(memory), Vec::<String>::new(), "{case}");
}

#[tokio::test(start_paused = true)]
async fn recovery_killed_at_each_call_is_done_by_the_next_start() {
    for crashed in crashed().await {
        for fault in [Fault::Kill, Fault::KillAfter] {
            for call in 1.. {
                let memory: Arc<MemoryStorage> = Arc::new(crashed.left.iter().cloned().collect());
                let served = start(&memory, Some((call, fault.clone()))).await;
                start_for_good(&memory, &crashed, &format!("{fault:?} at call {call}")).await;
                if served {
                    assert!(call > 5, "a recovery takes more calls than {call}");
                    break;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn recovery_killed_twice_at_any_calls_is_done_by_the_third() {
    for crashed in crashed().await {
        for first in 1.. {
            let memory: Arc<MemoryStorage> = Arc::new(crashed.left.iter().cloned().collect());
            let served = start(&memory, Some((first, Fault::KillAfter))).await;
            let left = memory.entries();
            for second in 1.. {
                let memory: Arc<MemoryStorage> = Arc::new(left.iter().cloned().collect());
                let served = start(&memory, Some((second, Fault::Kill))).await;
                start_for_good(&memory, &crashed, &format!("at calls {first} and {second}")).await;
                if served {
                    break;
                }
            }
            if served {
                break;
            }
        }
    }
}

/// A call that was given up stores late only what recovery stores again, and no newer value exists yet.
#[tokio::test(start_paused = true)]
async fn recovery_on_storage_slower_than_its_patience_ends_in_errors_only() {
    for crashed in crashed().await {
        let memory: Arc<MemoryStorage> = Arc::new(crashed.left.iter().cloned().collect());
        let storage = FaultyStorage::over(memory.clone());
        let mount = Mount::new(Arc::new(storage.clone()), recorded());
        // Makes each of the calls, one after the other, take longer than it may; it still has its effect.
        let mut failed = 0;
        for call in 1.. {
            storage.nth(Call::Any, call, Fault::Delay(FLUSH * 2));
            let begun = mount.begin(Attempt::FIRST).await;
            storage.heal();
            match begun {
                Err(_) => failed += 1,
                Ok(_) => break,
            }
        }
        assert!(failed > 3, "{}: {failed}", crashed.name);
        tokio::time::sleep(FLUSH * 2).await;
        assert!(stored_by_guests(&memory) == crashed.recovered, "{}", crashed.name);
        for (key, value) in &crashed.recovered {
            assert_eq!(read(&mount, key).await.unwrap().as_ref(), Some(value));
            store(&mount, key, "newer").await.unwrap();
            assert_eq!(read(&mount, key).await.unwrap().as_deref(), Some("newer"));
        }
        mount.drain().await;
        assert!(start(&memory, None).await);
        assert!(
            stored_by_guests(&memory)
                .iter()
                .all(|(_, value)| value == "newer")
        );
    }
}

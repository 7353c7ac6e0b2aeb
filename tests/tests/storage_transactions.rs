//! Commits several keys while their host is killed: on OpenBao in transactions of its storage, on Vault behind redo
//! records. On both, either all keys or none are stored.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use airlock_tests::{Brand, End, Load, Plugin, Server, Storage, files};
use serde_json::json;

const ACCOUNTS: u64 = 8;
const EACH: u64 = 1_000;
const WRITERS: u64 = 16;

/// OpenBao allows 64 transactions at once. Those that the kills leave open must not use them up.
const KILLS: usize = 25;

/// Makes transfers from many callers while the host is killed. Returns how many times there was a redo record in
/// storage.
fn transfer_while_the_host_is_killed(name: &str, storage: Storage) -> usize {
    let server = Server::start(name, storage);
    Plugin::serving("bank", &files::guest("bank"))
        .arg(format!("--cache-dir={}", files::guest_cache().display()))
        .register(&server);
    let bank = server.mount("bank", "bank");
    for account in 0..ACCOUNTS {
        bank.write(&format!("accounts/{account}"), json!({"balance": EACH}))
            .expect_success("open");
    }
    let records = format!("{}/.airlock/redo/", server.storage_of("bank"));
    let (load, stop, seen) = (&Load::default(), &AtomicBool::new(false), &AtomicUsize::new(0));
    let transfer = |number: u64| {
        let (from, step) = (number % ACCOUNTS, 1 + number % (ACCOUNTS - 1));
        let transfer =
            json!({"from": from.to_string(), "to": ((from + step) % ACCOUNTS).to_string(), "amount": 1});
        let answer = bank
            .client()
            .try_request("PUT", &bank.path("transfer"), Some(&transfer));
        answer.map_or_else(|error| End::Wrong(error.to_string()), |answer| End::of(&answer))
    };
    thread::scope(|scope| {
        let _end = load.stop_when_dropped();
        for writer in 0..WRITERS {
            let mut number = writer;
            scope.spawn(move || {
                load.call(|| {
                    number += 5;
                    transfer(number)
                });
            });
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let listed = server.client().list(&records);
                let names = listed.data()["keys"].as_array().map_or(0, Vec::len);
                seen.fetch_add(usize::from(names > 0), Ordering::Relaxed);
            }
        });
        for _ in 0..KILLS {
            load.wait_for(20);
            server.kill_host();
        }
        load.wait_for(100);
        stop.store(true, Ordering::Relaxed);
    });
    load.acknowledged();
    let total = bank.read("total").expect_success("total");
    assert_eq!(total.data()["total"], ACCOUNTS * EACH, "{total:?}");
    let left = server.stored_keys("bank");
    assert!(
        !left.iter().any(|key| key.starts_with(".airlock/redo/")),
        "{left:?}"
    );
    seen.load(Ordering::Relaxed)
}

#[track_caller]
fn check(records_seen: usize) {
    // On Vault the redo records are found, which shows that the look at storage works.
    assert_eq!(records_seen == 0, Brand::is_openbao(), "{records_seen}");
}

#[test]
fn transfers_in_memory_are_whole_though_the_host_is_killed() {
    check(transfer_while_the_host_is_killed("whole-memory", Storage::Memory));
}

#[test]
fn transfers_on_raft_are_whole_though_the_host_is_killed() {
    check(transfer_while_the_host_is_killed("whole-raft", Storage::Disk));
}
